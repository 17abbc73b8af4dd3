"""Tell Strava that an athlete has left, where it did not answer while he was erased."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.jobs.rooms import Rooms
from daemon.store import farewells, jobs
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "say_farewell"


def new(farewell_id: int, run_at: datetime) -> NewJob:
    """Make the job; it names nobody, and its call counts toward no quota."""
    return NewJob(
        kind=KIND,
        lane=Lane.SCHEDULED,
        dedup_key=f"{KIND}:{farewell_id}",
        run_at=run_at,
        payload={"farewell_id": farewell_id},
        asks_strava=False,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """End the authorization, then forget the token; he may have connected again meanwhile."""
    farewell_id = int(job.payload["farewell_id"])
    async with rooms.database.connection() as connection:
        farewell = await farewells.read(connection, farewell_id)
    if farewell is not None:
        await rooms.vault.revoke_sealed(farewell.athlete_id, farewell.refresh_token)
    async with rooms.database.transaction() as connection:
        await farewells.forget(connection, farewell_id)
        await jobs.complete(connection, job, "told" if farewell is not None else "nothing was left to tell")
    log.info("farewell.said", farewell_id=farewell_id)

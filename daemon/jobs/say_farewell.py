"""Tell Strava that an athlete has left, where it did not answer while he was erased."""

from __future__ import annotations

from typing import Final

import structlog

from daemon.core.errors import Retryable
from daemon.jobs.rooms import Rooms
from daemon.store import farewells, jobs
from daemon.store.jobs import Job
from daemon.vault import farewell

log = structlog.get_logger()

KIND: Final = farewell.KIND


async def run(job: Job, rooms: Rooms) -> None:
    """End the authorization, then forget the token; he may have connected again meanwhile."""
    farewell_id = int(job.payload["farewell_id"])
    async with rooms.database.connection() as connection:
        kept = await farewells.read(connection, farewell_id)
    if kept is not None:
        await rooms.vault.revoke_sealed(kept.athlete_id, kept.refresh_token)
    async with rooms.database.transaction() as connection:
        if kept is not None:
            await farewells.forget(connection, farewell_id, kept.refresh_token)
        if await farewells.read(connection, farewell_id) is not None:
            raise Retryable("another token took the place of the one that Strava was told of")
        await jobs.complete(connection, job, "told" if kept is not None else "nothing was left to tell")
    log.info("farewell.said", farewell_id=farewell_id)

"""Look whether an athlete still allows us: an event said no, and events are not believed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.core.events import Look
from daemon.jobs.rooms import Rooms
from daemon.store import jobs
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "look_at_athlete"


def new(look: Look, lane: Lane, run_at: datetime) -> NewJob:
    """Make the job; it runs for a resting athlete too, since a rest may turn out to be a deauthorization."""
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{look.athlete_id}",
        run_at=run_at,
        serial_key=look.athlete_id,
        while_resting=True,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Refresh first, then one call with the fresh token; either refusal rests the athlete as deauthorized."""
    assert job.serial_key is not None
    athlete_id = job.serial_key
    async with rooms.gate.step(job.lane, calls=1) as step:
        authorized = await rooms.vault.prove(athlete_id, lambda token: rooms.strava.athlete(token, step))
    async with rooms.database.transaction() as connection:
        await jobs.complete(connection, job, "still authorized" if authorized else "deauthorized")
    log.info("athlete.authorization_checked", authorized=authorized)

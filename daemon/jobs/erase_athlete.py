"""Erase an athlete who took the authorization back and did not return within `retention.deauthorized_days`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.jobs.rooms import Rooms
from daemon.store import athletes, events, jobs, outbox
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "erase_athlete"


def new(athlete_id: int, run_at: datetime) -> NewJob:
    """Make the job; it asks Strava nothing and runs although the athlete rests."""
    return NewJob(
        kind=KIND,
        lane=Lane.SCHEDULED,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=run_at,
        serial_key=athlete_id,
        asks_strava=False,
        while_resting=True,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Delete everything in one transaction, unless the athlete has come back meanwhile."""
    assert job.serial_key is not None
    async with rooms.database.transaction() as connection:
        deauthorized_at = await athletes.lock_deauthorized(connection, job.serial_key)
        if deauthorized_at is None:
            await jobs.complete(connection, job, "the athlete has come back")
            return
        await jobs.forget_athlete(connection, job.serial_key, but_job_id=job.job_id)
        await events.forget_owner(connection, job.serial_key)
        await outbox.forget_athlete(connection, job.serial_key)
        await athletes.erase(connection, job.serial_key)
        await jobs.complete(connection, job, "erased")
    log.info("athlete.erased", deauthorized_at=deauthorized_at)

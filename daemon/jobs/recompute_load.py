"""Bring an athlete's loads from a local day on to what wellness makes of them now. No call, no stream."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.core.wellness import EASTERNMOST
from daemon.jobs.rooms import Rooms
from daemon.store import athletes, jobs, wellness
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "recompute_load"


def new(athlete_id: int, from_on: date, reason: str, run_at: datetime) -> NewJob:
    """Make the job that recomputes an athlete's loads from a local day on; it asks Strava nothing."""
    return NewJob(
        kind=KIND,
        lane=Lane.SCHEDULED,
        # Two days are two jobs: merged, the later of them would be forgotten with its day.
        dedup_key=f"{KIND}:{athlete_id}:{from_on}",
        run_at=run_at,
        serial_key=athlete_id,
        payload={"from_on": from_on.isoformat(), "reason": reason},
        asks_strava=False,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Apply the modifiers, and mark fitness from the first load that moved."""
    assert job.serial_key is not None
    from_on = date.fromisoformat(job.payload["from_on"])
    until_on = (rooms.clock.now() + EASTERNMOST).date()
    async with rooms.database.transaction() as connection:
        moved_on = await wellness.apply_modifiers(connection, job.serial_key, from_on, max(from_on, until_on))
        if moved_on is not None:
            await athletes.dirty_fitness(connection, job.serial_key, moved_on)
        await jobs.complete(connection, job, f"loads moved from {moved_on} on" if moved_on else "no load moved")
    log.info("loads.recomputed", from_on=from_on, moved_on=moved_on, reason=job.payload["reason"])

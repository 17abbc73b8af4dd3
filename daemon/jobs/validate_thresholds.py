"""Hold the thresholds in force against each other and against the last months: what cannot be true is told.

It stays told, every day, until a refit or a person mends it. Refuses to change a threshold.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.core.news import Topic
from daemon.jobs import fit_thresholds, local_days
from daemon.jobs.rooms import Rooms
from daemon.science.lineage import entries_on
from daemon.store import athletes, jobs, outbox, thresholds
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "validate_thresholds"


def new(athlete_id: int, run_at: datetime) -> NewJob:
    """Make the job."""
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
    """Find what is inconsistent and keep it with the athlete; it is news once."""
    assert job.serial_key is not None
    athlete_id = job.serial_key
    async with rooms.database.connection() as connection:
        today = await local_days.today(connection, athlete_id, rooms.clock.now())
        in_force = entries_on(await thresholds.entries(connection, athlete_id), today)
        activities = await fit_thresholds.evidence_of(connection, athlete_id, today, rooms.choices.grade_model)
    values = {kind: entry.value for kind, entry in in_force.items()}
    found = await rooms.calculator.validate(activities, values, today)
    doubts = [{"kinds": [kind.value for kind in one.kinds], "sentence": one.sentence} for one in found]
    async with rooms.database.transaction() as connection:
        if await athletes.put_doubts(connection, athlete_id, doubts):
            await outbox.write(connection, Topic.THRESHOLDS_DOUBTED, athlete_id, {"doubts": doubts})
        await jobs.complete(connection, job, f"{len(doubts)} inconsistent")
    if doubts:
        log.warning("thresholds.doubted", doubts=[one["sentence"] for one in doubts])

"""Follow an athlete's fitness from the first day whose load changed up to his today.

It starts from the stored state of the day before, so that a change of today costs one day and not all of them.
Refuses to know what a load is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.core.news import Topic
from daemon.jobs import local_days
from daemon.jobs.rooms import Rooms
from daemon.science.fitness import Basis, Fitness, follow
from daemon.store import athletes, fitness, jobs, outbox
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "follow_fitness"

# A history that is being fetched marks an old day with every activity: once in a while is enough for it.
PATIENCE: Final = {Lane.SCHEDULED: timedelta(seconds=5), Lane.BACKFILL: timedelta(minutes=10)}
ONE_DAY: Final = timedelta(days=1)


def new(athlete_id: int, lane: Lane, now: datetime) -> NewJob:
    """Make the job; many asks are one job, and what is not live waits a little for more."""
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=now + PATIENCE.get(lane, timedelta(0)),
        serial_key=athlete_id,
        asks_strava=False,
        while_resting=True,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Compute the dirty days again, and those that have passed since the last one."""
    assert job.serial_key is not None
    athlete_id, now = job.serial_key, rooms.clock.now()
    async with rooms.database.transaction() as connection:
        dirty_from = await athletes.take_dirty(connection, athlete_id)
        today = await local_days.today(connection, athlete_id, now)
        days = await _computed(connection, athlete_id, dirty_from, today, rooms.choices.basis)
        if days:
            newest = days[-1]
            await outbox.write(
                connection,
                Topic.FITNESS_CHANGED,
                athlete_id,
                {"from_on": days[0].on, "on": newest.on, "ctl": newest.ctl, "atl": newest.atl, "tsb": newest.tsb},
            )
        await jobs.complete(connection, job, f"{len(days)} days up to {today}")
    log.info("fitness.followed", days=len(days), from_on=days[0].on if days else None)


async def _computed(
    connection: Connection, athlete_id: int, dirty_from: date | None, today: date, basis: Basis
) -> Sequence[Fitness]:
    from_on, days = await _ahead(connection, athlete_id, dirty_from, today, basis)
    first_on = days[0].on if days else from_on
    await fitness.replace(connection, athlete_id, min(from_on, first_on), days)
    return days


async def _ahead(
    connection: Connection, athlete_id: int, dirty_from: date | None, today: date, basis: Basis
) -> tuple[date, Sequence[Fitness]]:
    """Return from which day on what is stored does not count, and the days from there up to today, computed."""
    last_on = await fitness.last_on(connection, athlete_id)
    next_on = last_on + ONE_DAY if last_on is not None else date.min
    from_on = min(dirty_from, next_on) if dirty_from is not None else next_on
    before = await fitness.state_on(connection, athlete_id, from_on - ONE_DAY) if from_on > date.min else None
    first_on = from_on if before is not None else await fitness.first_load_on(connection, athlete_id, today)
    if first_on is None or first_on > today:  # nothing was done yet, or all that was done is gone
        return from_on, ()
    loads = await fitness.loads_between(connection, athlete_id, first_on, today)
    return from_on, follow(loads, basis, first_on, today, before)


async def up_to(connection: Connection, athlete_id: int, from_on: date, today: date, basis: Basis) -> list[Fitness]:
    """Return fitness from a day up to today: as stored, and what has not been followed yet computed.

    A history that is being fetched is followed once in a while only; who looks sees all of it.
    """
    athlete = await athletes.get(connection, athlete_id)
    dirty_from = athlete["fitness_dirty_from"] if athlete is not None else None
    ahead_on, ahead = await _ahead(connection, athlete_id, dirty_from, today, basis)
    stored = await fitness.list_from(connection, athlete_id, from_on)
    return [day for day in stored if day.on < ahead_on and day.on <= today] + [
        day for day in ahead if day.on >= from_on
    ]

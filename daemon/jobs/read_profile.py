"""Read what an athlete tells Strava of himself: name, sex, and the threshold power that he has set there.

One call, once, after he has connected. Refuses his zones: Strava makes them by a rule of thumb from a highest heart
rate that may be one as well, and they do not say which they are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.jobs import newcomers
from daemon.jobs.rooms import Rooms
from daemon.science.evidence import Kind
from daemon.science.validation import ACCEPTED
from daemon.store import athletes, jobs
from daemon.store.jobs import Job, NewJob
from daemon.strava.wire import Athlete

log = structlog.get_logger()

KIND: Final = "read_profile"
NEEDS: Final = "profile:read_all"  # without it Strava tells no more than it has told with the consent


def new(athlete_id: int, now: datetime) -> NewJob:
    """Make the job; he is looking at his page."""
    return NewJob(
        kind=KIND,
        lane=Lane.INTERACTIVE,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=now,
        serial_key=athlete_id,
    )


def is_worth_it(scope: Collection[str]) -> bool:
    """Tell whether a call would say anything that is not known yet."""
    return NEEDS in scope


async def run(job: Job, rooms: Rooms) -> None:
    """Ask, and store what is told; what Strava does not tell keeps its value."""
    assert job.serial_key is not None
    athlete_id, now = job.serial_key, rooms.clock.now()
    async with rooms.gate.step(job.lane, calls=1) as step:
        told = await rooms.vault.call(athlete_id, lambda token: rooms.strava.athlete(token, step))
    values = thresholds_of(told)
    async with rooms.database.transaction() as connection:
        await athletes.describe(connection, athlete_id, name_of(told), sex_of(told))
        await newcomers.bring_thresholds(connection, athlete_id, values, now, "Strava", is_new=False)
        await jobs.complete(connection, job, "read")
    log.info("profile.read", thresholds=[kind.value for kind in values])


def name_of(told: Athlete) -> str | None:
    """Return the name as our pages show it."""
    return told.name[: newcomers.LONGEST_NAME] if told.name is not None else None


def sex_of(told: Athlete) -> str | None:
    """Return what the exponents of the heart rate load are chosen by; None where Strava tells neither."""
    return told.sex if told.sex in {"M", "F"} else None


def thresholds_of(told: Athlete) -> dict[Kind, float]:
    """Return the values that can be true; nobody keeps an athlete from setting 9,999 W."""
    lowest, highest = ACCEPTED[Kind.FTP]
    watts = told.ftp_watts
    return {Kind.FTP: float(watts)} if watts is not None and lowest <= watts <= highest else {}

"""Athletes who have trained: activities with statistics in the database, and jobs that run when told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast

import orjson

from daemon.compute.calculator import Calculator
from daemon.core.admission import LANES
from daemon.jobs.kinds import EVERY
from daemon.jobs.rooms import Rooms
from daemon.science.evidence import Activity
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices, Done, Known, score_all
from daemon.science.statistics import ActivityFacts, Statistics, summarize
from daemon.science.wellness import Weights
from daemon.store import activities, jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, NewJob
from tests.support.clocks import SetClock
from tests.support.queue import ANY_KIND

CHOICES = Choices(GradeModel.STRAVA, Weights(), Basis.UTL)
HOUR = 3600
NOON = time(12)
SPORTS = {"ride": "Ride", "run": "Run", "swim": "Swim"}


def hour_at(watts: float, *, seconds: int = HOUR) -> Statistics:
    """An even ride: an hour at 250 W is a load of 100 at an FTP of 250 W."""
    facts = ActivityFacts("Ride", seconds, seconds, 30_000.0, True, False, None)
    return replace(
        summarize(None, facts),
        counted_seconds=seconds,
        power_known_seconds=seconds,
        power_sum4=watts**4 * seconds,
        power_count=seconds,
    )


def statistics_of(activity: Activity) -> Statistics:
    """The statistics that thresholds are told such an activity from."""
    seconds = activity.moving_seconds
    facts = ActivityFacts(SPORTS[activity.family], seconds, seconds, 30_000.0, True, False, None)
    hearts = activity.heart_rate_curve
    return replace(
        summarize(None, facts),
        power_curve=activity.power_curve,
        graded_strava_curve=activity.graded_curve,
        heart_rate_curve=hearts,
        heart_rate_at_best_power=activity.heart_rate_at_best_power,
        heart_rate_at_best_graded_strava=activity.heart_rate_at_best_graded,
        best_swim_seconds=activity.best_swim_seconds,
        heart_rate_seconds=None,
        quality={"sentences": []},
    )


async def train(
    connection: Connection,
    athlete_id: int,
    activity_id: int,
    local_on: date,
    statistics: Statistics,
    *,
    at: time = NOON,
    timezone: str = "Europe/Berlin",
    utc_offset: timedelta = timedelta(hours=1),
    sport_type: str = "Ride",
    scored: bool = True,
) -> None:
    """Store an activity as a look would have, with a load under no thresholds at all unless told otherwise."""
    local_start_at = datetime.combine(local_on, at)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    columns = {
        "activity_id": activity_id, "athlete_id": athlete_id, "sport_type": sport_type, "name": f"of {local_on}",
        "start_at": (local_start_at - utc_offset).replace(tzinfo=UTC), "local_start_at": local_start_at,
        "timezone": timezone, "elapsed_seconds": statistics.elapsed_seconds,
        "moving_seconds": statistics.moving_seconds, "distance_m": statistics.distance_m, "trainer": False,
        "manual": False, "private": False, "hidden_start": False, "streams_state": "kept",
    }  # fmt: skip
    await activities.upsert(connection, columns, now)
    await activities.put_statistics(connection, activity_id, statistics, now)
    if scored:
        (load,) = score_all([Done(activity_id, local_on, sport_type, statistics)], Known((), None, {}), CHOICES)
        await activities.put_loads(connection, orjson.dumps([load.columns()]), now)


async def sleep(connection: Connection, athlete_id: int, days: Mapping[date, Mapping[str, float]]) -> None:
    """Store mornings; the columns of `wellness` by name."""
    for on, values in days.items():
        row = {"resting_hr": None, "hrv_rmssd": None, "sleep_seconds": None, **values}
        await connection.execute(
            "INSERT INTO wellness (athlete_id, on_day, resting_hr, hrv_rmssd, sleep_seconds)"
            " VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (athlete_id, on_day, source) DO UPDATE SET resting_hr = excluded.resting_hr,"
            " hrv_rmssd = excluded.hrv_rmssd, sleep_seconds = excluded.sleep_seconds",
            athlete_id, on, row["resting_hr"], row["hrv_rmssd"], row["sleep_seconds"],
        )  # fmt: skip


@dataclass(frozen=True)
class Bureau:
    """The rooms that need no Strava, and a clock that stands."""

    database: Database
    calculator: Calculator
    clock: SetClock
    choices: Choices = CHOICES

    @property
    def rooms(self) -> Rooms:
        """What a job of science enters; another room would fail it."""
        parts = SimpleNamespace(
            database=self.database, calculator=self.calculator, clock=self.clock, choices=self.choices
        )
        return cast(Rooms, parts)

    async def queue(self, *queued: NewJob) -> None:
        async with self.database.transaction() as connection:
            await jobs.enqueue(connection, queued)

    async def claim(self) -> Job | None:
        """Claim what is due by the clock of this bureau."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE jobs SET run_at = LEAST(run_at, now()) WHERE state = 'queued' AND run_at <= $1",
                self.clock.now(),
            )
            claimed = await jobs.claim_due(connection, ANY_KIND, LANES, LANES, lease_seconds=60, most=1)
        return claimed[0] if claimed else None

    async def step(self) -> Job | None:
        """Run one job that is due; its errors are the test's."""
        job = await self.claim()
        if job is not None:
            await EVERY[job.kind](job, self.rooms)
        return job

    async def work_off(self) -> list[str]:
        """Run all that is due, and what follows at once; returns the kinds in the order in which they ran."""
        ran = []
        while job := await self.step():
            ran.append(job.kind)
            self.clock.advance(30)  # patience
        return ran

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]

    async def value(self, sql: str, *values: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(sql, *values)

"""Look at an athlete's thresholds: two years of stored curves, or his mornings, and the caution of `science`.

What it decides is added beside what stands, never over it; where a value moved, the loads on and after its date are
asked to be computed again. No call and no stream is needed. Refuses to fit on the loop: the worker process does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog

from daemon.compute.calculator import Looked
from daemon.compute.works import Look, Sent
from daemon.core.admission import Lane
from daemon.core.errors import Retryable
from daemon.core.news import Topic
from daemon.jobs import local_days, recompute_load
from daemon.jobs.rooms import Rooms
from daemon.science.critical import WINDOW_DAYS
from daemon.science.evidence import Kind, RestingReading
from daemon.science.heart_thresholds import MAX_HR_DAYS, RESTING_DAYS
from daemon.science.lineage import Entry, standings
from daemon.science.pace import GradeModel
from daemon.science.thresholds import SIGNIFICANT_WINDOW, InForce, Occasion, Row, is_due, look_at_rest
from daemon.store import activities, athletes, jobs, outbox, thresholds, wellness_readings
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "fit_thresholds"
DAYS_A_YEAR: Final = 365.2425


def new(athlete_id: int, occasion: Occasion, run_at: datetime) -> NewJob:
    """Make the job; each occasion is a job of its own, so that the weekly look is not lost in a lesser one."""
    return NewJob(
        kind=KIND,
        lane=Lane.SCHEDULED,
        dedup_key=f"{KIND}:{athlete_id}:{occasion}",
        run_at=run_at,
        serial_key=athlete_id,
        payload={"occasion": occasion.value},
        asks_strava=False,
        while_resting=True,
    )


async def if_due(connection: Connection, athlete_id: int, now: datetime) -> NewJob | None:
    """Return the look that a week of significant activities asks for: at once, or tomorrow if today had one."""
    if not is_due(await activities.sessions_since(connection, athlete_id, now - SIGNIFICANT_WINDOW), now):
        return None
    athlete = await athletes.get(connection, athlete_id)
    looked_on = athlete["thresholds_looked_on"] if athlete is not None else None
    if looked_on is None or looked_on < await local_days.today(connection, athlete_id, now):
        return new(athlete_id, Occasion.SIGNIFICANT_WEEK, now)
    return new(athlete_id, Occasion.SIGNIFICANT_WEEK, await local_days.next_midnight(connection, athlete_id, now))


async def evidence_of(
    connection: Connection, athlete_id: int, today: date, grade_model: GradeModel
) -> Sequence[Sent]:
    """Return the stored activities from which thresholds are told, their curves unread."""
    rows = await activities.evidence(
        connection,
        athlete_id,
        today - timedelta(days=MAX_HR_DAYS),
        today - timedelta(days=WINDOW_DAYS),
        grade_model,
    )
    return [Sent(**row) for row in rows]


async def run(job: Job, rooms: Rooms) -> None:
    """Look, and write what was decided unless a threshold was set or withdrawn meanwhile."""
    assert job.serial_key is not None
    athlete_id, occasion, now = job.serial_key, Occasion(job.payload["occasion"]), rooms.clock.now()
    async with rooms.database.connection() as connection:
        today = await local_days.today(connection, athlete_id, now)
        entries = await thresholds.entries(connection, athlete_id)
    if occasion is Occasion.RESTING_HR:
        looked = await _look_at_rest(rooms, athlete_id, entries, today)
    else:
        looked = await _look_at_activities(rooms, athlete_id, entries, occasion, today)
    async with rooms.database.transaction() as connection:
        await athletes.lock(connection, athlete_id)
        if await thresholds.entries(connection, athlete_id) != entries:
            raise Retryable("a threshold was set or withdrawn meanwhile", now)
        written = [
            {**_told(row), "threshold_id": await thresholds.add(connection, athlete_id, row, today)}
            for row in looked.rows
        ]
        if occasion is not Occasion.RESTING_HR:
            await athletes.looked_on(connection, athlete_id, today)
        moved = [row for row in looked.rows if row.recompute_from is not None]
        if moved:
            from_on = min(row.recompute_from for row in moved if row.recompute_from is not None)
            reason = f"{', '.join(row.kind for row in moved)} moved"
            await jobs.enqueue(connection, [recompute_load.new(athlete_id, from_on, reason, now)])
        if written:
            news = {
                "kinds": sorted({row["kind"] for row in written}),
                "from_on": min(row["effective_on"] for row in written),
                "reason": f"were fitted ({occasion})",
                "rows": written,
            }
            await outbox.write(connection, Topic.THRESHOLDS_CHANGED, athlete_id, news)
        await jobs.complete(connection, job, f"{occasion}: {len(written)} written, {len(looked.kept)} kept")
    log.info("thresholds.looked_at", occasion=occasion.value, written=written, kept=len(looked.kept))
    log.debug("thresholds.kept", occasion=occasion.value, why=looked.kept)


async def _look_at_activities(
    rooms: Rooms, athlete_id: int, entries: Sequence[Entry], occasion: Occasion, today: date
) -> Looked:
    async with rooms.database.connection() as connection:
        athlete = await athletes.get(connection, athlete_id)
        known = await evidence_of(connection, athlete_id, today, rooms.choices.grade_model)
    age_years = _age(athlete["born_on"] if athlete is not None else None, today)
    return await rooms.calculator.look(Look(known, standings(entries, today), occasion, today, age_years))


async def _look_at_rest(rooms: Rooms, athlete_id: int, entries: Sequence[Entry], today: date) -> Looked:
    first_on = today - timedelta(days=RESTING_DAYS - 1)
    async with rooms.database.connection() as connection:
        mornings = await wellness_readings.between(connection, athlete_id, first_on, today)
    readings = [
        RestingReading(on, reading.resting_hr_bpm)
        for on, reading in mornings.items()
        if reading.resting_hr_bpm is not None
    ]
    decision = look_at_rest(readings, standings(entries, today).get(Kind.RESTING_HR, InForce()), today)
    if isinstance(decision, Row):
        return Looked((decision,), {})
    return Looked((), {decision.kind: decision.reason})


def _age(born_on: date | None, today: date) -> float | None:
    return (today - born_on).days / DAYS_A_YEAR if born_on is not None else None


def _told(row: Row) -> dict[str, Any]:
    return {
        "kind": row.kind.value,
        "value": row.value,
        "standard_error": row.standard_error,
        "method": row.method,
        "effective_on": row.effective_on.isoformat(),
        "suggested": row.suggested,
        "explanation": row.explanation,
    }

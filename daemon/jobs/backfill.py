"""An athlete's history, newest first, one short step a job: a page of the list, or the streams of one activity.

Each step queues the next in its own transaction, due now, and so behind everybody else's: a long history holds
nobody up. What is still to be done stands in the database alone, so that a kill at any moment costs at most the
answer that was under way. No details are asked for: a list line and the streams are enough.

This module refuses to touch what is stored already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from pydantic import SecretStr

from daemon.core.admission import Lane
from daemon.core.errors import Permanent, Retryable, ScopeMissing
from daemon.core.listing import SETTLING, Line
from daemon.core.look import looked_before
from daemon.jobs import activity_results, fit_thresholds, list_results
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Step
from daemon.science.statistics import summarize
from daemon.science.thresholds import Occasion
from daemon.store import activities, backfills, jobs, sync_states
from daemon.store.backfills import Backfill
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob
from daemon.strava.wire import Activity

log = structlog.get_logger()

KIND: Final = "backfill"
AHEAD: Final = timedelta(days=1)  # a list without `before` may be sorted the other way round
SET_ASIDE_AFTER: Final = 8  # attempts, two hours in all: by then it is the activity, not Strava
ASIDE: Final = timedelta(hours=1)
LET_DIE: Final = timedelta(hours=6)  # what a step died of may need a person: not another dead job with each tick


def new(athlete_id: int, now: datetime) -> NewJob:
    """Make the next step, at the end of the line."""
    return NewJob(
        kind=KIND, lane=Lane.BACKFILL, dedup_key=f"{KIND}:{athlete_id}", run_at=now, serial_key=athlete_id
    )


async def begin(connection: Connection, athlete_id: int, days: int, now: datetime) -> None:
    """Ask for so many days before an athlete's connection, in the transaction that connects him; 0: none."""
    await _enqueue(connection, await backfills.open_backfills(connection, [athlete_id], days, now), now)


async def catch_up(connection: Connection, athlete_ids: Collection[int], days: int, now: datetime) -> int:
    """Ask for the history of those who have none, or too little since the setting was raised; returns steps.

    What goes on without a step goes on, whatever the last one died of: a restart may have mended it.
    """
    opened = await backfills.open_backfills(connection, athlete_ids, days, now)
    await _enqueue(connection, opened, now)
    idle = await backfills.hold_idle(connection, now, athlete_ids)
    await _enqueue(connection, idle, now)
    return len(opened) + len(idle)


async def continue_all(connection: Connection, now: datetime) -> int:
    """Queue a step for each backfill that goes on without one, not at once where one died; returns how many."""
    idle = await backfills.hold_idle(connection, now - LET_DIE)
    await _enqueue(connection, idle, now)
    return len(idle)


async def _enqueue(connection: Connection, athlete_ids: Iterable[int], now: datetime) -> None:
    await jobs.enqueue(connection, [new(athlete_id, now) for athlete_id in athlete_ids])


async def run(job: Job, rooms: Rooms) -> None:
    """Take one step and queue the next."""
    assert job.serial_key is not None
    async with rooms.database.connection() as connection:
        backfill = await backfills.get(connection, job.serial_key)
        if backfill is None or backfill.state not in {"listing", "fetching"}:
            await jobs.complete(connection, job, "nothing is asked for")
            return
        activity = await activities.next_unlooked(connection, job.serial_key, backfill.target_from)
    try:
        if backfill.state == "listing":
            await _list_page(job, rooms, backfill)
        elif activity is not None:
            await _fetch(job, rooms, activity)
        else:
            await _finish(job, rooms)
    except ScopeMissing as error:
        async with rooms.database.transaction() as connection:
            await backfills.refuse(connection, job.serial_key, str(error), rooms.clock.now())
        await list_results.settle_refused(job, rooms, error)


async def _list_page(job: Job, rooms: Rooms, backfill: Backfill) -> None:
    now = rooms.clock.now()
    before_at = backfill.listed_to + timedelta(seconds=1) if backfill.listed_to is not None else now + AHEAD
    async with rooms.gate.step(job.lane, calls=1) as step:
        page = await rooms.vault.call(backfill.athlete_id, partial(_page, rooms, step, before_at))
    lines = list_results.lines_of(page, backfill.athlete_id)
    oldest_at = min((line.start_at for line in lines.values()), default=None)
    # Read until it shows what is older than wanted, or nothing that the page before had not shown.
    is_last = (
        oldest_at is None
        or oldest_at < backfill.target_from
        or (backfill.listed_to is not None and oldest_at >= backfill.listed_to)
    )
    # No farther than what is stored: a raised setting goes on from here.
    listed_to = max(oldest_at, backfill.target_from) if oldest_at is not None else None
    async with rooms.database.transaction() as connection:
        fresh, waiting = await _store_page(connection, backfill, lines.values(), now, rooms)
        found = len(fresh) + waiting
        await backfills.turn_page(connection, backfill.athlete_id, listed_to, found)
        if is_last:
            await backfills.begin_fetching(connection, backfill.athlete_id)
        await jobs.enqueue(connection, [new(backfill.athlete_id, now)])
        await list_results.see_lines(connection, backfill.athlete_id, lines.values())
        await sync_states.see_uploads(connection, backfill.athlete_id, [line.ended_at for line in fresh])
        await jobs.complete(connection, job, f"{found} of {len(page)} listed are to be fetched")
    log.info("backfill.listed", listed=len(page), found=found, listed_to=listed_to, is_last=is_last)


async def _page(rooms: Rooms, step: Step, before_at: datetime, token: SecretStr) -> list[Activity]:
    return await rooms.strava.activities(token, step, before=before_at)


async def _store_page(
    connection: Connection, backfill: Backfill, lines: Iterable[Line], now: datetime, rooms: Rooms
) -> tuple[list[Line], int]:
    """Store what is wanted and not stored yet; returns it, and how many that others listed wait for streams."""
    athlete_id = backfill.athlete_id
    wanted = {line.activity_id: line for line in lines if line.start_at >= backfill.target_from}
    # A window without room: the ids alone.
    rows = await activities.hold_against(connection, athlete_id, now, now, list(wanted))
    held = {row["activity_id"] for row in rows}
    gone = await activities.buried_since(connection, list(wanted), now - SETTLING)
    fresh = [line for activity_id, line in wanted.items() if activity_id not in held | gone]
    for line in fresh:
        await list_results.store_listed(connection, KIND, Lane.BACKFILL, athlete_id, line, now, rooms)
    waiting = [
        row
        for row in rows
        if row["version"] is None
        and row["streams_state"] == "wanted"
        and (backfill.listed_to is None or row["start_at"] < backfill.listed_to)  # the page before had the others
    ]
    return fresh, len(waiting)


async def _fetch(job: Job, rooms: Rooms, activity: dict[str, Any]) -> None:
    now = rooms.clock.now()
    columns = activity_results.columns_held(activity)
    ended_at = columns["start_at"] + timedelta(seconds=columns["elapsed_seconds"])
    try:
        async with rooms.gate.step(job.lane, calls=1) as step:
            findings = await activity_results.fetch_streams(
                rooms, columns["athlete_id"], columns["activity_id"], step, looked=looked_before(ended_at, now)
            )
        follow = [new(columns["athlete_id"], now)]
        await activity_results.settle(job, rooms, columns, findings, follow=follow)
    except ScopeMissing:
        raise
    except (Permanent, Retryable) as error:
        if isinstance(error, Retryable) and job.attempts < SET_ASIDE_AFTER:
            raise
        await _set_aside(job, rooms, columns, str(error))


async def _set_aside(job: Job, rooms: Rooms, columns: dict[str, Any], reason: str) -> None:
    """Leave one activity to a job of its own, which may die alone, and go on with the next."""
    now = rooms.clock.now()
    athlete_id, activity_id = columns["athlete_id"], columns["activity_id"]
    async with rooms.database.transaction() as connection:
        bare = summarize(None, activity_results.facts_of(columns))
        await activity_results.store(
            connection, columns, "wanted", bare, now, rooms=rooms, lane=job.lane, found_by=KIND
        )
        await backfills.set_aside(connection, athlete_id)
        look = activity_results.look_for_streams(athlete_id, activity_id, job.lane, now + ASIDE)
        await jobs.enqueue(connection, [look, new(athlete_id, now)])
        await jobs.complete(connection, job, f"set aside: {reason}")
    log.warning("backfill.set_aside", activity_id=activity_id, reason=reason)


async def _finish(job: Job, rooms: Rooms) -> None:
    assert job.serial_key is not None
    now = rooms.clock.now()
    async with rooms.database.transaction() as connection:
        # Now there is a year to tell thresholds from: the next Sunday is too late.
        await jobs.enqueue(connection, [fit_thresholds.new(job.serial_key, Occasion.WEEKLY, now)])
        await backfills.finish(connection, job.serial_key, now)
        await jobs.complete(connection, job, "finished")
    log.info("backfill.finished")

"""Look at an athlete's list over an overlapping window: find what no event has told.

One call where there is no news, and no cursor that a late upload could slip under. What the list shows is stored at
once; streams and doubts get jobs of their own (`list_results`), so that this one stays short. It refuses to decide
when an athlete is worth a look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from pydantic import SecretStr

from daemon.core.admission import Lane
from daemon.core.errors import Revoked, ScopeMissing
from daemon.core.listing import ONE_PAGE, Line, Window, goes_on
from daemon.core.news import Topic
from daemon.jobs import list_results
from daemon.jobs.list_results import Outcome
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Step
from daemon.store import jobs, outbox, runs, sync_states
from daemon.store.database import Gone
from daemon.store.jobs import Job, NewJob
from daemon.store.runs import SyncResult
from daemon.strava.wire import Activity

log = structlog.get_logger()

KIND: Final = "sync_athlete"
NEWS: Final = Topic.ATHLETE_SYNCED
AUDIT: Final = timedelta(days=14)
OVERLAP: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Listed:
    """All lines of a window, and what they cost."""

    lines: dict[int, Line]
    window: Window
    asked_at: datetime
    calls: int


def new(athlete_id: int, lookback: timedelta, lane: Lane, run_at: datetime, reason: str) -> NewJob:
    """Make the job; asks for one athlete coalesce into the one that looks back the farthest."""
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=dedup_key(athlete_id),
        run_at=run_at,
        serial_key=athlete_id,
        payload={"reason": reason},
        lookback_seconds=round(lookback.total_seconds()),
    )


def dedup_key(athlete_id: int) -> str:
    """Return the key under which asks for an athlete coalesce."""
    return f"{KIND}:{athlete_id}"


async def run(job: Job, rooms: Rooms) -> None:
    """Read the list and settle the job; an athlete who took something back has his asks settled as failed."""
    assert job.serial_key is not None
    try:
        listed = await _read(job, rooms)
    except ScopeMissing as error:
        await list_results.settle_refused(job, rooms, error)
        return
    except Revoked as error:
        await list_results.fail_asks(job, rooms, error)
        raise
    await _settle(job, rooms, listed)


async def _read(job: Job, rooms: Rooms) -> _Listed:
    assert job.serial_key is not None
    assert job.lookback_seconds is not None
    asked_at = rooms.clock.now()
    # From when it was asked for, however long it waited: a look that waits reaches farther, never less far.
    lookback = timedelta(seconds=job.lookback_seconds)
    window = Window(min(asked_at, job.queued_at) - lookback - OVERLAP, None)
    assert window.after_at is not None
    span = asked_at - window.after_at
    lines: dict[int, Line] = {}
    calls, is_open = 0, True
    async with rooms.gate.step(job.lane, calls=1 if span <= ONE_PAGE else 2) as step:
        while is_open:
            calls += 1
            page = await rooms.vault.call(job.serial_key, partial(_page, rooms, step, window, calls))
            lines |= list_results.lines_of(page, job.serial_key)
            is_open = goes_on(len(page), len(lines), span)
    return _Listed(lines, window, asked_at, calls)


async def _page(rooms: Rooms, step: Step, window: Window, number: int, token: SecretStr) -> list[Activity]:
    return await rooms.strava.activities(token, step, after=window.after_at, page=number)


async def _settle(job: Job, rooms: Rooms, listed: _Listed) -> None:
    """Store everything and complete the job in one transaction."""
    assert job.serial_key is not None
    assert listed.window.after_at is not None
    athlete_id, reached_to = job.serial_key, listed.window.after_at
    async with rooms.database.transaction() as connection:
        athlete = await sync_states.get(connection, athlete_id)
        if athlete is None:
            raise Gone("the athlete was erased meanwhile")
        outcome = await list_results.apply(
            connection, job, athlete, listed.lines, listed.window, listed.asked_at, rooms=rooms
        )
        await sync_states.record(
            connection,
            athlete_id,
            synced_at=listed.asked_at,
            reached_to=reached_to,
            is_audit=listed.asked_at - reached_to >= AUDIT,
            missed_at=listed.asked_at if outcome.missed else None,
        )
        await runs.settle_asks(connection, athlete_id, reached_to, _result(outcome, listed.calls))
        if outcome.has_news or job.lane is Lane.INTERACTIVE:
            await outbox.write(connection, NEWS, athlete_id, _news(job, listed, outcome))
        await jobs.complete(connection, job, outcome.words)
    log.info(
        "athlete.synced",
        reason=job.payload.get("reason"),
        reached_to=reached_to,
        calls=listed.calls,
        new=len(outcome.new),
        edited=len(outcome.edited),
        suspected=len(outcome.suspected),
        missed=len(outcome.missed),
    )


def _result(outcome: Outcome, calls: int) -> SyncResult:
    return SyncResult(
        outcome="synced",
        calls=calls,
        new_activities=len(outcome.new),
        edited=len(outcome.edited),
        deleted=len(outcome.suspected),
        missed_webhooks=len(outcome.missed),
    )


def _news(job: Job, listed: _Listed, outcome: Outcome) -> dict[str, object]:
    return {
        "job_id": job.job_id,
        "reached_to": listed.window.after_at,
        "calls": listed.calls,
        "listed": len(listed.lines),
        "new": outcome.new,
        "edited": outcome.edited,
        "suspected": outcome.suspected,
        "missed": outcome.missed,
        "caused": outcome.caused,
    }

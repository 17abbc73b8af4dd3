"""Walk over an athlete's whole list, a page a step: late uploads of old rides, and deletions of any age.

A bare walk: pages of 200 and nothing else, down to an empty one, once a month. The cursor is a start, not a page
number, so that an upload meanwhile moves nothing; it travels in the job. What lies before the history that we keep
is passed over, unless its id says that it was uploaded since the first list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from pydantic import SecretStr

from daemon.core.admission import Lane
from daemon.core.errors import Revoked, ScopeMissing
from daemon.core.freshness import Athlete
from daemon.core.listing import EDGE, Line, Window
from daemon.jobs import list_results
from daemon.jobs.list_results import Outcome
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Step
from daemon.store import backfills, jobs, runs, sync_states
from daemon.store.database import Connection, Gone
from daemon.store.jobs import Job, NewJob
from daemon.store.runs import SyncResult
from daemon.strava.wire import Activity

log = structlog.get_logger()

KIND: Final = "walk_history"
AHEAD: Final = timedelta(days=1)  # a list without `before` may be sorted the other way round
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far a walk has come; `walked_to` in seconds since the epoch, None at its start."""

    walked_to: float | None = None
    calls: int = 0
    new: int = 0
    edited: int = 0
    suspected: int = 0
    missed: int = 0

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> _Walk:
        return cls(**{name: payload[name] for name in cls.__dataclass_fields__ if name in payload})

    def after(self, walked_to: datetime | None, outcome: Outcome) -> _Walk:
        """Return the walk after one more page."""
        return _Walk(
            walked_to=walked_to.timestamp() if walked_to is not None else self.walked_to,
            calls=self.calls + 1,
            new=self.new + len(outcome.new),
            edited=self.edited + len(outcome.edited),
            suspected=self.suspected + len(outcome.suspected),
            missed=self.missed + len(outcome.missed),
        )


def new(athlete_id: int, lane: Lane, run_at: datetime, reason: str) -> NewJob:
    """Make a walk's first step; asked for while one is under way, it changes nothing."""
    return _step(athlete_id, lane, run_at, {"reason": reason})


def _step(athlete_id: int, lane: Lane, run_at: datetime, payload: Mapping[str, Any]) -> NewJob:
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=run_at,
        serial_key=athlete_id,
        payload=payload,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Take one step: read a page, hold it against what is stored, queue the next."""
    assert job.serial_key is not None
    walk, asked_at = _Walk.of(job.payload), rooms.clock.now()
    reached = datetime.fromtimestamp(walk.walked_to, UTC) if walk.walked_to is not None else None
    before_at = reached + timedelta(seconds=1) if reached is not None else asked_at + AHEAD
    try:
        async with rooms.gate.step(job.lane, calls=1) as step:
            page = await rooms.vault.call(job.serial_key, partial(_page, rooms, step, before_at))
    except ScopeMissing as error:
        await list_results.settle_refused(job, rooms, error)
        return
    except Revoked as error:
        await list_results.fail_asks(job, rooms, error)
        raise
    lines = list_results.lines_of(page, job.serial_key)
    walked_to = min((line.start_at for line in lines.values()), default=None)
    is_last = walked_to is None or (reached is not None and walked_to >= reached)
    # Pages are asked for by `before` alone, in whole seconds: the window's ends are exact.
    after_at = walked_to - EDGE if walked_to is not None and not is_last else None
    window = Window(after_at, before_at + EDGE)
    async with rooms.database.transaction() as connection:
        athlete = await sync_states.get(connection, job.serial_key)
        if athlete is None:
            raise Gone("the athlete was erased meanwhile")
        is_wanted = partial(
            _is_wanted,
            await _kept_from(connection, athlete),
            await sync_states.newest_id(connection, athlete.athlete_id),
        )
        outcome = await list_results.apply(
            connection, job, athlete, lines, window, asked_at, rooms=rooms, is_wanted=is_wanted
        )
        walk = walk.after(walked_to, outcome)
        if not is_last:
            payload = {"reason": job.payload.get("reason"), **asdict(walk)}
            await jobs.enqueue(connection, [_step(job.serial_key, job.lane, asked_at, payload)])
        if outcome.missed:
            await sync_states.miss(connection, job.serial_key, asked_at)
        if is_last:
            await sync_states.record_walk(connection, job.serial_key, asked_at)
            await runs.settle_asks(connection, job.serial_key, BEGINNING, _result(walk))
        await jobs.complete(connection, job, outcome.words)
    log.info("history.walked", walked_to=walked_to, listed=len(page), is_last=is_last, found=outcome.words)


async def _page(rooms: Rooms, step: Step, before_at: datetime, token: SecretStr) -> list[Activity]:
    return await rooms.strava.activities(token, step, before=before_at)


async def _kept_from(connection: Connection, athlete: Athlete) -> datetime:
    """Return since when we keep an athlete's history; what is being listed belongs to the backfill."""
    backfill = await backfills.get(connection, athlete.athlete_id)
    if backfill is None or backfill.state == "refused":
        return athlete.connected_at
    if backfill.state == "listing":
        return backfill.listed_to or athlete.connected_at
    return backfill.target_from


def _is_wanted(kept_from: datetime, newest_id: int | None, line: Line) -> bool:
    return line.start_at >= kept_from or (newest_id is not None and line.activity_id > newest_id)


def _result(walk: _Walk) -> SyncResult:
    return SyncResult(
        outcome="synced",
        calls=walk.calls,
        new_activities=walk.new,
        edited=walk.edited,
        deleted=walk.suspected,
        missed_webhooks=walk.missed,
    )

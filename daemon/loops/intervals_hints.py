"""Hints of Intervals.icu become syncs: after the answer, so that no sender can time whom we know.

Kept in memory only. A hint that dies with the process costs hours at most: every window is read again anyway, which
is why nobody has to be believed or remembered here. Beyond its budget a hint is not dropped but put off.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core import attempts
from daemon.core.admission import Lane
from daemon.core.attempts import Allowance, Bucket
from daemon.core.errors import Retryable
from daemon.core.wellness import FIRST_DAYS
from daemon.jobs import sync_wellness
from daemon.loops.inbox import Budget
from daemon.store import athletes, intervals_credentials, jobs
from daemon.store.database import Database
from daemon.store.jobs import NewJob

log = structlog.get_logger()

USUAL_DAYS: Final = 7
MOST_WAITING: Final = 10_000
MOST_PER_BATCH: Final = 500
MOST_ATHLETES: Final = 10_000  # whose budgets are remembered; who is forgotten starts anew, the one for all holds
PAUSE_SECONDS: Final = 1.0
REASON: Final = "Intervals.icu hinted at a change"


class IntervalsHints:
    """Takes hints from the webhook; run `run` for as long as any may come."""

    def __init__(self, database: Database, budget: Budget, clock: Clock, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_queued = on_queued
        self._athletes: OrderedDict[int, Bucket] = OrderedDict()
        self.allow(budget)
        self._waiting: dict[str, date | None] = {}
        self._arrived = asyncio.Event()

    def allow(self, budget: Budget) -> None:
        """Judge by another budget from now on; everybody's begins anew."""
        self._each = _hourly(budget.owner_looks_per_hour)
        self._everybody = _hourly(budget.looks_per_hour)
        self._all = attempts.full(self._everybody, self._clock.elapsed_seconds())
        self._athletes.clear()

    def take(self, earliest: Mapping[str, date | None]) -> bool:
        """Take the hints of one body; False where too many wait already, and then none of them."""
        if len(self._waiting) + len(earliest) > MOST_WAITING:
            return False
        for name, day in earliest.items():
            self._waiting[name] = _earlier(self._waiting.get(name), day)
        self._arrived.set()
        return True

    async def run(self) -> None:
        """Queue what was hinted at, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch = dict(list(self._waiting.items())[:MOST_PER_BATCH])
                try:
                    await self._queue(batch)
                except Retryable as error:
                    log.warning("hints.not_queued", waiting=len(self._waiting), reason=str(error))
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                for name, day in batch.items():
                    if self._waiting[name] == day:  # no other came meanwhile
                        del self._waiting[name]

    async def _queue(self, hints: Mapping[str, date | None]) -> None:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            found = await intervals_credentials.find(connection, hints.keys())
            known = await athletes.hold_known(connection, [athlete_id for athlete_id, _ in found])
            queued = [self._job(athlete_id, hints[name], now) for athlete_id, name in found if athlete_id in known]
            await jobs.enqueue(connection, queued)
        log.info("hints.queued", hints=len(hints), jobs=len(queued))
        if queued:
            self._on_queued()

    def _job(self, athlete_id: int, earliest_on: date | None, now: datetime) -> NewJob:
        days = (now.date() - earliest_on).days + 1 if earliest_on is not None else 0
        wait_seconds = self._wait_seconds(athlete_id)
        return sync_wellness.new(
            athlete_id,
            min(max(days, USUAL_DAYS), FIRST_DAYS),
            Lane.LIVE if wait_seconds == 0 else Lane.BACKFILL,
            now + timedelta(seconds=wait_seconds),
            REASON,
        )

    def _wait_seconds(self, athlete_id: int) -> float:
        """Count one sync against the athlete and against all; returns how long it has to wait, usually 0."""
        at = self._clock.elapsed_seconds()
        own = self._athletes.pop(athlete_id, None) or attempts.full(self._each, at)
        mine = attempts.take(own, self._each, at)
        everybodys = attempts.take(self._all, self._everybody, at)
        spent = not isinstance(mine, float) and not isinstance(everybodys, float)
        self._athletes[athlete_id] = mine if spent and isinstance(mine, Bucket) else own
        while len(self._athletes) > MOST_ATHLETES:
            self._athletes.popitem(last=False)
        if spent and isinstance(everybodys, Bucket):
            self._all = everybodys
            return 0.0
        log.warning("hints.budget_exceeded", athlete_id=athlete_id, all=isinstance(everybodys, float))
        return max(wait for wait in (mine, everybodys) if isinstance(wait, float))


def _hourly(count: int) -> Allowance:
    return Allowance(count, 3600.0 / count)


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day is not None), default=None)

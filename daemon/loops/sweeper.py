"""The sweeper: rescues jobs whose worker died, prunes what is old, carries out what retention promises.

Every sweep is safe to run in many daemons at once: rows that another holds are skipped. Deletions go in small
batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core.errors import Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.jobs import erase_athlete
from daemon.store import (
    activities,
    athletes,
    connect_states,
    events,
    farewells,
    jobs,
    ledgers,
    outbox,
    runs,
    web_sessions,
)
from daemon.store.database import Connection, Database

log = structlog.get_logger()

RESCUE_EVERY_SECONDS: Final = 5.0
PRUNE_EVERY_SECONDS: Final = 300.0
MOST_PER_BATCH: Final = 1_000
QUARTERS_KEPT: Final = timedelta(days=92)
NEWS_KEPT: Final = timedelta(days=2)
FAREWELLS_KEPT: Final = timedelta(days=7)  # a dead letter may be mended and sent so long


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, in days, as in [retention]."""

    streams_days: float
    events_days: float
    jobs_days: float
    runs_days: float
    deauthorized_days: float


class Sweeper:
    """Two rhythms: a quick one for what is stuck, a slow one for what is old."""

    def __init__(
        self,
        database: Database,
        retention: Retention,
        max_attempts: int,
        clock: Clock,
        on_queued: Callable[[], None],
        instruments: Instruments = SILENT,
    ) -> None:
        self._database = database
        self._retention = retention
        self._max_attempts = max_attempts
        self._clock = clock
        self._on_queued = on_queued
        self._instruments = instruments

    def keep(self, retention: Retention) -> None:
        """Keep things for other spans from the next sweep on."""
        self._retention = retention

    async def rescue(self) -> None:
        """Put jobs back whose lease ran out, until cancelled."""
        while True:
            await _weathering("rescue", self._rescue_once())
            await asyncio.sleep(RESCUE_EVERY_SECONDS)

    async def prune(self) -> None:
        """Delete what is past its time, until cancelled."""
        while True:
            await _weathering("prune", self._prune_once())
            await asyncio.sleep(PRUNE_EVERY_SECONDS)

    async def _rescue_once(self) -> None:
        async with self._database.transaction() as connection:
            rescued, buried = await jobs.rescue_expired(connection, self._max_attempts)
        self._instruments.jobs_rescued(rescued, buried)
        if rescued or buried:
            log.warning("jobs.rescued", rescued=rescued, died=buried)
            self._on_queued()

    async def _prune_once(self) -> None:
        now, kept = self._clock.now(), self._retention
        pruned = {
            "streams": await self._in_batches(activities.prune_streams, now - timedelta(days=kept.streams_days)),
            "events": await self._in_batches(events.prune, now - timedelta(days=kept.events_days)),
            "jobs": await self._in_batches(jobs.prune, now - timedelta(days=kept.jobs_days)),
            "strays": await self._in_batches(jobs.prune_strays, now),
            "quarters": await self._in_batches(ledgers.prune_past, now - QUARTERS_KEPT),
            "asks": await self._in_batches(runs.prune_asks, now - timedelta(days=kept.runs_days)),
            "news": await self._in_batches(outbox.prune, now - NEWS_KEPT),
            "runs": await self._in_batches(runs.prune, now - timedelta(days=kept.runs_days)),
        }
        async with self._database.transaction() as connection:
            await web_sessions.prune(connection, now)
            await connect_states.prune(connection, now)
            await farewells.prune(connection, now - FAREWELLS_KEPT)
            gone = await athletes.hold_departed(connection, now - timedelta(days=kept.deauthorized_days))
            await jobs.enqueue(connection, [erase_athlete.new(athlete_id, now) for athlete_id in gone])
        if any(pruned.values()) or gone:
            log.info("retention.applied", **pruned, athletes_to_erase=len(gone))
        if gone:
            self._on_queued()

    async def _in_batches(
        self, prune: Callable[[Connection, datetime, int], Awaitable[int]], before: datetime
    ) -> int:
        total = 0
        while True:
            async with self._database.transaction() as connection:
                count = await prune(connection, before, MOST_PER_BATCH)
            total += count
            if count < MOST_PER_BATCH:
                return total


async def _weathering(name: str, sweep: Awaitable[None]) -> None:
    try:
        await sweep
    except Retryable as error:
        log.warning("sweep.failed", sweep=name, reason=str(error))

"""The census: counts what waits, runs and died, what the quota has left and how the timers did, for metrics.

It asks the database four times a minute, so that a scrape need not, however often and by whomever it is made.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from daemon.clock import Clock
from daemon.core import quota
from daemon.core.errors import Retryable
from daemon.limiter.gate import read_with_demand
from daemon.store import jobs, runs
from daemon.store.database import Database

log = structlog.get_logger()

EVERY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Counted:
    """One count; rows as `store.jobs.census` and `store.runs.last_ended` return them."""

    counted_at: datetime
    queue: tuple[dict[str, Any], ...]
    ended: tuple[dict[str, Any], ...]
    meters: tuple[quota.MeterUsage, ...]


class Census:
    """Keeps `newest` current; None before the first count, and while the database is away."""

    def __init__(self, database: Database, client_id: int, lengths: quota.Lengths, clock: Clock) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._clock = clock
        self.newest: Counted | None = None

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    self.newest = await self._count()
            except (Retryable, TimeoutError) as error:
                self.newest = None
                log.warning("census.not_taken", reason=str(error) or f"no answer within {EVERY_SECONDS:.0f} s")
            await asyncio.sleep(EVERY_SECONDS)

    async def _count(self) -> Counted:
        async with self._database.connection() as connection:
            queue = await jobs.census(connection)
            ended = await runs.last_ended(connection)
            entry, demand = await read_with_demand(connection, self._client_id, self._lengths)
        meters = quota.usage(entry.ledger, entry.read_at, self._lengths, demand)
        return Counted(self._clock.now(), tuple(queue), tuple(ended), meters)

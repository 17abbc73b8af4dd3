"""What all histories together still take, and when the quota will have carried it.

A fleet's first weeks are millions of rows, and many pages ask at once: it is counted now and then, up to a bound,
and by one at a time. It refuses to know single athletes (`backfill_progress`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.clock import Clock
from daemon.core.quota import Lengths
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import backfill_done_at
from daemon.store import backfills
from daemon.store.database import Connection

COUNT_AGAIN_AFTER_SECONDS: Final = 30.0
MOST_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Left:
    """Backfills by state and their sums (`store.backfills.summed_up`), and when all is done.

    Where there is more than is counted, `is_more` says so, and nobody can tell when it is done.
    """

    sums: Mapping[str, int]
    is_more: bool
    done_at: datetime | None


class Backlog:
    """Counts for everybody in this process who asks."""

    def __init__(self, client_id: int, lengths: Lengths, clock: Clock) -> None:
        self._client_id = client_id
        self._lengths = lengths
        self._clock = clock
        self._counting = asyncio.Lock()
        self._newest: tuple[float, Left] | None = None  # when it was counted, by elapsed time

    async def read(self, connection: Connection) -> Left:
        """Return what is left, as it was at most half a minute ago, or as it was before while somebody counts."""
        if self._newest is not None and (self._is_fresh(self._newest[0]) or self._counting.locked()):
            return self._newest[1]
        async with self._counting:
            if self._newest is None or not self._is_fresh(self._newest[0]):
                self._newest = (self._clock.elapsed_seconds(), await self._count(connection))
            return self._newest[1]

    def _is_fresh(self, counted_at: float) -> bool:
        return self._clock.elapsed_seconds() - counted_at < COUNT_AGAIN_AFTER_SECONDS

    async def _count(self, connection: Connection) -> Left:
        sums = await backfills.summed_up(connection, MOST_COUNTED)
        if sums["unlooked"] >= MOST_COUNTED:
            return Left(sums, is_more=True, done_at=None)
        calls = sums["unlooked"] + sums["listing"] * backfills.END_OF_A_LIST
        return Left(sums, is_more=False, done_at=await self.done_at(connection, calls))

    async def done_at(self, connection: Connection, calls: int) -> datetime | None:
        """Return about when the quota will have carried so many calls of history; None: nobody can tell."""
        return await backfill_done_at(connection, self._client_id, self._lengths, CALLS, calls)

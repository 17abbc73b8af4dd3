"""What a start finds undone: histories that nobody asked for yet, and numbers of another version.

Goes over the athletes once, a page in a transaction, beside whatever else the daemon does: after a new version that
is everybody, and events must not wait for it. What lies in the queue is not queued again, so a restart begins anew
and several daemons do it side by side. It refuses to give up: where the database fails, it goes on from there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core.errors import Retryable
from daemon.jobs import backfill, renew_statistics
from daemon.store import athletes
from daemon.store.database import Database, Gone

log = structlog.get_logger()

MOST_PER_PAGE: Final = 200
RETRY_SECONDS: Final = 5.0


class Arrears:
    """Queues what is undone; `on_queued` wakes the worker."""

    def __init__(self, database: Database, days: int, clock: Clock, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._days = days
        self._clock = clock
        self._on_queued = on_queued
        self._queued = Counter[str]()

    async def run(self) -> None:
        """Go over everybody, then wait to be cancelled: a root task that ends would end the process."""
        after: int | None = 0
        while after is not None:
            try:
                after = await self._queue_page(after)
            except (Retryable, Gone) as error:  # Gone: somebody of the page was erased meanwhile
                log.warning("arrears.interrupted", after_athlete_id=after, reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)
        if self._queued.total():
            log.info(
                "arrears.queued",
                backfills=self._queued["backfills"],
                loads_of=self._queued["loads_of"],
                statistics_of=self._queued["statistics_of"],
            )
        await asyncio.Event().wait()

    async def _queue_page(self, after: int) -> int | None:
        """Queue what is undone for the athletes above `after`; returns the last of them, None where none is."""
        async with self._database.transaction() as connection:
            page = await athletes.page_ids(connection, after, MOST_PER_PAGE)
            now = self._clock.now()
            steps = await backfill.catch_up(connection, page, self._days, now)
            begun = await renew_statistics.begin(connection, page, now)
        self._queued.update(backfills=steps, **begun._asdict())
        if steps or any(begun):
            self._on_queued()
        return page[-1] if page else None

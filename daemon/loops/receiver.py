"""The receiver's sign of life: a stamp every few seconds while the door is open and the database takes events.

A receiver behind a proxy that is down still stamps: whether events really arrive is told by those that do, and by
what an audit finds that none had announced.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core.errors import Retryable
from daemon.core.uptime import STAMP_SECONDS
from daemon.store import receivers
from daemon.store.database import Database

log = structlog.get_logger()

LONGEST_SECONDS: Final = 5.0


class Receiver:
    """Stamps the app's row; start it after the server listens."""

    def __init__(self, database: Database, client_id: int, clock: Clock) -> None:
        self._database = database
        self._client_id = client_id
        self._clock = clock
        self._ours: tuple[datetime, float] | None = None  # our last stamp, and the elapsed time at it
        self._up_since: datetime | None = None

    async def run(self) -> None:
        """Stamp until cancelled."""
        while True:
            try:
                await self.stamp()
            except (Retryable, TimeoutError) as error:
                reason = str(error) or f"no answer within {LONGEST_SECONDS:.0f} s"
                log.warning("receiver.not_stamped", reason=reason)
            await asyncio.sleep(STAMP_SECONDS)

    async def stamp(self) -> None:
        """Stamp once; raises Retryable or TimeoutError where the database does not take it."""
        asked_at = self._clock.elapsed_seconds()  # before the stamp, so that a silence is never underrated
        ours = (self._ours[0], asked_at - self._ours[1]) if self._ours is not None else None
        async with asyncio.timeout(LONGEST_SECONDS), self._database.transaction() as connection:
            run = await receivers.stamp(connection, self._client_id, ours)
        self._ours = (run.stamped_at, asked_at)
        if run.up_since != self._up_since:
            log.info("receiver.came_up", since=run.up_since)
            self._up_since = run.up_since

"""Turns news into deliveries: one job for each active endpoint that wants the topic, each exactly once.

Of all daemons on a database the one that holds the cursor's row does it; jobs and cursor move in one transaction,
so that a kill in between undoes both. Refuses to send anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core import deliveries
from daemon.core.deliveries import Message
from daemon.core.errors import Retryable
from daemon.core.news import told
from daemon.jobs import deliver
from daemon.loops.waking import woken_or_due
from daemon.store import athletes, jobs, news_cursors, outbox, webhook_endpoints
from daemon.store.database import Database
from daemon.store.jobs import NewJob
from daemon.store.outbox import News
from daemon.store.webhook_endpoints import Listener

log = structlog.get_logger()

READER: Final = "webhooks"
MOST_PER_LOOK: Final = 200


class Dispatch:
    """Follows the outbox for all endpoints; `on_queued` is called when there is something to deliver."""

    def __init__(self, database: Database, clock: Clock, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_queued = on_queued
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be news."""
        self._woken.set()

    async def run(self) -> None:
        """Queue deliveries until cancelled."""
        is_open = False
        while True:
            self._woken.clear()
            try:
                if not is_open:
                    async with self._database.connection() as connection:
                        await news_cursors.open_cursor(connection, READER)
                    is_open = True
                while await self.dispatch_once():
                    pass
            except Retryable as error:
                log.warning("deliveries.not_queued", reason=str(error))
            await woken_or_due(self._woken)

    async def dispatch_once(self) -> int:
        """Turn a page of news into jobs; returns how many were read, 0 also while another daemon does it."""
        async with self._database.connection() as connection:
            if not await news_cursors.is_behind(connection, READER):
                return 0
        async with self._database.transaction() as connection:
            position = await news_cursors.take(connection, READER)
            if position is None:
                return 0
            news = await outbox.read_after(connection, position, MOST_PER_LOOK)
            if not news:
                return 0
            # Held until we commit: an erasure waits, then finds these jobs too; one that was first leaves nobody.
            # Who is leaving is still there: the news that he leaves is about him.
            concerned = {each.athlete_id for each in news if each.athlete_id is not None}
            present = await athletes.hold_present(connection, concerned)
            listeners = await webhook_endpoints.list_active(connection)
            alive = [each for each in news if each.athlete_id is None or each.athlete_id in present]
            queued = await jobs.enqueue(connection, self._deliveries(alive, listeners))
            await news_cursors.advance(connection, READER, news[-1].position)
        if queued:
            log.info("deliveries.queued", news=len(news), deliveries=len(queued))
            self._on_queued()
        return len(news)

    def _deliveries(self, news: Iterable[News], listeners: Sequence[Listener]) -> list[NewJob]:
        now = self._clock.now()
        return [
            deliver.new(listener.endpoint_id, message_of(each), now)
            for each in news
            for listener in listeners
            if listener.wants(each.topic, each.written_at)
        ]


def message_of(news: News) -> Message:
    """Return what endpoints are told of a piece of news."""
    position = news.position
    return Message(
        deliveries.message_id(position.transaction_id, position.news_id, news.written_at),
        news.topic,
        news.written_at,
        told(news.topic, news.athlete_id, news.body),
    )

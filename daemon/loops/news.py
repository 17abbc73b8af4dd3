"""Tells live listeners in this process what is new: one reader of the outbox for however many pages are open.

News are read at least once a second, at once after this daemon has made some, and not at all while nobody listens.
A listener that does not keep up loses what waits for it and is told so with one `RESYNC`: memory stays bounded
whatever a browser does. Refuses to know who is signed in, and how news are written to a socket.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final

import structlog

from daemon.core.errors import Retryable
from daemon.jobs.rooms import Rooms
from daemon.loops.waking import woken_or_due
from daemon.store import outbox
from daemon.store.database import Database
from daemon.store.jobs import Job
from daemon.store.outbox import News, Position

log = structlog.get_logger()

MOST_PER_LOOK: Final = 500
MOST_WAITING: Final = 100  # per listener
MOST_LISTENERS: Final = 2_000
MOST_PER_ATHLETE: Final = 8
MOST_OF_EVERYBODY: Final = 100

Run = Callable[[Job, Rooms], Awaitable[None]]


class Signal(Enum):
    """What a listener is told beside news."""

    QUIET = "quiet"  # nothing for as long as it wanted to wait
    RESYNC = "resync"  # something was lost: look at everything anew
    END = "end"  # no more comes


class TooManyListeners(Exception):
    """No more are taken; `is_his` where it is one athlete, or one group, that has too many."""

    def __init__(self, *, is_his: bool) -> None:
        super().__init__("too many listeners")
        self.is_his = is_his


class Listener:
    """One open page: what waits for it."""

    def __init__(self, athlete_id: int | None) -> None:
        self.athlete_id = athlete_id
        self._waiting: deque[News] = deque()
        self._told = asyncio.Event()
        self._has_lost = False
        self._is_over = False

    def offer(self, news: News) -> None:
        """Let it have a piece of news; never waits."""
        if self._has_lost:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            self._has_lost = True
        else:
            self._waiting.append(news)
        self._told.set()

    def end(self) -> None:
        """Let it know that no more comes."""
        self._is_over = True
        self._told.set()

    async def next(self, seconds: float) -> News | Signal:
        """Return what comes next, QUIET after so many seconds without anything."""
        if not (self._waiting or self._has_lost or self._is_over):
            self._told.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._told.wait()
            except TimeoutError:
                return Signal.QUIET
        if self._is_over:
            return Signal.END
        if self._has_lost:
            self._has_lost = False
            return Signal.RESYNC
        return self._waiting.popleft()


class Feed:
    """Reads for everybody who listens, and hands each his own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[Listener] = set()
        self._count: Counter[int | None] = Counter()
        self._position: Position | None = None
        self._woken = asyncio.Event()
        self._is_over = False

    def wake(self) -> None:
        """Say that there may be news."""
        self._woken.set()

    async def end(self, _: object) -> None:
        """Tell everybody that no more comes, when the server shuts down: open streams must not hold it up."""
        self._is_over = True
        for listener in self._listeners:
            listener.end()

    @asynccontextmanager
    async def listening(self, athlete_id: int | None) -> AsyncIterator[tuple[Listener, Position]]:
        """Lend a listener to one athlete's news, None: to everybody's, and the position after which it hears all.

        Raises TooManyListeners, and Retryable while the database is away.
        """
        most = MOST_OF_EVERYBODY if athlete_id is None else MOST_PER_ATHLETE
        if self._count[athlete_id] >= most or len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListeners(is_his=self._count[athlete_id] >= most)
        listener = Listener(athlete_id)
        self._listeners.add(listener)  # before the position is read: from now on nobody else forgets it
        self._count[athlete_id] += 1
        try:
            since = await self._since()
            if self._is_over:
                listener.end()
            yield listener, since
        finally:
            self._listeners.discard(listener)
            self._count -= Counter({athlete_id: 1})  # drops what has come to zero

    async def missed(
        self, athlete_id: int | None, after: Position, until: Position, most: int
    ) -> list[News] | None:
        """Return what a listener has missed between two positions; None where that is more than `most`."""
        async with self._database.connection() as connection:
            news = await outbox.read_after(connection, after, most + 1, athlete_id)
        between = [each for each in news if not each.position.is_after(until)]
        return between if len(between) <= most else None

    async def run(self) -> None:
        """Read and hand out until cancelled."""
        while True:
            self._woken.clear()
            if not self._listeners:
                self._position = None  # whoever comes next begins at the end
                await self._woken.wait()
                continue
            if not await self._look():
                await woken_or_due(self._woken)

    async def _since(self) -> Position:
        if self._position is None:
            async with self._database.connection() as connection:
                end = await outbox.end(connection)
            if self._position is None:  # another listener may have been quicker
                self._position = end
            self._woken.set()
        return self._position

    async def _look(self) -> bool:
        """Hand out what is new; returns whether there may be more."""
        if self._position is None:
            return False
        try:
            async with self._database.connection() as connection:
                news = await outbox.read_after(connection, self._position, MOST_PER_LOOK)
        except Retryable as error:
            log.warning("news.not_read", reason=str(error))
            return False
        for each in news:
            self._position = each.position
            for listener in self._listeners:
                if listener.athlete_id is None or listener.athlete_id == each.athlete_id:
                    listener.offer(each)
        return len(news) == MOST_PER_LOOK


def announced(kinds: Mapping[str, Run], tell: Callable[[], None]) -> dict[str, Run]:
    """Return the same kinds of jobs, each calling `tell` when it has ended: its news are in the outbox then."""
    return {kind: _announced(run, tell) for kind, run in kinds.items()}


def _announced(run: Run, tell: Callable[[], None]) -> Run:
    async def announcing(job: Job, rooms: Rooms) -> None:
        await run(job, rooms)
        tell()

    return announcing

"""Live pages: news as server-sent events, to a signed-in athlete his own, to operators that there are some.

A stream begins with `ready`. A browser that comes back within minutes gets what it has missed; when that cannot be
had it gets one `resync`, and fetches everything anew. It is bounded how many streams there are, each is checked
again every 30 seconds, and all end at once when the daemon stops. Refuses to tell operators what is personal.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from daemon.clock import Clock
from daemon.core.errors import Retryable
from daemon.core.news import told
from daemon.loops.news import Feed, Listener, Signal, TooManyListeners
from daemon.store.outbox import News, Position
from daemon.web.admin import Guard
from daemon.web.endpoints import Endpoint, Who, whose
from daemon.web.problems import FULL, TOO_MANY_STREAMS, Refused
from daemon.web.sessions import Kind, Sessions

log = structlog.get_logger()

TICK_SECONDS: Final = 15.0
SEND_SECONDS: Final = 10.0  # a browser that takes nothing for so long is let go
TICKS_PER_CHECK: Final = 2
RECONNECT_SECONDS: Final = (2.0, 8.0)  # apart, so that a restart is not followed by everybody at once
REMEMBERED: Final = timedelta(minutes=10)
MOST_MISSED: Final = 100
TAG: Final = "live"
HEADERS: Final = {"X-Content-Type-Options": "nosniff"}
_MARK: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,18})-([0-9]{1,10})")
_BIGGEST_TRANSACTION: Final = 2**64 - 1

Recheck = Callable[[], Awaitable[bool]]
Write = Callable[[News], bytes]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a stream stood, and when: the `id` of its events."""

    position: Position
    at: datetime

    def __str__(self) -> str:
        return f"{self.position.transaction_id}-{self.position.news_id}-{int(self.at.timestamp())}"

    @classmethod
    def read(cls, text: str | None) -> Mark | None:
        """Return what a browser brings back; None where that was never ours."""
        found = _MARK.fullmatch(text or "")
        if found is None or int(found[1]) > _BIGGEST_TRANSACTION:
            return None
        return cls(Position(found[1], int(found[2])), datetime.fromtimestamp(int(found[3]), UTC))


class LivePages:
    """/me/live and /operator/live."""

    def __init__(self, feed: Feed, sessions: Sessions, guard: Guard, clock: Clock) -> None:
        self._feed = feed
        self._sessions = sessions
        self._guard = guard
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        limits = (TOO_MANY_STREAMS, FULL)
        return [
            Endpoint(
                "GET",
                "/me/live",
                self.himself,
                Who.ATHLETE,
                TAG,
                "Stream the athlete's own news as server-sent events.",
                problems=limits,
                produces="text/event-stream",
            ),
            Endpoint(
                "GET",
                "/operator/live",
                self.everybody,
                Who.READ,
                TAG,
                "Stream of all news the topic, athlete and instant as server-sent events.",
                problems=limits,
                produces="text/event-stream",
            ),
        ]

    async def himself(self, request: web.Request) -> web.StreamResponse:
        """Stream an athlete's own news until his session ends."""
        athlete_id = whose(request)

        async def still_signed_in() -> bool:
            session = await self._sessions.find(request, Kind.ATHLETE)
            return session is not None and session.athlete_id == athlete_id

        return await self._stream(request, athlete_id, _in_full, still_signed_in)

    async def everybody(self, request: web.Request) -> web.StreamResponse:
        """Stream what concerns operators, until the session or the token ends."""

        async def nothing(_: web.Request) -> web.StreamResponse:
            return web.Response(status=204)

        judge = self._guard.read(nothing)

        async def still_allowed() -> bool:
            return (await judge(request)).status not in {401, 403}

        return await self._stream(request, None, _without_content, still_allowed)

    async def _stream(
        self, request: web.Request, athlete_id: int | None, write: Write, recheck: Recheck
    ) -> web.StreamResponse:
        mark = Mark.read(request.headers.get(EventSourceResponse.DEFAULT_LAST_EVENT_HEADER))
        async with self._listening(athlete_id) as (listener, since):
            missed = await self._missed(athlete_id, mark, since)
            async with sse_response(
                request, headers=HEADERS, ping_interval=TICK_SECONDS, send_timeout=SEND_SECONDS
            ) as stream:
                try:
                    await self._begin(stream, since, missed, write)
                    await self._go_on(stream, listener, write, recheck)
                except (ConnectionResetError, TimeoutError):
                    log.debug("stream.lost")
        return stream

    @asynccontextmanager
    async def _listening(self, athlete_id: int | None) -> AsyncIterator[tuple[Listener, Position]]:
        try:
            async with self._feed.listening(athlete_id) as listening:
                yield listening
        except TooManyListeners as error:
            if error.is_his:
                detail = "as many live pages are open as may be: close one"
                raise Refused(TOO_MANY_STREAMS, detail, {"Retry-After": "60"}) from error
            raise Refused(FULL, "as many live pages are open as we bear", {"Retry-After": "60"}) from error

    async def _missed(self, athlete_id: int | None, mark: Mark | None, since: Position) -> list[News] | None:
        """Return what a browser has missed since its mark; None where we cannot tell any more."""
        if mark is None:
            return []  # it begins here
        if mark.position.is_after(since) or self._clock.now() - mark.at > REMEMBERED:
            return None
        return await self._feed.missed(athlete_id, mark.position, since, MOST_MISSED)

    async def _begin(
        self, stream: EventSourceResponse, since: Position, missed: list[News] | None, write: Write
    ) -> None:
        retry_ms = int(1000 * random.uniform(*RECONNECT_SECONDS))
        for news in missed or ():
            await _send(stream, news, write)
        mark = str(Mark(since, self._clock.now()))
        await stream.send("{}", id=mark, event="ready" if missed is not None else "resync", retry=retry_ms)

    async def _go_on(self, stream: EventSourceResponse, listener: Listener, write: Write, recheck: Recheck) -> None:
        began, checks = self._clock.elapsed_seconds(), 1
        while True:
            news = await listener.next(TICK_SECONDS)
            if news is Signal.END or not stream.is_connected():
                return
            if self._clock.elapsed_seconds() - began >= checks * TICKS_PER_CHECK * TICK_SECONDS:
                checks += 1
                if not await _holds(recheck):
                    return
            if isinstance(news, News):
                await _send(stream, news, write)
            elif news is Signal.RESYNC:
                await stream.send("{}", event="resync")


async def _holds(recheck: Recheck) -> bool:
    """Ask whether a stream may go on; while nobody can tell it does, since nothing can be read either."""
    try:
        return await recheck()
    except Retryable as error:
        log.debug("stream.not_checked", reason=str(error))
        return True


async def _send(stream: EventSourceResponse, news: News, write: Write) -> None:
    await stream.send(write(news).decode(), id=str(Mark(news.position, news.written_at)), event=news.topic)


def _in_full(news: News) -> bytes:
    told_of = told(news.topic, news.athlete_id, news.body)
    return orjson.dumps({"topic": news.topic, "at": news.written_at, **told_of}, option=orjson.OPT_UTC_Z)


def _without_content(news: News) -> bytes:
    return orjson.dumps(
        {"topic": news.topic, "at": news.written_at, "athlete_id": news.athlete_id}, option=orjson.OPT_UTC_Z
    )

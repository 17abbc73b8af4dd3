"""Live pages over real sockets: each sees his own, what was missed comes again, a session's end is the streams'."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from daemon.core.bearer import Scope
from daemon.core.news import Topic
from daemon.loops import news as news_module
from daemon.loops.news import MOST_PER_ATHLETE, Feed
from daemon.store import outbox, web_sessions
from daemon.store.database import Database
from daemon.store.web_sessions import Owner
from daemon.web import live as live_module
from daemon.web.admin import Guard
from daemon.web.doors import Doors
from daemon.web.live import LivePages, Mark
from daemon.web.server import application, serving
from daemon.web.sessions import Kind, Sessions
from tests.support.admin import bearer, make_tokens
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes
from tests.support.relay import relayed

SECONDS = 30


@dataclass
class Event:
    """One server-sent event."""

    name: str
    data: Any
    mark: str


class Stream:
    """What a browser reads."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Event | None:
        """Return the next event; None where the stream has ended. Comments are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while line := await self.response.content.readline():
                text = line.decode().rstrip("\r\n")
                if text and not text.startswith(":"):
                    name, _, value = text.partition(": ")
                    fields[name] = value
                elif not text and fields:
                    return Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))
        return None

    async def events(self, count: int) -> list[Event]:
        found = [await self.next() for _ in range(count)]
        assert None not in found
        return [event for event in found if event is not None]


class House:
    """A server with live pages, and whoever is signed in."""

    def __init__(self, address: str, session: aiohttp.ClientSession, database: Database, feed: Feed) -> None:
        self.address = address
        self.session = session
        self.database = database
        self.feed = feed
        self.clock = SetClock()

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[Stream]:
        async with self.session.get(f"{self.address}{path}", headers=headers) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield Stream(response)

    @asynccontextmanager
    async def witness(self) -> AsyncIterator[Stream]:
        """Lend an operator's stream: what he has seen, the server has read."""
        async with self.stream("/operator/live", **bearer(Scope.READ)) as stream:
            await stream.events(1)
            yield stream

    async def status(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.address}{path}", headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def sign_in(self, athlete_id: int) -> dict[str, str]:
        """Return the cookie of an athlete's browser."""
        async with self.session.post(f"{self.address}/sign-in/{athlete_id}") as response:
            return {"Cookie": response.headers["Set-Cookie"].split(";")[0]}

    async def tell(self, athlete_id: int | None, topic: Topic = Topic.ACTIVITY_PROCESSED, **body: Any) -> None:
        async with self.database.transaction() as connection:
            await outbox.write(connection, topic, athlete_id, body)
        self.feed.wake()


@pytest_asyncio.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with opened(database, database) as house:
        yield house


@asynccontextmanager
async def opened(database: Database, near: Database) -> AsyncIterator[House]:
    """Serve live pages from a database; `near` is the same one, for what the test does itself."""
    clock, feed = SetClock(), Feed(database)
    await make_tokens(near)
    async with near.connection() as connection:
        await add_athletes(connection, [1, 2])
    sessions = Sessions(database, clock)
    guard = Guard(database, clock, sessions)

    async def sign_in(request: web.Request) -> web.Response:
        response = web.Response()
        async with database.transaction() as connection:
            owner = Owner(int(request.match_info["id"]), None)
            await sessions.open(connection, request, response, Kind.ATHLETE, owner)
        return response

    pages = LivePages(feed, sessions, guard, clock)
    routes = [*Doors(guard, sessions).routes(pages.endpoints()), web.post("/sign-in/{id}", sign_in)]
    app = application(routes)
    app.on_shutdown.append(feed.end)
    task = asyncio.create_task(feed.run())
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        serving(app, "127.0.0.1", 0) as address,
    ):
        house = House(address, session, near, feed)
        house.clock = clock
        yield house
    task.cancel()
    await asyncio.wait([task])


async def test_an_athlete_sees_his_own_news_and_nobody_else_s(house: House) -> None:
    async with house.stream("/me/live", **await house.sign_in(1)) as stream:
        (ready,) = await stream.events(1)
        assert (ready.name, ready.data) == ("ready", {})
        await house.tell(2, activity_id=20)
        await house.tell(None, Topic.LOADS_RECOMPUTED)
        await house.tell(1, activity_id=10, load=80.5, name="At the lake")
        (event,) = await stream.events(1)
    assert event.name == "activity.processed"
    assert (event.data["topic"], event.data["activity_id"], event.data["load"]) == ("activity.processed", 10, 80.5)
    assert datetime.fromisoformat(event.data["at"]).tzinfo is not None
    assert "name" not in event.data


async def test_operators_see_that_there_are_news_and_nothing_of_their_content(house: House) -> None:
    for scope in Scope:
        async with house.stream("/operator/live", **bearer(scope)) as stream:
            await stream.events(1)
            await house.tell(1, activity_id=10, load=80.5)
            (event,) = await stream.events(1)
        assert set(event.data) == {"topic", "athlete_id", "at"}
        assert (event.name, event.data["athlete_id"]) == ("activity.processed", 1)


async def test_without_a_sign_in_nothing_is_streamed(house: House) -> None:
    cookie = await house.sign_in(1)
    assert (await house.status("/me/live"))[0] == 401
    assert (await house.status("/operator/live"))[0] == 401
    assert (await house.status("/operator/live", **cookie))[0] == 401
    assert (await house.status("/me/live", **bearer(Scope.OPERATE)))[0] == 401


async def test_who_comes_back_gets_what_he_has_missed_and_then_what_comes(house: House) -> None:
    cookie = await house.sign_in(1)
    async with house.stream("/me/live", **cookie) as stream:
        await stream.events(1)
        await house.tell(1, activity_id=10)
        (last,) = await stream.events(1)
    async with house.witness() as witness:
        await house.tell(1, activity_id=11)
        await house.tell(2, activity_id=20)
        await house.tell(1, activity_id=12)
        await witness.events(3)
    async with house.stream("/me/live", **cookie, **{"Last-Event-ID": last.mark}) as stream:
        missed = await stream.events(3)
        await house.tell(1, activity_id=13)
        (event,) = await stream.events(1)
    assert [(one.name, one.data.get("activity_id")) for one in missed] == [
        ("activity.processed", 11),
        ("activity.processed", 12),
        ("ready", None),
    ]
    assert event.data["activity_id"] == 13


async def test_who_was_idle_comes_back_with_the_mark_of_his_ready(house: House) -> None:
    cookie = await house.sign_in(1)
    async with house.stream("/me/live", **cookie) as stream:
        (ready,) = await stream.events(1)
    async with house.witness() as witness:
        await house.tell(1, activity_id=11)
        await witness.events(1)
    async with house.stream("/me/live", **cookie, **{"Last-Event-ID": ready.mark}) as stream:
        missed = await stream.events(2)
    assert [one.name for one in missed] == ["activity.processed", "ready"]


@pytest.mark.parametrize("what", ["too old", "from the future", "too many"])
async def test_what_can_no_longer_be_told_is_one_resync(
    house: House, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await house.sign_in(1)
    async with house.stream("/me/live", **cookie) as stream:
        (ready,) = await stream.events(1)
    mark = ready.mark
    if what == "too old":
        house.clock.advance(601)
    elif what == "from the future":
        mark = re.sub(r"^\d+", "18446744073709551615", mark)
    else:
        monkeypatch.setattr(live_module, "MOST_MISSED", 2)
    async with house.witness() as witness:
        for number in range(3):
            await house.tell(1, activity_id=number)
        await witness.events(3)
    async with house.stream("/me/live", **cookie, **{"Last-Event-ID": mark}) as stream:
        (event,) = await stream.events(1)
        assert (event.name, event.data) == ("resync", {})
        await house.tell(1, activity_id=13)
        assert (await stream.events(1))[0].data["activity_id"] == 13


@pytest.mark.parametrize(
    "mark", ["", "1", "1-2", "-1-2-3", "a-b-c", "99999999999999999999-1-1", "1-2-3-4", "1-2-999999999999", "١-٢-٣"]
)
def test_a_mark_that_was_never_ours_is_none_or_an_old_one(mark: str) -> None:
    assert Mark.read(mark) is None
    good = Mark.read("812-5-1767225600")
    assert good is not None
    assert (good.position.transaction_id, good.position.news_id, good.at) == (
        "812",
        5,
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert str(good) == "812-5-1767225600"


async def test_a_stream_ends_when_its_session_does(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(live_module, "TICKS_PER_CHECK", 600)  # by the clock that the test moves: 30 s
    cookie = await house.sign_in(1)
    async with house.stream("/me/live", **cookie) as stream:
        await stream.events(1)
        await house.tell(1, activity_id=10)
        await stream.events(1)
        async with house.database.connection() as connection:
            await web_sessions.close_all_of(connection, 1)
        house.clock.advance(31)
        assert await stream.next() is None


async def test_a_stream_ends_when_the_token_behind_it_is_revoked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(live_module, "TICKS_PER_CHECK", 600)
    async with house.stream("/operator/live", **bearer(Scope.READ)) as stream:
        await stream.events(1)
        house.clock.advance(31)
        await house.tell(1, activity_id=10)
        await stream.events(1)  # it was looked at and found good
        async with house.database.connection() as connection:
            await connection.execute("UPDATE admin_tokens SET revoked_at = now()")
        house.clock.advance(31)
        assert await stream.next() is None


@pytest.mark.parametrize("path", ["/me/live", "/operator/live"])
async def test_a_database_that_goes_away_for_a_while_ends_no_stream(
    database: Database, arguments: dict[str, Any], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(live_module, "TICKS_PER_CHECK", 600)
    checks = asyncio.Event()
    holds = live_module._holds

    async def counted(recheck: live_module.Recheck) -> bool:
        result = await holds(recheck)
        checks.set()
        return result

    monkeypatch.setattr(live_module, "_holds", counted)
    async with relayed(arguments) as relay, Database(relay.arguments, 4) as far, opened(far, database) as house:
        headers = await house.sign_in(1) | bearer(Scope.READ)
        async with house.stream(path, **headers) as stream:
            await stream.events(1)
            await relay.cut()
            house.clock.advance(31)
            async with asyncio.timeout(SECONDS):
                await checks.wait()
            await house.tell(1, activity_id=10)
            await relay.mend()
            assert (await stream.events(1))[0].name == "activity.processed"


async def test_an_open_stream_says_that_it_is_alive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "TICK_SECONDS", 0.05)
    async with house.stream("/me/live", **await house.sign_in(1)) as stream:
        await stream.events(1)
        async with asyncio.timeout(SECONDS):
            assert (await stream.response.content.readline()).startswith(b": ping")


async def test_tabs_are_bounded_per_athlete_and_in_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(news_module, "MOST_LISTENERS", MOST_PER_ATHLETE + 1)
    one, two = await house.sign_in(1), await house.sign_in(2)
    responses = [await house.session.get(f"{house.address}/me/live", headers=one) for _ in range(MOST_PER_ATHLETE)]
    for response in responses:
        assert response.status == 200
    status, problem = await house.status("/me/live", **one)
    assert (status, problem["type"]) == (429, "/problems/too-many-streams")
    async with house.stream("/me/live", **two):
        status, problem = await house.status("/operator/live", **bearer(Scope.READ))
        assert (status, problem["type"]) == (503, "/problems/full")
    for response in responses:
        response.close()
    async with asyncio.timeout(SECONDS):  # a browser that is gone is noticed
        while (await house.session.get(f"{house.address}/me/live", headers=one)).status != 200:
            await asyncio.sleep(0.02)


async def test_a_shutdown_ends_open_streams_at_once(database: Database) -> None:
    clock, feed = SetClock(), Feed(database)
    await make_tokens(database)
    sessions = Sessions(database, clock)
    guard = Guard(database, clock, sessions)
    app = application(Doors(guard, sessions).routes(LivePages(feed, sessions, guard, clock).endpoints()))
    app.on_shutdown.append(feed.end)
    task = asyncio.create_task(feed.run())
    async with aiohttp.ClientSession() as session:
        async with serving(app, "127.0.0.1", 0) as address:
            response = await session.get(f"{address}/operator/live", headers=bearer(Scope.READ))
            stream = Stream(response)
            await stream.events(1)
            ended = asyncio.create_task(stream.next())
        assert await ended is None  # by an ordinary end: a connection that is cut would raise
    task.cancel()
    await asyncio.wait([task])

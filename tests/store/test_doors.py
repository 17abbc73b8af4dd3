"""What holds for every address behind a door, whatever its handler does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import Field

from daemon.clock import SystemClock
from daemon.core.bearer import Scope
from daemon.store.database import Database
from daemon.store.web_sessions import Owner
from daemon.web.answers import answer
from daemon.web.endpoints import Endpoint, Model, Query, Who, modelled, query_of, whose
from daemon.web.server import serving
from daemon.web.sessions import Kind, Sessions
from tests.support.admin import bearer, make_tokens, opened
from tests.support.queue import add_athletes

JSON = "application/json"


class Ride(Model):
    """What is answered and taken."""

    seconds: int


class Wish(Query):
    """What may be asked for."""

    days: int = Field(7, ge=1, le=30)


class Caller:
    """Asks the addresses below."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.session = session

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
        given = bearer(Scope.OPERATE) | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.address + path, data=body, headers=given) as got:
            return got.status, await got.json(content_type=None) if got.status != 304 else None, got.headers


@pytest_asyncio.fixture
async def caller(database: Database) -> AsyncIterator[Caller]:
    """Addresses of each kind, in front of handlers that look at nothing."""
    await make_tokens(database)
    clock = SystemClock()
    sessions = Sessions(database, clock)

    async def show(request: web.Request) -> web.Response:
        return modelled(Ride(seconds=query_of(request, Wish).days if request.path == "/rides" else 60))

    async def take(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type=JSON)

    async def mine(request: web.Request) -> web.Response:
        return answer({"athlete_id": whose(request)})

    async def sign_in(request: web.Request) -> web.Response:
        response = web.Response(body=b"{}", content_type=JSON)
        async with database.transaction() as connection:
            await sessions.open(connection, request, response, Kind.ATHLETE, Owner(1, None))
        return response

    app = opened(
        database,
        clock,
        [
            Endpoint("GET", "/rides", show, Who.READ, "t", "Shows.", Ride, query=Wish),
            Endpoint("GET", "/plain", show, Who.READ, "t", "Shows.", Ride),
            Endpoint("GET", "/open", show, Who.ANYONE, "t", "Shows.", Ride),
            Endpoint("POST", "/rides", take, Who.OPERATE, "t", "Takes.", Ride, body=Ride),
            Endpoint("POST", "/open", take, Who.ANYONE, "t", "Takes.", Ride, body=Ride),
            Endpoint("GET", "/me", mine, Who.ATHLETE, "t", "Shows.", dict[str, int]),
            Endpoint("PUT", "/me", mine, Who.ATHLETE, "t", "Changes.", dict[str, int], body=Ride),
            Endpoint("GET", "/athletes/{athlete_id}", mine, Who.READ, "t", "Shows.", dict[str, int]),
        ],
    )
    app.router.add_get("/sign-in", sign_in)
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name
    async with serving(app, "127.0.0.1", 0) as address, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Caller(address, session)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/rides?day=1", "day: is not a parameter of this address"),
        ("/rides?days=31", "days: Input should be less than or equal to 30"),
        ("/rides?days=1&days=2", "days: given more than once"),
        ("/plain?days=1", "days: is not a parameter of this address"),
        (f"/plain?{'x' * 200}=1", "x" * 50 + ": is not"),
    ],
)
async def test_a_query_that_is_not_described_is_refused_with_its_parameter(
    caller: Caller, path: str, words: str
) -> None:
    status, problem, _ = await caller.ask("GET", path)

    assert (status, problem["type"]) == (400, "/problems/bad-query")
    assert problem["detail"].startswith(words)


async def test_what_is_open_to_anyone_takes_what_a_monitor_appends_and_any_type(caller: Caller) -> None:
    assert (await caller.ask("GET", "/open?t=1700000000"))[:2] == (200, {"seconds": 60})
    assert (await caller.ask("POST", "/open?x=1", b"{}", Content_Type="text/plain"))[0] == 200


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "application/merge-patch+json", None])
async def test_a_body_that_is_json_or_says_nothing_of_its_type_is_taken(caller: Caller, kind: str | None) -> None:
    headers = {"Content_Type": kind} if kind is not None else {}
    assert (await caller.ask("POST", "/rides", b'{"seconds": 1}', **headers))[:2] == (200, {"seconds": 1})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_of_another_type_is_415_and_told_which_one_is_taken(caller: Caller, kind: str) -> None:
    status, problem, _ = await caller.ask("POST", "/rides", b"seconds=1", Content_Type=kind)

    assert (status, problem["type"]) == (415, "/problems/unsupported-type")
    assert "Content-Type: application/json" in problem["detail"]


async def test_a_stranger_learns_nothing_of_what_an_address_takes(caller: Caller) -> None:
    for method, path in (("GET", "/rides?no=1"), ("POST", "/rides?no=1"), ("PUT", "/me?no=1")):
        async with caller.session.request(method, caller.address + path, data=b"x") as answer:
            assert answer.status == 401


async def test_an_answer_that_did_not_change_is_304_and_one_that_did_is_whole(caller: Caller) -> None:
    _, first, headers = await caller.ask("GET", "/rides?days=3")
    status, _, again = await caller.ask("GET", "/rides?days=3", If_None_Match=headers["ETag"])
    assert (first, status, again["ETag"]) == ({"seconds": 3}, 304, headers["ETag"])
    status, other, _ = await caller.ask("GET", "/rides?days=4", If_None_Match=headers["ETag"])
    assert (status, other) == (200, {"seconds": 4})


async def test_a_session_reaches_the_signed_in_athlete_and_changes_nothing_without_its_proof(
    caller: Caller,
) -> None:
    assert (await caller.ask("GET", "/me"))[0] == 401
    async with caller.session.get(f"{caller.address}/sign-in") as answer:
        assert answer.status == 200

    assert (await caller.ask("GET", "/me"))[:2] == (200, {"athlete_id": 1})
    assert (await caller.ask("GET", "/me?athlete_id=2"))[0] == 400
    status, problem, _ = await caller.ask("PUT", "/me", b"{}", Content_Type=JSON)
    assert (status, problem["type"]) == (403, "/problems/forged")


@pytest.mark.parametrize("athlete", ["0", "x", "9" * 30, "-1"])
async def test_an_athlete_who_is_no_number_is_unknown(caller: Caller, athlete: str) -> None:
    status, problem, _ = await caller.ask("GET", f"/athletes/{athlete}")

    assert (status, problem["type"]) == (404, "/problems/unknown-athlete")
    assert (await caller.ask("GET", "/athletes/2"))[:2] == (200, {"athlete_id": 2})

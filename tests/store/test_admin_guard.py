"""The guard of the admin API over real sockets: who comes in, what the others are told, and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from daemon.core import attempts
from daemon.core.bearer import Scope, digest, granted, written
from daemon.store import admin_tokens
from daemon.store.database import Connection, Database
from daemon.web.admin import BELIEVED_SECONDS, Guard
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.clocks import SetClock

READER, OPERATOR, UNKNOWN = (written(bytes([number]) * 32) for number in range(3))


class CountingDatabase(Database):
    """A database that counts how often a connection is asked of it."""

    asked = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self.asked += 1
        async with super().connection() as connection:
            yield connection


class House:
    """A server with one route to read and one to operate."""

    def __init__(self, address: str, database: CountingDatabase, clock: SetClock, session: Any) -> None:
        self.address = address
        self.database = database
        self.clock = clock
        self.session: aiohttp.ClientSession = session

    async def ask(
        self, token: str | None, path: str = "/read", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        method = "GET" if path == "/read" else "POST"
        url = self.address + path
        async with self.session.request(method, url, headers={**bearer, **(headers or {})}) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def status(self, token: str | None, path: str = "/read", sender: str | None = None) -> int:
        return (await self.ask(token, path, {"X-Forwarded-For": sender} if sender else None))[0]

    async def exhaust(self, sender: str | None = None) -> None:
        """Try wrong tokens until one is refused unseen."""
        for _ in range(attempts.EACH.burst):
            assert await self.status(UNKNOWN, sender=sender) == 401


async def answer(_: web.Request) -> web.Response:
    structlog.get_logger().info("route.reached")
    return web.json_response({"done": True})


@pytest_asyncio.fixture
async def house(arguments: dict[str, Any]) -> AsyncIterator[House]:
    """A guard in front of two routes, and a token of each scope."""
    clock = SetClock()
    async with CountingDatabase(arguments, pool_size=4) as database, aiohttp.ClientSession() as session:
        async with database.connection() as connection:
            for name, token, scope in (("reader", READER, Scope.READ), ("operator", OPERATOR, Scope.OPERATE)):
                await admin_tokens.insert(
                    connection, name, digest(token), granted(scope), clock.now(), clock.now() + timedelta(days=1)
                )
        guard = Guard(database, clock, Sessions(database, clock))
        routes = [web.get("/read", guard.read(answer)), web.post("/operate", guard.operate(answer))]
        async with serving(application(routes), "127.0.0.1", 0) as address:
            database.asked = 0
            yield House(address, database, clock, session)


async def test_each_scope_opens_its_routes_and_the_refusal_says_how_to_get_the_other(house: House) -> None:
    assert (await house.ask(READER))[1] == {"done": True}
    assert await house.status(OPERATOR) == 200
    assert await house.status(OPERATOR, "/operate") == 200

    status, problem, headers = await house.ask(READER, "/operate")
    assert status == 403
    assert "--scope operate" in problem["detail"]
    assert 'scope="operate"' in headers["WWW-Authenticate"]


async def test_without_a_token_one_is_told_how_to_send_and_make_one_and_nothing_is_looked_up(house: House) -> None:
    for _ in range(3 * attempts.EACH.burst):
        assert await house.status(None) == 401
    _, problem, headers = await house.ask(None)
    assert headers["WWW-Authenticate"] == "Bearer"
    assert headers["Content-Type"].startswith("application/problem+json")
    assert headers["Cache-Control"] == "no-store"
    assert "Authorization: Bearer" in problem["detail"]
    assert "domestique tokens create" in problem["detail"]
    assert house.database.asked == 0


async def test_unknown_expired_and_revoked_tokens_get_the_same_answer_and_the_log_alone_says_which(
    house: House,
) -> None:
    async with house.database.connection() as connection:
        await admin_tokens.revoke(connection, "operator", house.clock.now())
    house.clock.advance(timedelta(days=1).total_seconds())
    with capture_logs() as lines:
        answers = [await house.ask(token) for token in (UNKNOWN, READER, OPERATOR, "short")]

    assert {status for status, _, _ in answers} == {401}
    assert len({problem["detail"] for _, problem, _ in answers}) == 1
    refused = [line for line in lines if line["event"] == "admin.refused"]
    assert [line["reason"] for line in refused] == ["unknown", "expired", "revoked", "unknown"]
    assert not [token for token in (UNKNOWN, READER, OPERATOR) if token in repr(lines)]


async def test_a_burst_is_one_lookup_and_a_revocation_is_noticed_within_seconds(house: House) -> None:
    assert set(await asyncio.gather(*(house.status(READER) for _ in range(50)))) == {200}
    assert house.database.asked == 1

    async with house.database.connection() as connection:
        await admin_tokens.revoke(connection, "reader", house.clock.now())
    house.clock.advance(BELIEVED_SECONDS)
    assert await house.status(READER) == 200
    house.clock.advance(0.1)
    assert await house.status(READER) == 401
    assert await house.status(READER) == 401


async def test_a_token_that_expires_while_it_is_believed_is_refused_at_once(house: House) -> None:
    house.clock.advance(timedelta(days=1).total_seconds() - 1)
    assert await house.status(READER) == 200
    house.clock.advance(1)
    assert await house.status(READER) == 401


async def test_wrong_tokens_are_borne_for_a_while_then_refused_without_a_lookup(house: House) -> None:
    await house.exhaust()
    asked = house.database.asked
    with capture_logs() as lines:
        for _ in range(5):
            assert await house.status(UNKNOWN) == 429
        _, problem, headers = await house.ask(UNKNOWN)
    assert headers["Retry-After"] == "6"
    assert "6 s" in problem["detail"]
    assert house.database.asked == asked
    assert [line["event"] for line in lines] == ["attempt.throttled"]  # said once

    house.clock.advance(6)
    assert await house.status(UNKNOWN) == 401
    assert await house.status(UNKNOWN) == 429


async def test_a_flood_locks_out_nobody_whose_token_was_seen_good(house: House) -> None:
    assert await house.status(READER) == 200
    await house.exhaust()
    house.clock.advance(BELIEVED_SECONDS + 0.1)
    assert await house.status(READER) == 200  # looked up again all the same
    assert await house.status(OPERATOR) == 429  # one never seen has to wait with the flood
    assert await house.status(OPERATOR, sender="198.51.100.9") == 200  # or to come from elsewhere


async def test_many_senders_together_are_bounded_too(house: House) -> None:
    senders = [f"198.51.100.{number}" for number in range(attempts.ALL.burst // attempts.EACH.burst)]
    for sender in senders:
        await house.exhaust(sender)
    assert await house.status(UNKNOWN, sender="203.0.113.1") == 429
    house.clock.advance(1)
    assert await house.status(UNKNOWN, sender="203.0.113.1") == 401


async def test_a_sender_who_writes_addresses_before_the_proxys_own_gains_nothing(house: House) -> None:
    async def ask(forged: str) -> int:
        headers = [
            ("Authorization", f"Bearer {UNKNOWN}"), ("X-Forwarded-For", forged), ("X-Forwarded-For", "203.0.113.1"),
        ]  # fmt: skip
        async with house.session.get(f"{house.address}/read", headers=headers) as answer:
            return answer.status

    for number in range(attempts.EACH.burst):
        assert await ask(f"198.51.100.{number}") == 401
    assert await ask("198.51.100.99") == 429
    assert await house.status(UNKNOWN, sender="198.51.100.99") == 401


async def test_a_proxy_that_the_settings_do_not_name_sends_for_itself(arguments: dict[str, Any]) -> None:
    clock = SetClock()
    async with CountingDatabase(arguments, pool_size=4) as database, aiohttp.ClientSession() as session:
        guard = Guard(database, clock, Sessions(database, clock))
        app = application([web.get("/read", guard.read(answer))], ["10.0.0.0/24"])
        async with serving(app, "127.0.0.1", 0) as address:
            house = House(address, database, clock, session)
            for number in range(attempts.EACH.burst):
                assert await house.status(UNKNOWN, sender=f"198.51.100.{number}") == 401
            assert await house.status(UNKNOWN, sender="203.0.113.1") == 429


async def test_many_attempts_at_once_get_no_further_than_one_after_the_other(house: House) -> None:
    statuses = await asyncio.gather(*(house.status(written(bytes([number]) * 32)) for number in range(40, 80)))
    assert statuses.count(401) == attempts.EACH.burst
    assert statuses.count(429) == 40 - attempts.EACH.burst


async def test_good_tokens_use_up_nothing(house: House) -> None:
    for _ in range(2 * attempts.EACH.burst):
        assert await house.status(OPERATOR) == 200
        house.clock.advance(BELIEVED_SECONDS + 0.1)
    await house.exhaust()


async def test_the_last_use_is_kept_to_the_minute(house: House) -> None:
    async def last_used_at() -> Any:
        async with house.database.connection() as connection:
            return await connection.fetchval("SELECT last_used_at FROM admin_tokens WHERE name = 'reader'")

    first = house.clock.now()
    assert await house.status(READER) == 200
    assert await last_used_at() == first
    house.clock.advance(30)
    assert await house.status(READER) == 200
    assert await last_used_at() == first
    house.clock.advance(31)
    assert await house.status(READER) == 200
    assert await last_used_at() == house.clock.now()


async def test_the_log_of_a_guarded_request_names_the_token(house: House) -> None:
    lines: list[Any] = []

    def keep(_: object, __: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    try:
        await house.ask(OPERATOR, "/operate")
    finally:
        structlog.reset_defaults()
    assert [(line["event"], line.get("admin")) for line in lines] == [("route.reached", "operator")]


@pytest.mark.parametrize("path", ["/read", "/operate"])
async def test_without_a_database_nobody_comes_in_and_is_told_to_come_again(path: str) -> None:
    guard = Guard(Database({}, 1), SetClock(), Sessions(Database({}, 1), SetClock()))
    handler: Callable[..., Any] = guard.read(answer) if path == "/read" else guard.operate(answer)
    routes = [web.route("*", path, handler)]
    async with serving(application(routes), "127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        house = House(address, CountingDatabase({}, 1), SetClock(), session)
        status, _, headers = await house.ask(READER, path)
    assert (status, headers["Retry-After"]) == (503, "5")

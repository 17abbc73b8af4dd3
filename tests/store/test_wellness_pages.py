"""The admin API on wellness and keys over real sockets: strict, idempotent, and no key is ever shown."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from daemon.core.bearer import Scope, digest, granted, written
from daemon.jobs import sync_wellness
from daemon.science.wellness import Weights
from daemon.store import admin_tokens
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.athlete_routes import LARGEST_BODY
from daemon.web.intervals_keys import IntervalsKeys
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from daemon.web.wellness import WellnessPages
from tests.support.clocks import SetClock
from tests.support.fake_intervals import CIPHER
from tests.support.queue import add_athletes
from tests.support.relay import Relay

READER, OPERATOR = (written(bytes([number]) * 32) for number in range(2))
TODAY = date(2026, 3, 10)
ATHLETE = 7
KEY = "canary-of-intervals"


class House:
    """A server with the routes, and what it was asked to wake."""

    def __init__(self, address: str, session: aiohttp.ClientSession, database: Database, woken: list[str]) -> None:
        self.address = address
        self.session = session
        self.database = database
        self.woken = woken

    async def ask(
        self, method: str, path: str, body: Any = None, token: str = OPERATOR, raw: bytes | None = None
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        data = io.BytesIO(raw if raw is not None else json.dumps(body).encode())
        async with self.session.request(method, f"{self.address}{path}", headers=headers, data=data) as answer:
            decoded = await answer.json(content_type=None)
            expected = "application/problem+json" if answer.status >= 400 else "application/json"
            assert answer.content_type == expected, decoded
            return answer.status, decoded

    async def value(self, sql: str) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(sql)


@pytest_asyncio.fixture
async def house(arguments: dict[str, Any]) -> AsyncIterator[House]:
    clock, woken = SetClock(datetime(2026, 3, 10, 9, tzinfo=UTC)), list[str]()
    async with Database(arguments, pool_size=4) as database, aiohttp.ClientSession() as session:
        async with database.connection() as connection:
            await add_athletes(connection, [ATHLETE])
            for name, token, scope in (("reader", READER, Scope.READ), ("operator", OPERATOR, Scope.OPERATE)):
                await admin_tokens.insert(connection, name, digest(token), granted(scope), clock.now(), None)
        guard = Guard(database, clock, Sessions(database, clock))
        pages = WellnessPages(database, Weights(), clock, guard, lambda: woken.append("loads"))
        keys = IntervalsKeys(database, CIPHER, clock, guard, lambda: woken.append("sync"))
        async with serving(application([*pages.routes(), *keys.routes()]), "127.0.0.1", 0) as address:
            yield House(address, session, database, woken)


def days(count: int, **values: float | None) -> list[dict[str, Any]]:
    return [{"on": (TODAY - timedelta(days=back)).isoformat(), **values} for back in range(count)]


async def test_days_are_taken_once_shown_and_move_the_modifier(house: House) -> None:
    path = f"/athletes/{ATHLETE}/wellness"
    posted = days(70, resting_hr=50)
    assert await house.ask("POST", path, posted) == (200, {"days": 70, "changed": 70})
    assert await house.ask("POST", path, posted) == (200, {"days": 70, "changed": 0})
    assert await house.ask("POST", path, days(7, resting_hr=60, mood=2)) == (200, {"days": 7, "changed": 7})
    assert "loads" in house.woken
    status, shown = await house.ask("GET", f"{path}?days=3", token=READER)
    assert (status, [day["on"] for day in shown]) == (200, ["2026-03-10", "2026-03-09", "2026-03-08", "2026-03-07"])
    assert shown[0]["values"] == {"resting_hr": 60, "mood": 2}
    assert shown[0]["sources"] == {"resting_hr": "posted", "mood": "posted"}
    assert shown[0]["modifier"] == pytest.approx(1.03)
    assert {part["signal"]: part["adds"] for part in shown[0]["parts"]} == {
        "hrv": 0,
        "resting_hr": 0.03,
        "sleep": 0,
    }
    assert (
        await house.value("SELECT value FROM wellness_modifiers WHERE on_day = '2026-03-10'")
        == shown[0]["modifier"]
    )


async def test_one_wrong_day_refuses_all_and_every_fault_has_its_index_and_field(house: House) -> None:
    body = [*days(1, resting_hr=50), {"on": "2026-03-01", "resting_hr": "50", "pulse": 1}, {"mood": 1}]
    status, problem = await house.ask("POST", f"/athletes/{ATHLETE}/wellness", body)
    assert (status, problem["title"]) == (422, "nothing was stored")
    assert problem["detail"] == "entry 1, resting_hr: must be a number from 20 to 150, or null"
    told = [(fault["index"], fault["field"]) for fault in problem["errors"]]
    assert told == [(1, "resting_hr"), (1, "pulse"), (2, "on")]
    assert await house.value("SELECT count(*) FROM wellness") == 0


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff", 400),
        (b"{}", 422),
        (b"[]", 422),
        (b"null", 422),
        (b" " * (LARGEST_BODY + 1), 413),
    ],
)
async def test_a_body_that_is_no_list_of_days_is_refused(house: House, raw: bytes, status: int) -> None:
    assert (await house.ask("POST", f"/athletes/{ATHLETE}/wellness", raw=raw))[0] == status


async def test_reading_may_not_post_and_nobody_s_days_are_not_taken(house: House) -> None:
    path = f"/athletes/{ATHLETE}/wellness"
    assert (await house.ask("POST", path, days(1, mood=1), token=READER))[0] == 403
    assert (await house.ask("GET", f"{path}?days=0"))[0] == 400
    assert (await house.ask("GET", f"{path}?days=many"))[0] == 400
    for method, of in (("POST", "wellness"), ("GET", "wellness"), ("GET", "intervals"), ("PUT", "intervals")):
        body = {"POST": days(1, mood=1), "PUT": {"api_key": KEY}}.get(method)
        assert (await house.ask(method, f"/athletes/99/{of}", body))[0] == 404, (method, of)
    async with house.session.get(f"{house.address}/athletes/{'9' * 19}/wellness") as answer:
        assert answer.status == 404


async def test_a_key_is_given_and_taken_and_never_shown(house: House) -> None:
    path = f"/athletes/{ATHLETE}/intervals"
    with capture_logs() as lines:
        assert await house.ask("GET", path, token=READER) == (200, {"state": "not connected"})
        assert await house.ask("PUT", path, {"api_key": KEY}) == (200, {"state": "active"})
        status, shown = await house.ask("GET", path, token=READER)
        assert (status, shown["state"], shown["kind"], shown["synced_at"]) == (200, "active", "api_key", None)
        assert (await house.ask("PUT", path, {"bearer": KEY}, token=READER))[0] == 403
        assert house.woken == ["sync"]
        assert await house.value(f"SELECT count(*) FROM jobs WHERE kind = '{sync_wellness.KIND}'") == 1
        for _ in range(2):
            assert await house.ask("DELETE", path) == (200, {"state": "not connected"})
    assert KEY not in repr((lines, shown))
    assert await house.value("SELECT count(*) FROM intervals_credentials") == 0


@pytest.mark.parametrize(
    "body",
    [{}, [], {"api_key": ""}, {"api_key": 5}, {"key": KEY}, {"api_key": KEY, "bearer": KEY},
     {"bearer": "two words"}, {"bearer": "tab\there"}, {"api_key": "ä"}, {"api_key": "x" * 1001}],
)  # fmt: skip
async def test_what_is_no_key_is_not_stored(house: House, body: Any) -> None:
    status, problem = await house.ask("PUT", f"/athletes/{ATHLETE}/intervals", body)
    assert status == 422
    assert '{"api_key": "…"}' in problem["detail"]
    assert await house.value("SELECT count(*) FROM intervals_credentials") == 0


async def test_a_database_that_is_away_is_told_so(arguments: dict[str, Any]) -> None:
    clock, relay = SetClock(), Relay(arguments)
    await relay.mend()
    async with Database(relay.arguments, pool_size=2) as database, aiohttp.ClientSession() as session:
        async with database.connection() as connection:
            await add_athletes(connection, [ATHLETE])
            await admin_tokens.insert(
                connection, "operator", digest(OPERATOR), granted(Scope.OPERATE), clock.now(), None
            )
        pages = WellnessPages(
            database, Weights(), clock, Guard(database, clock, Sessions(database, clock)), lambda: None
        )
        async with serving(application(pages.routes()), "127.0.0.1", 0) as address:
            house = House(address, session, database, [])
            path = f"/athletes/{ATHLETE}/wellness"
            assert (await house.ask("GET", path))[0] == 200  # the guard has seen the token: it will not ask again
            await relay.cut()
            status, problem = await house.ask("GET", path)
            assert (status, problem["title"]) == (503, "the database does not answer")

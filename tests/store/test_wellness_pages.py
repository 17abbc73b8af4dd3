"""The admin API on wellness and keys over real sockets: strict, idempotent, and no key is ever shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from daemon.compute.calculator import Calculator
from daemon.core.wellness import FIELDS
from daemon.jobs import sync_wellness
from daemon.store.database import Database
from daemon.web.bodies import LARGEST_BODY
from daemon.web.models.athlete import Wellness
from daemon.web.models.athlete_wishes import PostedDay
from tests.support.athlete_door import OPERATOR, READER, AthleteDoor, athlete_door
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes
from tests.support.relay import Relay
from tests.support.training import CHOICES

TODAY = date(2026, 3, 10)
ATHLETE = 7
KEY = "canary-of-intervals"
OPERATING = {"Authorization": f"Bearer {OPERATOR}"}


class House:
    """The addresses as an operator asks them, and their database."""

    def __init__(self, door: AthleteDoor, database: Database) -> None:
        self.ask = door.ask
        self.door = door
        self.database = database

    async def value(self, sql: str) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(sql)


@pytest_asyncio.fixture
async def house(database: Database, calculator: Calculator) -> AsyncIterator[House]:
    async with database.connection() as connection:
        await add_athletes(connection, [ATHLETE])
    clock = SetClock(datetime(2026, 3, 10, 9, tzinfo=UTC))
    async with athlete_door(database, clock, calculator, CHOICES) as door:
        yield House(door, database)


def days(count: int, **values: float | None) -> list[dict[str, Any]]:
    return [{"on": (TODAY - timedelta(days=back)).isoformat(), **values} for back in range(count)]


async def test_days_are_taken_once_shown_and_move_the_modifier(house: House) -> None:
    path = f"/athletes/{ATHLETE}/wellness"
    posted = days(70, resting_hr=50)
    assert await house.ask("POST", path, posted) == (200, {"days": 70, "changed": 70})
    assert await house.ask("POST", path, posted) == (200, {"days": 70, "changed": 0})
    assert await house.ask("POST", path, days(7, resting_hr=60, mood=2)) == (200, {"days": 7, "changed": 7})
    assert house.door.queued
    status, answer = await house.ask("GET", f"{path}?days=3", token=READER)
    shown = answer["days"]
    assert len(Wellness.model_validate(answer).days) == 4  # as it is described
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
    assert (await house.ask("POST", f"/athletes/{ATHLETE}/wellness", raw))[0] == status


async def test_reading_may_not_post_and_nobody_s_days_are_not_taken(house: House) -> None:
    path = f"/athletes/{ATHLETE}/wellness"
    assert (await house.ask("POST", path, days(1, mood=1), token=READER))[0] == 403
    assert (await house.ask("GET", f"{path}?days=0"))[0] == 400
    assert (await house.ask("GET", f"{path}?days=many"))[0] == 400
    for method, of in (("POST", "wellness"), ("GET", "wellness"), ("GET", "intervals"), ("PUT", "intervals")):
        body = {"POST": days(1, mood=1), "PUT": {"api_key": KEY}}.get(method)
        assert (await house.ask(method, f"/athletes/99/{of}", body))[0] == 404, (method, of)
    assert (await house.ask("GET", f"/athletes/{'9' * 19}/wellness"))[0] == 404


async def test_a_key_is_given_and_taken_and_never_shown(house: House) -> None:
    path = f"/athletes/{ATHLETE}/intervals"
    with capture_logs() as lines:
        status, shown = await house.ask("GET", path, token=READER)
        assert (status, shown["state"], shown["kind"]) == (200, "not connected", None)
        given = await house.ask("PUT", path, {"api_key": KEY})
        assert (given[0], given[1]["state"]) == (200, "active")
        status, shown = await house.ask("GET", path, token=READER)
        assert (status, shown) == given
        assert (status, shown["state"], shown["kind"], shown["synced_at"]) == (200, "active", "api_key", None)
        assert (await house.ask("PUT", path, {"bearer": KEY}, token=READER))[0] == 403
        assert len(house.door.queued) == 1
        assert await house.value(f"SELECT count(*) FROM jobs WHERE kind = '{sync_wellness.KIND}'") == 1
        for _ in range(2):
            status, taken = await house.ask("DELETE", path)
            assert (status, taken["state"]) == (200, "not connected")
    assert KEY not in repr((lines, shown))
    assert await house.value("SELECT count(*) FROM intervals_credentials") == 0


@pytest.mark.parametrize(
    "body",
    [{}, [], {"api_key": ""}, {"api_key": 5}, {"key": KEY}, {"api_key": KEY, "bearer": KEY},
     {"bearer": "two words"}, {"bearer": "tab\there"}, {"api_key": "ä"}, {"api_key": "x" * 1001}],
)  # fmt: skip
async def test_what_is_no_key_is_not_stored(house: House, body: Any) -> None:
    status, problem = await house.ask("PUT", f"/athletes/{ATHLETE}/intervals", body)
    assert (status, problem["type"]) == (400, "/problems/bad-body")
    assert '{"api_key": "…"}' in problem["detail"]
    assert KEY not in str(problem)
    assert await house.value("SELECT count(*) FROM intervals_credentials") == 0


async def test_a_database_that_is_away_is_told_so(arguments: dict[str, Any], calculator: Calculator) -> None:
    relay = Relay(arguments)
    await relay.mend()
    async with Database(relay.arguments, pool_size=2) as database:
        async with database.connection() as connection:
            await add_athletes(connection, [ATHLETE])
        async with athlete_door(database, SetClock(), calculator, CHOICES) as door:
            path = f"/athletes/{ATHLETE}/wellness"
            # The guard has seen the token: it will not ask again.
            assert (await door.ask("GET", path))[0] == 200
            await relay.cut()
            async with door.session.get(f"{door.address}{path}", headers=OPERATING) as answer:
                problem = await answer.json(content_type="application/problem+json")
            assert (answer.status, problem["title"]) == (503, "the database does not answer")


def test_a_posted_day_is_described_as_it_is_read() -> None:
    described = PostedDay.model_json_schema()["properties"]
    assert set(described) == {"on", *FIELDS}
    for name, bounds in FIELDS.items():
        number, nothing = described[name]["anyOf"]
        assert (number["type"], nothing) == ("integer" if bounds.whole else "number", {"type": "null"})
        assert (number["minimum"], number["maximum"]) == (bounds.least, bounds.most)

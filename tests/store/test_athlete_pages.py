"""Thresholds and fitness over HTTP: who may, what is answered, and what a mistake is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.core.bearer import Scope, digest, granted, written
from daemon.jobs import follow_fitness
from daemon.science.fitness import Basis
from daemon.store import admin_tokens, athletes
from daemon.web.admin import Guard
from daemon.web.athletes import AthletePages
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.efforts import TODAY, days_ago
from tests.support.training import Bureau, hour_at, train

READER, OPERATOR = (written(bytes([number]) * 32) for number in range(2))


class Door:
    """The pages, served; `queued` counts how often the worker was told of a job."""

    def __init__(self, address: str, session: aiohttp.ClientSession, queued: list[None]) -> None:
        self.address = address
        self.session = session
        self.queued = queued

    async def ask(
        self, method: str, path: str, body: bytes | None = None, token: str | None = OPERATOR
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, self.address + path, data=body, headers=headers) as answer:
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
            return answer.status, await answer.json(content_type=None)


@pytest_asyncio.fixture
async def door(bureau: Bureau) -> AsyncIterator[Door]:
    async with bureau.database.connection() as connection:
        for name, token, scope in (("reader", READER, Scope.READ), ("operator", OPERATOR, Scope.OPERATE)):
            until = bureau.clock.now() + timedelta(days=1)
            await admin_tokens.insert(connection, name, digest(token), granted(scope), bureau.clock.now(), until)
    queued: list[None] = []
    guard = Guard(bureau.database, bureau.clock, Sessions(bureau.database, bureau.clock))
    pages = AthletePages(bureau.database, guard, bureau.clock, Basis.UTL, lambda: queued.append(None))
    async with serving(application(pages.routes()), "127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        yield Door(address, session, queued)


async def test_a_value_is_set_shown_and_withdrawn_and_each_time_the_loads_are_asked_for(
    bureau: Bureau, door: Door
) -> None:
    body = b'{"value": 251.5, "from": "2026-03-01"}'
    assert await door.ask("PUT", "/athletes/1/thresholds/ftp", body) == (
        200,
        {"kind": "ftp", "value": 251.5, "from": "2026-03-01"},
    )
    assert (await door.ask("PUT", "/athletes/1/thresholds/lthr", b'{"value": 168}'))[1]["from"] == str(TODAY)

    status, shown = await door.ask("GET", "/athletes/1/thresholds", token=READER)
    assert (status, shown["today"]) == (200, str(TODAY))
    assert {kind: row["value"] for kind, row in shown["in_force"].items()} == {"ftp": 251.5, "lthr": 168}
    assert shown["in_force"]["ftp"]["evidence"] == {"source": "admin API"}

    assert await door.ask("DELETE", "/athletes/1/thresholds/ftp?from=2026-03-01") == (
        200,
        {"kind": "ftp", "from": "2026-03-01"},
    )
    _, shown = await door.ask("GET", "/athletes/1/thresholds", token=READER)
    assert set(shown["in_force"]) == {"lthr"}
    assert [row["state"] for row in shown["history"]] == ["withdrawn", "in force"]
    rows = await bureau.rows("SELECT lane::text, payload FROM jobs WHERE kind = 'recompute_load' ORDER BY job_id")
    assert [(row["lane"], row["payload"]["from_on"]) for row in rows] == [
        ("interactive", "2026-03-01"),
        ("interactive", str(TODAY)),
    ]
    assert len(door.queued) == 3


async def test_fitness_is_answered_up_to_today(bureau: Bureau, door: Door) -> None:
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(3), hour_at(200))
        await athletes.dirty_fitness(connection, 1, days_ago(3))
    await bureau.queue(follow_fitness.new(1, Lane.LIVE, bureau.clock.now()))
    await bureau.work_off()

    status, shown = await door.ask("GET", "/athletes/1/fitness?days=2", token=READER)

    assert status == 200
    assert [day["on"] for day in shown["days"]] == [str(days_ago(1)), str(TODAY)]
    assert shown["days"][0]["ctl"] > shown["days"][1]["ctl"] > 0
    assert len((await door.ask("GET", "/athletes/1/fitness"))[1]["days"]) == 4
    assert (await door.ask("GET", "/athletes/2/fitness"))[1]["days"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_reading_is_not_enough_to_change_anything(bureau: Bureau, door: Door, method: str) -> None:
    body = b'{"value": 250}'
    assert (await door.ask(method, "/athletes/1/thresholds/ftp", body, READER))[0] == 403
    for path in ("/athletes/1/thresholds/ftp",):
        assert (await door.ask(method, path, body, None))[0] == 401
    for path in ("/athletes/1/thresholds", "/athletes/1/fitness"):
        assert (await door.ask("GET", path, None, None))[0] == 401
    assert await bureau.value("SELECT count(*) FROM thresholds") == 0


WRONG = {
    "no JSON": (b"{", "must be JSON"),
    "no object": (b"[250]", "must be JSON"),
    "nothing": (b"{}", "must be JSON"),
    "text": (b'{"value": "250"}', "must be JSON"),
    "a flag": (b'{"value": true}', "must be JSON"),
    "a stranger's key": (b'{"value": 250, "form": "2026-03-01"}', "must be JSON"),
    "no day": (b'{"value": 250, "from": "yesterday"}', "'yesterday' is not a day"),
    "a number as day": (b'{"value": 250, "from": 3}', "must be JSON"),
    "too much": (b'{"value": 1e300}', "30 to 700 W"),
    "before all": (b'{"value": 250, "from": "1900-01-01"}', "1970-01-01"),
}


@pytest.mark.parametrize(("body", "told"), WRONG.values(), ids=WRONG)
async def test_a_wrong_body_is_told_what_a_right_one_is(bureau: Bureau, door: Door, body: bytes, told: str) -> None:
    status, problem = await door.ask("PUT", "/athletes/1/thresholds/ftp", body)
    assert (status, problem["status"]) == (400, 400)
    assert told in problem["detail"]
    assert await bureau.value("SELECT count(*) FROM thresholds") == 0
    assert door.queued == []


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/athletes/404/thresholds", 404, "domestique athletes list"),
        ("GET", "/athletes/404/fitness", 404, "domestique athletes list"),
        ("PUT", "/athletes/404/thresholds/ftp", 404, "domestique athletes list"),
        ("PUT", "/athletes/1/thresholds/vo2max", 400, "ftp, critical_speed, css, lthr, max_hr, resting_hr"),
        ("DELETE", "/athletes/1/thresholds/ftp", 400, "no manual ftp"),
        ("DELETE", "/athletes/1/thresholds/ftp?from=x", 400, "'x' is not a day"),
        ("GET", "/athletes/1/fitness?days=0", 400, "1 to 3660"),
        ("GET", "/athletes/1/fitness?days=%C2%B2", 400, "1 to 3660"),
    ],
)
async def test_a_wrong_question_is_told_what_to_ask(
    door: Door, method: str, path: str, status: int, told: str
) -> None:
    found, problem = await door.ask(method, path, b'{"value": 250}')
    assert found == status
    assert told in problem["detail"]


async def test_an_id_that_no_database_holds_is_nobody_s(door: Door) -> None:
    assert (await door.ask("GET", "/athletes/999999999999999999/thresholds"))[0] == 404
    async with door.session.get(f"{door.address}/athletes/{10**30}/thresholds") as answer:
        assert answer.status == 404

"""Thresholds and fitness over HTTP: who may, what is answered, and what a mistake is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.jobs import follow_fitness
from daemon.store import athletes
from daemon.web.models.athlete import Fitness
from tests.support.athlete_door import READER, AthleteDoor, athlete_door
from tests.support.efforts import TODAY, days_ago
from tests.support.training import Bureau, hour_at, train


@pytest_asyncio.fixture
async def door(bureau: Bureau) -> AsyncIterator[AthleteDoor]:
    async with athlete_door(bureau.database, bureau.clock, bureau.calculator, bureau.choices) as door:
        yield door


async def test_a_value_is_set_shown_and_withdrawn_and_each_time_the_loads_are_asked_for(
    bureau: Bureau, door: AthleteDoor
) -> None:
    body = {"value": 251.5, "from": "2026-03-01"}
    assert await door.ask("PUT", "/athletes/1/thresholds/ftp", body) == (
        200,
        {"kind": "ftp", "value": 251.5, "from": "2026-03-01"},
    )
    assert (await door.ask("PUT", "/athletes/1/thresholds/lthr", {"value": 168}))[1]["from"] == str(TODAY)

    status, shown = await door.ask("GET", "/athletes/1/thresholds", token=READER)
    assert (status, shown["today"]) == (200, str(TODAY))
    assert {kind: (row["value"], row["unit"]) for kind, row in shown["in_force"].items()} == {
        "ftp": (251.5, "W"),
        "lthr": (168, "bpm"),
    }
    assert shown["in_force"]["ftp"]["evidence"] == {"source": "admin API"}

    assert await door.ask("DELETE", "/athletes/1/thresholds/ftp?from=2026-03-01") == (
        200,
        {"kind": "ftp", "from": "2026-03-01"},
    )
    _, shown = await door.ask("GET", "/athletes/1/thresholds", token=READER)
    assert set(shown["in_force"]) == {"lthr"}
    assert [row["state"] for row in shown["history"]] == ["withdrawn", "in force"]
    assert [row["withdrawn_at"] is None for row in shown["history"]] == [False, True]
    rows = await bureau.rows("SELECT lane::text, payload FROM jobs WHERE kind = 'recompute_load' ORDER BY job_id")
    assert [(row["lane"], row["payload"]["from_on"]) for row in rows] == [
        ("interactive", "2026-03-01"),
        ("interactive", str(TODAY)),
    ]
    assert len(door.queued) == 3


async def test_fitness_is_answered_up_to_today_with_the_loads_that_it_follows(
    bureau: Bureau, door: AthleteDoor
) -> None:
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(3), hour_at(200))
        await train(connection, 1, 2, days_ago(1), hour_at(200), scored=False)
        await athletes.dirty_fitness(connection, 1, days_ago(3))
    await bureau.queue(follow_fitness.new(1, Lane.LIVE, bureau.clock.now()))
    await bureau.work_off()

    status, shown = await door.ask("GET", "/athletes/1/fitness?days=2", token=READER)

    assert status == 200
    assert [day["on"] for day in shown["days"]] == [str(days_ago(1)), str(TODAY)]
    assert shown["days"][0]["ctl"] > shown["days"][1]["ctl"] > 0
    assert (shown["basis"], shown["activities"]) == ("utl", [])
    assert "42 and 7 days" in shown["explanation"]
    _, whole = await door.ask("GET", "/athletes/1/fitness")
    (bar,) = whole["activities"]
    assert len(whole["days"]) == 4
    assert (bar["activity_id"], bar["on"], bar["method"]) == (1, str(days_ago(3)), "estimated")
    assert bar["load"] == whole["days"][0]["load"] > 0
    assert bar["estimated"] is True
    assert Fitness.model_validate(whole, strict=False).activities[0].on == days_ago(3)  # as it is described
    assert (await door.ask("GET", "/athletes/2/fitness"))[1]["days"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_reading_is_not_enough_to_change_anything(bureau: Bureau, door: AthleteDoor, method: str) -> None:
    body = {"value": 250}
    assert (await door.ask(method, "/athletes/1/thresholds/ftp", body, token=READER))[0] == 403
    assert (await door.ask(method, "/athletes/1/thresholds/ftp", body, token=None))[0] == 401
    for path in ("/athletes/1/thresholds", "/athletes/1/fitness"):
        assert (await door.ask("GET", path, token=None))[0] == 401
    assert await bureau.value("SELECT count(*) FROM thresholds") == 0


WRONG = {
    "no JSON": (b"{", 400, "Invalid JSON"),
    "no object": (b"[250]", 400, 'send such as {"value": 250'),
    "nothing": (b"{}", 400, "value: Field required"),
    "text": (b'{"value": "250"}', 400, "value: Input should be a valid number"),
    "a flag": (b'{"value": true}', 400, "value: Input should be a valid number"),
    "a stranger's key": (b'{"value": 250, "form": "2026-03-01"}', 400, "form: Extra inputs"),
    "no day": (b'{"value": 250, "from": "yesterday"}', 400, "from: must be a day such as 2026-03-01"),
    "seconds": (b'{"value": 250, "from": "1772323200"}', 400, "must be a day such as 2026-03-01"),
    "a number as day": (b'{"value": 250, "from": 3}', 400, "from: Input should be a valid date"),
    "too much": (b'{"value": 1e300}', 422, "30 to 700 W"),
    "no number": (b'{"value": NaN}', 400, "value"),
    "before all": (b'{"value": 250, "from": "1900-01-01"}', 422, "1970-01-01"),
}


@pytest.mark.parametrize(("body", "status", "told"), WRONG.values(), ids=WRONG)
async def test_a_wrong_body_is_told_what_a_right_one_is(
    bureau: Bureau, door: AthleteDoor, body: bytes, status: int, told: str
) -> None:
    found, problem = await door.ask("PUT", "/athletes/1/thresholds/ftp", body)
    assert found == status
    assert problem["type"] == {400: "/problems/bad-body", 422: "/problems/unacceptable"}[status]
    assert told in problem["detail"]
    assert await bureau.value("SELECT count(*) FROM thresholds") == 0
    assert door.queued == []


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "told"),
    [
        ("GET", "/athletes/404/thresholds", 404, "unknown-athlete", "domestique athletes list"),
        ("GET", "/athletes/404/fitness", 404, "unknown-athlete", "domestique athletes list"),
        ("PUT", "/athletes/404/thresholds/ftp", 404, "unknown-athlete", "domestique athletes list"),
        ("DELETE", "/athletes/404/thresholds/ftp", 404, "unknown-athlete", "domestique athletes list"),
        ("PUT", "/athletes/1/thresholds/vo2max", 404, "not-found", "ftp, critical_speed, css, lthr, max_hr"),
        ("DELETE", "/athletes/1/thresholds/ftp", 404, "not-found", "no manual ftp"),
        (
            "DELETE",
            "/athletes/1/thresholds/ftp?from=x",
            400,
            "bad-query",
            "from: must be a day such as",
        ),
        ("DELETE", "/athletes/1/thresholds/ftp?form=x", 400, "bad-query", "form: is not a parameter"),
        ("GET", "/athletes/1/fitness?days=0", 400, "bad-query", "days: Input should be greater than or equal to 1"),
        ("GET", "/athletes/1/fitness?days=3661", 400, "bad-query", "less than or equal to 3660"),
        ("GET", "/athletes/1/fitness?days=%C2%B2", 400, "bad-query", "days: Input should be a valid integer"),
    ],
)
async def test_a_wrong_question_is_told_what_to_ask(
    door: AthleteDoor, method: str, path: str, status: int, kind: str, told: str
) -> None:
    found, problem = await door.ask(method, path, {"value": 250})
    assert (found, problem["type"]) == (status, f"/problems/{kind}")
    assert told in problem["detail"]


async def test_an_id_that_no_database_holds_is_nobody_s(door: AthleteDoor) -> None:
    for athlete_id in (999_999_999_999_999_999, 10**30, "ftp", "%C2%B2"):
        status, problem = await door.ask("GET", f"/athletes/{athlete_id}/thresholds")
        assert (status, problem["type"]) == (404, "/problems/unknown-athlete")

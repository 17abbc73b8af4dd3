"""The queue over HTTP: what is shown of it, page by page, and dead jobs retried or dropped by those who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from daemon.core.bearer import Scope
from daemon.jobs import dead_letters
from daemon.store import jobs
from daemon.store.database import Connection, Database
from tests.support.operator_house import OperatorHouse, operator_house
from tests.support.queue import add_athletes, claim, claim_one, job_row, later, new_job, states


@pytest_asyncio.fixture
async def house(database: Database) -> AsyncIterator[OperatorHouse]:
    async with operator_house(database) as house:
        yield house


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 9))
        yield connection


async def bury(connection: Connection, *dedup_keys: str, kind: str = "ride", reason: str = "it broke") -> list[int]:
    """Let jobs die, one after the other, each of an athlete of its own; returns their ids, the oldest first."""
    died = []
    for number, key in enumerate(dedup_keys, 1):
        await jobs.enqueue(connection, [new_job(key, number, kind=kind)])
        job = await claim_one(connection)
        await jobs.bury(connection, job, reason)
        died.append(job.job_id)
    return died


async def walk(house: OperatorHouse, query: str) -> list[dict[str, Any]]:
    """Follow the cursors from the first page to the last."""
    rows, cursor = list[dict[str, Any]](), ""
    while True:
        status, page = await house.get(f"/jobs?{query}{cursor}")
        assert status == 200, page
        rows += page["items"]
        if page["next"] is None:
            return rows
        cursor = f"&cursor={page['next']}"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/jobs/{job}/retry"), ("DELETE", "/jobs/{job}"), ("POST", "/jobs/retry?kind=ride")],
)
@pytest.mark.parametrize(("scope", "expected"), [(None, 401), (Scope.READ, 403)])
async def test_who_may_only_read_changes_nothing(
    house: OperatorHouse, connection: Connection, method: str, path: str, scope: Scope | None, expected: int
) -> None:
    (job_id,) = await bury(connection, "a")

    status, _, _ = await house.ask(method, path.format(job=job_id), scope)

    assert (status, house.woken) == (expected, 0)
    assert await states(connection) == {"dead": 1}


async def test_a_dead_job_is_told_with_what_it_died_of_and_what_to_do(
    house: OperatorHouse, connection: Connection
) -> None:
    (job_id,) = await bury(connection, "a", reason="Strava answered 503 to activity")

    (row,) = (await house.get("/jobs"))[1]["items"]

    assert (row["job_id"], row["kind"], row["state"], row["athlete_id"], row["attempts"]) == (
        job_id,
        "ride",
        "dead",
        1,
        1,
    )
    assert row["outcome"] == "Strava answered 503 to activity"
    assert "status.strava.com" in row["advice"]
    assert row["died_at"] is not None


async def test_pages_of_the_dead_go_from_the_newest_to_the_oldest_each_once(
    house: OperatorHouse, connection: Connection
) -> None:
    died = await bury(connection, *"abcde")

    rows = await walk(house, "state=dead&limit=2")

    assert [row["job_id"] for row in rows] == died[::-1]
    assert await walk(house, "state=dead&kind=other") == []


async def test_pages_of_the_queued_go_in_the_order_in_which_they_are_claimed(
    house: OperatorHouse, connection: Connection
) -> None:
    await jobs.enqueue(connection, [new_job(key, number) for number, key in enumerate("abcde", 1)])
    await jobs.enqueue(connection, [new_job("later", 6, run_at=later(600))])

    shown = [row["job_id"] for row in await walk(house, "state=queued&limit=2")]
    running = await claim(connection, most=3)

    assert shown[:3] == sorted(job.job_id for job in running)
    assert len(shown) == 6
    assert [row["job_id"] for row in await walk(house, "state=running&limit=1")] == shown[:3]


@pytest.mark.parametrize(
    "query",
    [
        "state=done",
        "limit=0",
        "limit=201",
        "kind=A;B",
        "cursor=nonsense",
        "cursor=WzFd",
        "cursor=" + "A" * 201,
        "colour=red",
        "state=queued&cursor=WyJsaXZlIiwiMDAwMS0wMS0wMVQwMDowMDowMFoiLDFd",  # the year 1
    ],
)
async def test_a_query_that_is_wrong_is_told_what_is(house: OperatorHouse, query: str) -> None:
    status, problem = await house.get(f"/jobs?{query}")

    assert (status, problem["type"]) == (400, "/problems/bad-query")
    assert query.split("=")[-2].rpartition("&")[2] in problem["detail"]


async def test_a_dead_job_is_queued_again_once_and_the_worker_is_woken(
    house: OperatorHouse, connection: Connection
) -> None:
    (job_id,) = await bury(connection, "a")

    assert await house.operate("POST", f"/jobs/{job_id}/retry") == (200, {"job_id": job_id, "state": "queued"})
    status, problem = await house.operate("POST", f"/jobs/{job_id}/retry")

    assert (status, problem["type"], house.woken) == (409, "/problems/conflict", 1)
    assert "queued" in problem["detail"]
    assert await states(connection) == {"queued": 1}


async def test_a_dropped_job_is_gone_but_for_a_line_in_the_log(
    house: OperatorHouse, connection: Connection
) -> None:
    first, second = await bury(connection, "a", "b", reason="unexpected KeyError; the log has the traceback")

    with capture_logs() as lines:
        status, dropped = await house.operate("DELETE", f"/jobs/{first}")

    assert (status, dropped["job_id"], dropped["outcome"]) == (
        200,
        first,
        "unexpected KeyError; the log has the traceback",
    )
    assert await job_row(connection, first) is None
    assert await job_row(connection, second) is not None
    (line,) = [line for line in lines if line["event"] == "job.dropped"]
    assert (line["job_id"], line["kind"], line["athlete_id"]) == (first, "ride", 1)


async def test_only_the_dead_are_dropped(house: OperatorHouse, connection: Connection) -> None:
    (job_id,) = await jobs.enqueue(connection, [new_job("a", 1)])

    assert (await house.operate("DELETE", f"/jobs/{job_id}"))[0] == 409
    assert (await house.operate("DELETE", f"/jobs/{job_id + 1}"))[0] == 404
    assert (await house.operate("DELETE", "/jobs/first"))[0] == 404
    assert await states(connection) == {"queued": 1}


async def test_all_of_a_kind_are_retried_in_batches_twins_merged_and_no_other_kind(
    house: OperatorHouse, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_AT_ONCE", 2)
    await bury(connection, "a", "b", "c", "a", "a")  # of what has died, it may have died before
    await bury(connection, "other", kind="walk_history")
    await jobs.enqueue(connection, [new_job("b", 2, lookback_seconds=9)])

    answer = await house.operate("POST", "/jobs/retry?kind=ride")

    assert answer == (200, {"kind": "ride", "retried": 5})
    assert await states(connection) == {"queued": 3, "dead": 1}
    assert (await house.operate("POST", "/jobs/retry?kind=ride"))[1]["retried"] == 0

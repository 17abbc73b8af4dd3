"""The scheduler over HTTP: who may, what is due, what ran, and a run by hand that is refused while one runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from daemon.clock import SystemClock
from daemon.core.bearer import Scope
from daemon.core.schedule import TIMERS
from daemon.store import runs
from daemon.store.database import Connection, Database
from daemon.web.scheduler import SchedulerPages
from daemon.web.server import serving
from tests.support.admin import bearer, make_tokens, opened
from tests.support.schedule import ask, connect_athletes, decide, held_run, plan_timer


class Caller:
    """Asks the pages as somebody with a scope."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._session = session

    async def ask(self, method: str, path: str, scope: Scope | None) -> tuple[int, Any]:
        async with self._session.request(method, self._address + path, headers=bearer(scope)) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.ask("GET", path, Scope.READ)

    async def post(self, path: str) -> tuple[int, Any]:
        return await self.ask("POST", path, Scope.OPERATE)


@pytest_asyncio.fixture
async def caller(database: Database) -> AsyncIterator[Caller]:
    await make_tokens(database)
    app = opened(database, SystemClock(), SchedulerPages(database, "Europe/Zurich").endpoints())
    async with (
        serving(app, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(address, session)


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        yield connection


@pytest.mark.parametrize(
    ("method", "path", "scope", "expected"),
    [
        ("GET", "/scheduler/jobs", None, 401),
        ("GET", "/scheduler/runs", None, 401),
        ("POST", "/scheduler/run/daily_sync", None, 401),
        ("POST", "/scheduler/run/daily_sync", Scope.READ, 403),
    ],
)
async def test_every_page_is_guarded_by_its_scope(
    caller: Caller, connection: Connection, method: str, path: str, scope: Scope | None, expected: int
) -> None:
    status, _ = await caller.ask(method, path, scope)

    assert status == expected
    assert await runs.list_newest(connection, None, 10) == []


async def test_a_run_by_hand_is_accepted_once_and_then_refused_until_it_has_ended(
    caller: Caller, connection: Connection
) -> None:
    status, accepted = await caller.post("/scheduler/run/daily_sync")
    assert status == 202
    assert (accepted["job"], accepted["state"]) == ("daily_sync", "waiting")

    status, refusal = await caller.post("/scheduler/run/daily_sync")
    assert (status, refusal["run_id"]) == (409, accepted["run_id"])
    assert refusal["type"] == "/problems/already-running"
    assert "already running" in refusal["detail"]

    run = await runs.take_waiting(connection, ["daily_sync"], 60)
    assert run is not None
    await runs.finish(connection, run, "done")
    status, again = await caller.post("/scheduler/run/daily_sync")
    assert status == 202
    assert again["run_id"] > accepted["run_id"]
    assert (await runs.list_newest(connection, None, 1))[0]["trigger"] == "api"


async def test_what_is_no_job_or_no_number_is_refused_with_what_would_be(caller: Caller) -> None:
    status, answer = await caller.post("/scheduler/run/yearly_review")
    assert (status, answer["type"]) == (404, "/problems/unknown-job")
    assert "daily_sync" in answer["detail"]
    for query, words in (
        ("job=yearly_review", "job: the jobs are ingestion_tick"),
        *((f"limit={limit}", "limit: ") for limit in ("0", "1001", "-1", "x", "", "9" * 30, "²")),
        *((f"cursor={cursor}", "cursor: leave it out") for cursor in ("x", "é", "AAAA", "MTIKMw", "MA", "a" * 9)),
        ("limit=1&limit=2", "limit: given more than once"),
        ("most=1", "most: is not a parameter of this address"),
    ):
        status, answer = await caller.get(f"/scheduler/runs?{query}")
        assert (status, answer["type"]) == (400, "/problems/bad-query"), query
        assert answer["detail"].startswith(words), query


async def test_the_jobs_are_listed_with_their_next_due_time_and_how_their_last_run_went(
    caller: Caller, connection: Connection
) -> None:
    due_at = datetime(2026, 5, 2, tzinfo=UTC)
    await plan_timer(connection, "daily_sync", due_at)
    run = await held_run(connection)
    await runs.fail(connection, run, "it broke")

    status, body = await caller.get("/scheduler/jobs")

    assert status == 200
    jobs = {row["job"]: row for row in body["jobs"]}
    assert list(jobs) == list(TIMERS)
    daily = jobs["daily_sync"]
    assert (daily["timing"], daily["timezone"]) == ("At 02:00 every day", "Europe/Zurich")
    assert daily["due_at"] == "2026-05-02T00:00:00Z"
    assert (daily["last_run"]["state"], daily["last_run"]["error"]) == ("failed", "it broke")
    assert (jobs["quick_sync"]["due_at"], jobs["quick_sync"]["last_run"]) == (None, None)


async def test_runs_are_listed_newest_first_with_their_figures_of_one_job_or_of_all(
    caller: Caller, connection: Connection
) -> None:
    await connect_athletes(connection, [1])
    daily, quick = await held_run(connection, "daily_sync"), await held_run(connection, "quick_sync")
    await decide(connection, quick, ask(1))

    _, every = await caller.get("/scheduler/runs")
    _, newest = await caller.get("/scheduler/runs?limit=1")
    _, of_daily = await caller.get("/scheduler/runs?job=daily_sync")

    assert [row["run_id"] for row in every["runs"]] == [quick.run_id, daily.run_id]
    assert [(row["run_id"], row["open"]) for row in newest["runs"]] == [(quick.run_id, 1)]
    assert [row["run_id"] for row in of_daily["runs"]] == [daily.run_id]


async def test_pages_of_runs_are_the_whole_list_whatever_begins_meanwhile(
    caller: Caller, connection: Connection
) -> None:
    made = [(await held_run(connection, job)).run_id for job in TIMERS]
    listed: list[int] = []
    page: Any = {}
    path = "/scheduler/runs?limit=3"
    for begun in range(3):
        _, page = await caller.get(path)
        assert len(page["runs"]) == (3, 3, 1)[begun]
        listed += [row["run_id"] for row in page["runs"]]
        await connection.execute("UPDATE scheduler_runs SET run_id = DEFAULT WHERE run_id = $1", max(made) + begun)
        path = f"/scheduler/runs?limit=3&cursor={page['next']}"

    assert listed == sorted(made, reverse=True)
    assert page["next"] is None

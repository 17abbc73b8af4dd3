"""The census: what waits and died, how the timers did, what the quota has left; once for many scrapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from daemon.core.admission import Lane
from daemon.core.quota import Lengths, Limits
from daemon.core.schedule import TIMERS
from daemon.loops import census
from daemon.loops.census import Census, Counted
from daemon.store import jobs, ledgers, runs, timers
from daemon.store.database import Connection, Database
from daemon.store.timers import Next
from tests.support.clocks import SetClock
from tests.support.noon import read_at_noon
from tests.support.queue import LONG_AGO, add_athletes, claim, later, new_job

CLIENT_ID = 77


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await add_athletes(connection, (1, 2, 3))
        await ledgers.open_ledger(connection, CLIENT_ID, Limits(600, 30_000, 300, 20_000))
        yield connection


async def counted(database: Database, clock: SetClock) -> Counted:
    """Let the loop count once."""
    counting = Census(database, CLIENT_ID, Lengths(), clock)
    task = asyncio.create_task(counting.run())
    try:
        async with asyncio.timeout(60):
            while counting.newest is None:
                await asyncio.sleep(0.005)
    finally:
        task.cancel()
        await asyncio.wait([task])
    return counting.newest


async def test_jobs_are_counted_by_lane_kind_and_state_and_only_what_may_run_is_late(
    database: Database, connection: Connection
) -> None:
    await jobs.enqueue(connection, [new_job("dies", 1)])
    (doomed,) = await claim(connection)
    await jobs.bury(connection, doomed, "a test")
    await jobs.enqueue(connection, [new_job("runs", 1)])
    await claim(connection)
    await jobs.enqueue(
        connection,
        [
            new_job("waits", 2, run_at=LONG_AGO, lane=Lane.SCHEDULED),
            new_job("comes later", 2, run_at=later(3600), lane=Lane.BACKFILL),
            new_job("rests", 3, run_at=LONG_AGO - timedelta(days=9), lane=Lane.INTERACTIVE),
            new_job("other", None, kind="walk"),
        ],
    )
    await connection.execute("UPDATE turns SET resting = true WHERE athlete_id = 3")

    queue = (await counted(database, SetClock())).queue

    found = {(row["lane"], row["kind"], row["state"]): (row["jobs"], row["oldest_due_at"]) for row in queue}
    assert found == {
        ("live", "ride", "dead"): (1, None),
        ("live", "ride", "running"): (1, None),
        ("scheduled", "ride", "queued"): (1, LONG_AGO),
        ("backfill", "ride", "queued"): (1, None),
        ("interactive", "ride", "queued"): (1, None),
        ("live", "walk", "queued"): (1, LONG_AGO),
    }


async def test_what_is_kept_for_others_is_what_the_lanes_are_told(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "read_with_demand", read_at_noon)
    meters = (await counted(database, SetClock())).meters

    assert {(row.window, row.meter): row.limit for row in meters} == {
        ("quarter", "overall"): 600,
        ("quarter", "read"): 300,
        ("day", "overall"): 30_000,
        ("day", "read"): 20_000,
    }
    assert all(row.reserved > 0 for row in meters if row.window == "day")


async def test_of_each_timer_the_newest_run_that_ended_is_told(database: Database, connection: Connection) -> None:
    await timers.plant(connection, {job: Next(later(99), later(99)) for job in TIMERS})
    for outcome in ("fails", "comes through", "goes on"):
        await runs.request(connection, "daily_sync", "manual")
        run = await runs.take_waiting(connection, ["daily_sync"], lease_seconds=60)
        assert run is not None
        if outcome == "fails":
            await runs.fail(connection, run, "a test")
        elif outcome == "comes through":
            await runs.finish(connection, run, "a test")

    (ended,) = (await counted(database, SetClock())).ended

    assert (ended["job"], ended["state"]) == ("daily_sync", "finished")
    assert ended["started_at"] <= ended["finished_at"]


async def test_while_the_database_is_away_nothing_old_is_told() -> None:
    nowhere = Database({"host": "127.0.0.1", "port": 1}, pool_size=1)  # never opened
    census = Census(nowhere, CLIENT_ID, Lengths(), SetClock())
    with capture_logs() as logs:
        task = asyncio.create_task(census.run())
        async with asyncio.timeout(60):
            while not logs:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
    assert census.newest is None
    assert logs[0]["event"] == "census.not_taken"
    assert "not open" in logs[0]["reason"]

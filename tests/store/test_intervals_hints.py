"""Intervals.icu's webhook and what follows: all senders are answered alike, hints become syncs within a budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.core.wellness import FIRST_DAYS
from daemon.loops import intervals_hints
from daemon.loops.inbox import Budget
from daemon.loops.intervals_hints import IntervalsHints
from daemon.store import athletes, intervals_credentials
from daemon.store.database import Connection, Database
from daemon.web.intervals import LARGEST_BODY, IntervalsWebhook
from daemon.web.server import serving
from tests.support.admin import opened
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes
from tests.support.relay import Relay

SECRET = "secret-of-intervals-in-tests"


class House:
    """A webhook, the loop behind it, and the queue."""

    def __init__(self, clock: SetClock, connection: Connection, queued: asyncio.Event) -> None:
        self.clock = clock
        self.connection = connection
        self.queued = queued
        self.address = ""
        self.session = aiohttp.ClientSession()

    async def post(self, raw: bytes, secret: str = SECRET) -> tuple[int, Any]:
        async with self.session.post(f"{self.address}/webhook/intervals/{secret}", data=raw) as answer:
            return answer.status, await answer.json()

    async def hint(self, *names: str, day: date | None = None, secret: str = SECRET) -> tuple[int, Any]:
        records = [{"id": day.isoformat()}] if day is not None else []
        events = [{"athlete_id": name, "type": "WELLNESS_UPDATED", "records": records} for name in names]
        return await self.post(json.dumps({"secret": secret, "events": events}).encode())

    async def jobs(self) -> list[dict[str, Any]]:
        """Return what is queued, once something was."""
        async with asyncio.timeout(60):
            await self.queued.wait()
        self.queued.clear()
        rows = await self.connection.fetch(
            "SELECT kind, lane::text, payload, lookback_seconds, run_at FROM jobs"
            " WHERE state = 'queued' ORDER BY dedup_key"
        )
        return [dict(row) for row in rows]

    async def run_queue(self) -> None:
        """Let every queued job have been done."""
        await self.connection.execute("UPDATE jobs SET state = 'done', settled_at = now() WHERE state = 'queued'")


@asynccontextmanager
async def housed(database: Database, connection: Connection, budget: Budget) -> AsyncIterator[House]:
    clock, queued = SetClock(), asyncio.Event()
    hints = IntervalsHints(database, budget, clock, queued.set)
    house = House(clock, connection, queued)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(house.session)
        app = opened(database, clock, IntervalsWebhook(hints, SecretStr(SECRET)).endpoints())
        house.address = await stack.enter_async_context(serving(app, "127.0.0.1", 0))
        task = asyncio.create_task(hints.run())
        try:
            yield house
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """Athletes 1 and 2 have keys; 1 is called i1 there, 2 is not known by name yet."""
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
        for athlete_id in (1, 2):
            await intervals_credentials.put(connection, athlete_id, "api_key", b"sealed", SetClock().now())
        await connection.execute("UPDATE intervals_credentials SET intervals_id = 'i1' WHERE athlete_id = 1")
        yield connection


@pytest_asyncio.fixture
async def house(database: Database, connection: Connection) -> AsyncIterator[House]:
    async with housed(database, connection, Budget(60, 3000)) as house:
        yield house


async def test_of_whoever_is_leaving_nothing_is_queued_any_more(house: House) -> None:
    await house.connection.execute("UPDATE intervals_credentials SET intervals_id = 'i2' WHERE athlete_id = 2")
    assert await athletes.leave(house.connection, 1, house.clock.now())
    await house.hint("i1", "i2")
    assert [job["payload"]["athlete_id"] for job in await house.jobs()] == [2]


async def test_a_hint_becomes_a_live_sync_of_the_days_that_it_may_concern(house: House) -> None:
    today = house.clock.now().date()
    assert await house.hint("i1") == (200, {"status": "noted"})
    (job,) = await house.jobs()
    assert (job["kind"], job["lane"], job["payload"]["athlete_id"]) == ("sync_wellness", "live", 1)
    assert job["lookback_seconds"] == 7 * 86_400
    for back, days in ((20, 21), (9_000, FIRST_DAYS), (-5, 21)):
        await house.hint("i1", day=today - timedelta(days=back))
        (job,) = await house.jobs()
        assert job["lookback_seconds"] == max(days, job["lookback_seconds"])
        assert job["lookback_seconds"] <= FIRST_DAYS * 86_400


async def test_whoever_is_named_the_answer_is_the_same_and_only_ours_are_synced(house: House) -> None:
    answers = [await house.hint(*names) for names in (("stranger",), ("i1", "stranger"), (), ("1", "0", "i2"))]
    assert answers == [(200, {"status": "noted"})] * 4
    jobs = await house.jobs()
    assert [job["payload"]["athlete_id"] for job in jobs] == [1]


async def test_a_stranger_without_the_secret_reaches_nothing(house: House) -> None:
    assert (await house.post(b"{}", secret="guessed"))[0] == 404
    assert (await house.hint("i1", secret="guessed"))[0] == 403
    for raw, status in ((b"{", 400), (b"[]", 400), (b" " * (LARGEST_BODY + 1), 413)):
        assert (await house.post(raw))[0] == status
    assert await house.connection.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_body_that_lies_about_its_length_gets_no_further_than_the_limit(house: House) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 4096 + 2):
            yield b" " * 4096

    url = f"{house.address}/webhook/intervals/{SECRET}"
    try:
        async with house.session.post(url, data=pieces()) as answer:
            assert answer.status == 413
    except aiohttp.ClientConnectionError:
        pass  # the door was shut while we were still sending
    assert (await house.hint("i1"))[0] == 200


async def test_beyond_its_budget_a_hint_is_put_off_and_not_dropped(
    database: Database, connection: Connection
) -> None:
    async with housed(database, connection, Budget(2, 100)) as house:
        for _ in range(2):
            await house.hint("i1")
            (job,) = await house.jobs()
            assert (job["lane"], job["run_at"]) == ("live", house.clock.now())
            await house.run_queue()
        with capture_logs() as lines:
            await house.hint("i1")
            (job,) = await house.jobs()
        assert (job["lane"], job["run_at"]) == ("backfill", house.clock.now() + timedelta(seconds=1800))
        assert "hints.budget_exceeded" in [line["event"] for line in lines]
        await house.run_queue()
        house.clock.advance(1800)
        await house.hint("i1")
        (job,) = await house.jobs()
        assert job["lane"] == "live"


async def test_the_budget_of_all_holds_for_everybody(database: Database, connection: Connection) -> None:
    await connection.execute("UPDATE intervals_credentials SET intervals_id = 'i2' WHERE athlete_id = 2")
    async with housed(database, connection, Budget(60, 1)) as house:
        await house.hint("i1", "i2")
        assert sorted(job["lane"] for job in await house.jobs()) == ["backfill", "live"]


async def test_too_many_hints_are_not_noted_and_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals_hints, "MOST_WAITING", 2)
    hints = IntervalsHints(database, Budget(1, 1), SetClock(), lambda: None)
    assert hints.take({"a": None, "b": None})
    assert not hints.take({"c": None})


async def test_hints_outlive_a_database_that_is_away_for_a_while(
    arguments: dict[str, Any], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals_hints, "PAUSE_SECONDS", 0.01)
    relay = Relay(arguments)
    await relay.mend()
    async with (
        Database(relay.arguments, pool_size=2) as unsteady,
        housed(unsteady, connection, Budget(9, 9)) as house,
    ):
        await relay.cut()
        with capture_logs() as lines:
            assert (await house.hint("i1"))[0] == 200
            async with asyncio.timeout(60):
                while "hints.not_queued" not in [line["event"] for line in lines]:
                    await asyncio.sleep(0.01)
            await relay.mend()
            assert len(await house.jobs()) == 1

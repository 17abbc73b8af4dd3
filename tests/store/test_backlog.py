"""What all histories still take: counted now and then for everybody, and up to a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from daemon.core.quota import Lengths, Limits
from daemon.jobs import backlog as backlog_module
from daemon.jobs.backlog import Backlog
from daemon.store import backfills, ledgers
from daemon.store.database import Database
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes

CLIENT_ID = 12345


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest_asyncio.fixture
async def backlog(database: Database, clock: SetClock) -> Backlog:
    """Of two athletes, whose lists have not been read yet."""
    async with database.connection() as connection:
        await ledgers.open_ledger(connection, CLIENT_ID, Limits(200, 2_000, 100, 1_000))
        await add_athletes(connection, [1, 2])
        await connection.execute("UPDATE athletes SET scope = '{activity:read}'")
        await backfills.open_backfills(connection, [1, 2], 365, clock.now())
    return Backlog(CLIENT_ID, Lengths(), clock)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each count."""
    counted: list[int] = []
    count: Callable[..., Awaitable[dict[str, int]]] = backfills.summed_up

    async def counting(connection: Any, most: int) -> dict[str, int]:
        counted.append(most)
        return await count(connection, most)

    monkeypatch.setattr(backfills, "summed_up", counting)
    return counted


async def test_it_is_counted_once_for_all_who_ask_within_half_a_minute(
    backlog: Backlog, database: Database, clock: SetClock, counts: list[int]
) -> None:
    async def ask() -> backlog_module.Left:
        async with database.connection() as connection:
            return await backlog.read(connection)

    first, *others = await asyncio.gather(*(ask() for _ in range(5)))
    assert (len(counts), first.sums["listing"], first.is_more) == (1, 2, False)
    assert first.done_at is not None
    assert all(other is first for other in others)

    clock.advance(29.0)
    assert await ask() is first
    clock.advance(1.0)
    assert await ask() is not first
    assert len(counts) == 2


async def test_of_more_than_is_counted_nobody_says_when_it_is_done(
    backlog: Backlog, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "MOST_COUNTED", 0)
    async with database.connection() as connection:
        left = await backlog.read(connection)
    assert (left.is_more, left.done_at) == (True, None)

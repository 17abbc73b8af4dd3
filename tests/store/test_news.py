"""One reader for all who listen: each hears his own, in order, without a gap; who does not keep up is told so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
import pytest_asyncio

from daemon.core.errors import Retryable
from daemon.core.news import Topic
from daemon.jobs.rooms import Rooms
from daemon.loops import news as news_module
from daemon.loops.news import MOST_PER_ATHLETE, MOST_WAITING, Feed, Listener, Signal, TooManyListeners, announced
from daemon.store import outbox
from daemon.store.database import Database
from daemon.store.jobs import Job
from daemon.store.outbox import News, Position
from tests.support.relay import relayed

SECONDS = 30.0


async def tell(database: Database, athlete_id: int | None, *names: str) -> None:
    async with database.transaction() as connection:
        for name in names:
            await outbox.write(connection, Topic.WELLNESS_CHANGED, athlete_id, {"name": name})


@pytest_asyncio.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database)
    task = asyncio.create_task(feed.run())
    yield feed
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def heard(listener: Listener, count: int) -> list[str]:
    names = []
    for _ in range(count):
        news = await listener.next(SECONDS)
        assert isinstance(news, News), news
        names.append(news.body["name"])
    return names


async def test_everybody_hears_his_own_and_an_operator_all_in_order(database: Database, feed: Feed) -> None:
    await tell(database, 1, "before anybody listened")
    async with feed.listening(1) as (one, _), feed.listening(2) as (two, _), feed.listening(None) as (all_, _):
        await tell(database, 1, "a", "b")
        await tell(database, 2, "c")
        await tell(database, None, "d")
        feed.wake()
        assert await heard(one, 2) == ["a", "b"]
        assert await heard(two, 1) == ["c"]
        assert await heard(all_, 4) == ["a", "b", "c", "d"]
        assert await one.next(0.01) is Signal.QUIET


async def test_between_what_was_missed_and_what_comes_nothing_is_lost_or_told_twice(
    database: Database, feed: Feed
) -> None:
    async with feed.listening(1) as (_, begun):
        await tell(database, 1, "a", "b")
        await tell(database, 2, "another's")
    async with feed.listening(1) as (listener, since):
        await tell(database, 1, "c")
        missed = await feed.missed(1, begun, since, 10)
        feed.wake()
        assert missed is not None
        rest = 3 - len(missed)  # the listener may have come before or after a look
        assert [news.body["name"] for news in missed] + await heard(listener, rest) == ["a", "b", "c"]
        assert await feed.missed(1, begun, Position("18446744073709551615", 0), 2) is None  # too much


async def test_who_does_not_keep_up_loses_what_waits_and_is_told_once(database: Database, feed: Feed) -> None:
    async with feed.listening(1) as (slow, _), feed.listening(None) as (quick, _):
        await tell(database, 1, *map(str, range(MOST_WAITING)))
        feed.wake()
        assert await heard(quick, MOST_WAITING) == list(map(str, range(MOST_WAITING)))
        await tell(database, 1, "one too many")
        feed.wake()
        assert await heard(quick, 1) == ["one too many"]
        assert await slow.next(SECONDS) is Signal.RESYNC
        await tell(database, 1, "afterwards")
        feed.wake()
        assert await heard(slow, 1) == ["afterwards"]


async def test_nothing_is_read_while_nobody_listens(
    database: Database, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read_after = outbox.read_after

    async def counted(*arguments: Any) -> list[News]:
        nonlocal reads
        reads += 1
        return await read_after(*arguments)

    monkeypatch.setattr(outbox, "read_after", counted)
    for _ in range(3):
        feed.wake()
        await asyncio.sleep(0)
    assert reads == 0
    async with feed.listening(1) as (listener, _):
        await tell(database, 1, "a")
        feed.wake()
        assert await heard(listener, 1) == ["a"]
    assert reads > 0
    async with asyncio.timeout(SECONDS):  # the look that is under way still ends
        while feed._position is not None:
            feed.wake()
            await asyncio.sleep(0.01)
    before = reads
    for _ in range(3):
        feed.wake()
        await asyncio.sleep(0.01)
    assert reads == before


async def test_so_many_listen_and_no_more_and_who_leaves_makes_room(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "MOST_LISTENERS", MOST_PER_ATHLETE + 1)
    async with AsyncExitStack() as stack:
        for _ in range(MOST_PER_ATHLETE):
            await stack.enter_async_context(feed.listening(1))
        with pytest.raises(TooManyListeners) as refused:
            await stack.enter_async_context(feed.listening(1))
        assert refused.value.is_his
        await stack.enter_async_context(feed.listening(2))
        with pytest.raises(TooManyListeners) as full:
            await stack.enter_async_context(feed.listening(3))
        assert not full.value.is_his
    async with feed.listening(1), feed.listening(3):
        pass


async def test_an_end_ends_those_who_listen_and_those_who_come_later(feed: Feed) -> None:
    async with feed.listening(1) as (listener, _):
        waiting = asyncio.create_task(listener.next(SECONDS))
        await asyncio.sleep(0)
        await feed.end(None)
        assert await waiting is Signal.END
        assert await listener.next(SECONDS) is Signal.END
    async with feed.listening(1) as (listener, _):
        assert await listener.next(SECONDS) is Signal.END


async def test_a_database_that_goes_away_and_comes_back_costs_no_news(
    database: Database, arguments: dict[str, Any]
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, pool_size=2) as far:
        feed = Feed(far)
        task = asyncio.create_task(feed.run())
        async with feed.listening(1) as (listener, _):
            await relay.cut()
            await tell(database, 1, "meanwhile")
            feed.wake()
            assert await listener.next(0.2) is Signal.QUIET
            await relay.mend()
            assert await heard(listener, 1) == ["meanwhile"]
        task.cancel()
        await asyncio.wait([task])


async def test_a_job_that_has_ended_wakes_whoever_reads_its_news_and_one_that_failed_does_not() -> None:
    told: list[str] = []

    async def ends(job: Job, rooms: Rooms) -> None:
        told.append("its news are written")

    async def fails(job: Job, rooms: Rooms) -> None:
        raise Retryable("later")

    kinds = announced({"ends": ends, "fails": fails}, lambda: told.append("woken"))
    nothing = cast(Any, None)
    await kinds["ends"](nothing, nothing)
    with pytest.raises(Retryable):
        await kinds["fails"](nothing, nothing)
    assert told == ["its news are written", "woken"]

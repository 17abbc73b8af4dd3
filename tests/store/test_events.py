"""The inbox: stored by group commit before anybody is told so, then folded into jobs, each event once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.core.errors import Retryable
from daemon.core.events import parse
from daemon.core.instruments import SILENT, Instruments
from daemon.loops.inbox import MOST_PER_COMMIT, MOST_PER_FOLD, Budget, Folding, Inbox
from daemon.store import apps, events
from daemon.store.database import Connection, Database
from daemon.store.events import Arrival
from tests.support.clocks import SetClock
from tests.support.queue import LONG_AGO, add_athletes, later
from tests.support.relay import relayed
from tests.support.sessions import deadlocks, until_waiting
from tests.support.told import Told

CLIENT_ID, SUBSCRIPTION_ID = 77, 131300
AMPLE = Budget(owner_looks_per_hour=10_000, looks_per_hour=10_000)


def body(activity_id: int, owner_id: int = 1, **changes: Any) -> bytes:
    content = {
        "object_type": "activity",
        "object_id": activity_id,
        "aspect_type": "create",
        "owner_id": owner_id,
        "subscription_id": SUBSCRIPTION_ID,
        "event_time": 1_767_225_600,
        "updates": {},
    }
    return json.dumps(content | changes).encode()


def arrival(activity_id: int, owner_id: int = 1, *, signature: str | None = None, **changes: Any) -> Arrival:
    content = body(activity_id, owner_id, **changes)
    return Arrival(parse(content).dedup_key, LONG_AGO, content, signature)


@asynccontextmanager
async def writing(database: Database) -> AsyncIterator[Inbox]:
    """An inbox at work; on leaving it is stopped as the daemon stops it."""
    inbox = Inbox(database, lambda: None)
    task = asyncio.create_task(inbox.write())
    try:
        yield inbox
    finally:
        task.cancel()
        await asyncio.wait([task])


def folding(
    database: Database,
    budget: Budget = AMPLE,
    clock: SetClock | None = None,
    *,
    required: bool = False,
    instruments: Instruments = SILENT,
) -> Folding:
    clock = clock if clock is not None else SetClock()
    return Folding(
        database, CLIENT_ID, budget, clock, lambda: None, signatures_required=required, instruments=instruments
    )


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection of the watcher's own, with athletes 1 to 9 and our subscription known."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 10))
        await apps.seed(connection, CLIENT_ID, SUBSCRIPTION_ID)
        yield connection


async def stored(connection: Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM events")
    return count


async def outcomes(connection: Connection) -> Counter[str]:
    return Counter(row["outcome"] for row in await connection.fetch("SELECT outcome FROM events"))


async def queued(connection: Connection) -> dict[str, str]:
    """Return dedup key and lane of every job."""
    rows = await connection.fetch("SELECT dedup_key, lane::text AS lane FROM jobs ORDER BY job_id")
    return {row["dedup_key"]: row["lane"] for row in rows}


# Storing


async def test_what_comes_together_is_committed_together(database: Database, connection: Connection) -> None:
    async with writing(database) as inbox:
        news = await asyncio.gather(*(inbox.accept(arrival(number)) for number in range(1, 2001)))

    assert news == [True] * 2000
    assert await stored(connection) == 2000
    commits = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM events")
    assert commits <= 2000 / MOST_PER_COMMIT + 1


async def test_an_event_is_there_for_everybody_before_its_sender_is_told(
    database: Database, connection: Connection
) -> None:
    async def send(inbox: Inbox, number: int) -> None:
        sent = arrival(number)
        assert await inbox.accept(sent)
        assert await is_there(sent)

    async def is_there(sent: Arrival) -> bool:
        async with database.connection() as other:
            row = await other.fetchrow("SELECT body, folded_at FROM events WHERE dedup_key = $1", sent.dedup_key)
        return row is not None and (row["body"], row["folded_at"]) == (sent.body, None)

    async with writing(database) as inbox:
        await asyncio.gather(*(send(inbox, number) for number in range(1, 21)))


async def test_a_repeated_delivery_is_known_within_a_batch_and_across_batches(
    database: Database, connection: Connection
) -> None:
    async with writing(database) as inbox:
        together = await asyncio.gather(*(inbox.accept(arrival(1)) for _ in range(5)))
        assert sorted(together) == [False] * 4 + [True]
        assert not await inbox.accept(arrival(1))
        assert await inbox.accept(arrival(1, updates={"title": "Evening ride"}))

    assert await stored(connection) == 2


async def test_two_daemons_given_the_same_events_in_opposite_orders_store_each_once_and_never_deadlock(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    async with Database(arguments, pool_size=2) as other, writing(database) as here, writing(other) as there:
        for beginning in range(1, 4 * MOST_PER_COMMIT, MOST_PER_COMMIT):
            numbers = range(beginning, beginning + MOST_PER_COMMIT)
            async with connection.transaction():
                await connection.execute("LOCK TABLE events IN SHARE MODE")  # until both stand at the line
                accepting = [asyncio.ensure_future(here.accept(arrival(number))) for number in numbers]
                accepting += [asyncio.ensure_future(there.accept(arrival(number))) for number in reversed(numbers)]
                await until_waiting(connection, sessions=2)
            assert sum(await asyncio.gather(*accepting)) == MOST_PER_COMMIT

    assert await stored(connection) == 4 * MOST_PER_COMMIT
    assert await deadlocks(connection) == 0


async def test_without_a_database_nothing_is_acknowledged_and_afterwards_all_goes_on(
    arguments: dict[str, Any], connection: Connection
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, 2) as database, writing(database) as inbox:
        assert await inbox.accept(arrival(1))
        await relay.cut()
        refused = await asyncio.gather(
            *(inbox.accept(arrival(number)) for number in range(2, 30)), return_exceptions=True
        )
        assert {type(answer) for answer in refused} == {Retryable}

        await relay.mend()
        again = await asyncio.gather(*(inbox.accept(arrival(number)) for number in range(1, 30)))

    assert again == [False] + [True] * 28
    assert await stored(connection) == 29


async def test_a_sender_that_gives_up_does_not_take_the_body_along(
    database: Database, connection: Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        async with writing(database) as inbox:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await inbox.accept(arrival(1))
            waiting = asyncio.create_task(inbox.accept(arrival(2)))
            await until_waiting(connection)
            await connection.execute("ROLLBACK; BEGIN")
            assert await waiting

    assert await stored(connection) == 2


async def test_stopping_stores_what_waits_and_what_was_being_stored(
    database: Database, connection: Connection
) -> None:
    inbox = Inbox(database, lambda: None)
    task = asyncio.create_task(inbox.write())
    async with connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        under_way = asyncio.create_task(inbox.accept(arrival(1)))
        async with database.connection() as watcher:
            await until_waiting(watcher)
        waiting = [
            asyncio.create_task(inbox.accept(arrival(number))) for number in range(2, 2 + 2 * MOST_PER_COMMIT)
        ]
        await asyncio.sleep(0)
        task.cancel()

    async with asyncio.timeout(60):
        await asyncio.gather(under_way, *waiting)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(connection) == 2 * MOST_PER_COMMIT + 1


async def test_stopping_without_a_database_tells_every_sender_and_ends(arguments: dict[str, Any]) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, 2) as database:
        inbox = Inbox(database, lambda: None)
        waiting = [asyncio.create_task(inbox.accept(arrival(number))) for number in range(1, 3 * MOST_PER_COMMIT)]
        await asyncio.sleep(0)
        await relay.cut()
        task = asyncio.create_task(inbox.write())
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait([task], timeout=60)

    assert task.done()
    assert {type(answer) for answer in answers} == {Retryable}


# Folding


async def fill(connection: Connection, *arrivals: Arrival) -> None:
    await events.store_batch(connection, arrivals)


async def test_many_events_of_one_activity_become_one_look(database: Database, connection: Connection) -> None:
    await fill(connection, arrival(5), *(arrival(5, aspect_type="update", event_time=at) for at in range(10)))

    assert await folding(database).fold_once() == 11

    assert await queued(connection) == {"look_at_activity:5:1": "live"}
    assert await outcomes(connection) == {"folded": 11}
    assert await folding(database).fold_once() == 0


async def test_what_is_not_ours_is_ignored_with_a_reason_and_strangers_leave_nothing(
    database: Database, connection: Connection
) -> None:
    await fill(
        connection,
        arrival(1),
        arrival(2, owner_id=404),
        arrival(3, subscription_id=999),
        arrival(4, object_type="athlete"),
        arrival(5, object_type="segment"),
        arrival(0),
    )

    await folding(database).fold_once()

    assert await queued(connection) == {"look_at_activity:1:1": "live"}
    assert await outcomes(connection) == Counter(
        ("folded", "unknown_owner", "foreign_subscription", "nothing_to_do", "unknown_object_type", "no_object")
    )
    stranger = await connection.fetchrow("SELECT body, owner_id FROM events WHERE outcome = 'unknown_owner'")
    assert tuple(stranger or ()) == (b"", None)


async def test_while_our_subscription_is_unknown_no_event_is_foreign(
    database: Database, connection: Connection
) -> None:
    await connection.execute("UPDATE apps SET subscription_id = NULL")
    await fill(connection, arrival(1, subscription_id=999))

    await folding(database).fold_once()

    assert await outcomes(connection) == {"folded": 1}


async def test_a_deauthorization_makes_us_look_at_the_athlete_even_at_rest(
    database: Database, connection: Connection
) -> None:
    await fill(connection, arrival(1, object_type="athlete", aspect_type="update", updates={"authorized": "false"}))

    await folding(database).fold_once()

    (job,) = await connection.fetch("SELECT kind, serial_key, while_resting, lane::text FROM jobs")
    assert tuple(job) == ("look_at_athlete", 1, True, "live")


async def test_where_signatures_are_required_only_valid_ones_count(
    database: Database, connection: Connection
) -> None:
    await fill(
        connection,
        arrival(1, signature="valid"),
        arrival(2, signature="invalid"),
        arrival(3, signature="absent"),
        arrival(4),
    )

    await folding(database, required=True).fold_once()

    assert await queued(connection) == {"look_at_activity:1:1": "live"}
    assert await outcomes(connection) == {"folded": 1, "unsigned": 3}


async def test_looks_beyond_an_owner_s_budget_wait_for_spare_quota_and_none_is_lost(
    database: Database, connection: Connection
) -> None:
    clock = SetClock()
    thrifty = folding(database, Budget(owner_looks_per_hour=3, looks_per_hour=100), clock)
    for beginning in (1, 3):
        await fill(connection, *(arrival(number) for number in range(beginning, beginning + 2)))
        await fill(connection, arrival(100 + beginning, owner_id=2))
        await thrifty.fold_once()

    assert await queued(connection) == {
        "look_at_activity:1:1": "live",
        "look_at_activity:2:1": "live",
        "look_at_activity:101:2": "live",
        "look_at_activity:3:1": "backfill",  # the fourth in this hour is among them
        "look_at_activity:4:1": "backfill",
        "look_at_activity:103:2": "live",
    }

    clock.advance(3600)
    await fill(connection, arrival(5))
    await thrifty.fold_once()
    assert (await queued(connection))["look_at_activity:5:1"] == "live"


async def test_a_flood_over_all_owners_goes_to_spare_quota_until_the_hour_is_over(
    database: Database, connection: Connection
) -> None:
    clock = SetClock()
    thrifty = folding(database, Budget(owner_looks_per_hour=100, looks_per_hour=8), clock)
    await fill(connection, *(arrival(number, owner_id=number) for number in range(1, 10)))

    await thrifty.fold_once()

    assert set((await queued(connection)).values()) == {Lane.BACKFILL}
    assert len(await queued(connection)) == 9
    clock.advance(3600)
    await fill(connection, arrival(50))
    await thrifty.fold_once()
    assert (await queued(connection))["look_at_activity:50:1"] == "live"


async def test_two_daemons_fold_side_by_side_and_each_event_once(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    count = 3 * MOST_PER_FOLD
    await fill(connection, *(arrival(number, owner_id=1 + number % 9) for number in range(1, count + 1)))

    async def fold_all(database: Database) -> int:
        total, folder = 0, folding(database)
        while folded := await folder.fold_once():
            total += folded
        return total

    async with Database(arguments, pool_size=2) as other:
        totals = await asyncio.gather(fold_all(database), fold_all(other))

    assert sum(totals) == count
    assert await outcomes(connection) == {"folded": count}
    assert len(await queued(connection)) == count
    assert await connection.fetchval("SELECT looks FROM webhook_budgets WHERE owner_id = 0") == count
    assert await deadlocks(connection) == 0


async def test_a_look_knows_when_its_first_event_came_and_instruments_what_became_of_all(
    database: Database, connection: Connection
) -> None:
    told = Told()
    early = replace(arrival(5), received_at=LONG_AGO)
    late = replace(arrival(5, aspect_type="update"), received_at=later(0))
    await fill(connection, late, early, arrival(6, owner_id=404))

    await folding(database, instruments=told).fold_once()

    payload = await connection.fetchval("SELECT payload FROM jobs WHERE dedup_key = 'look_at_activity:5:1'")
    assert payload["received_at"] == LONG_AGO.timestamp()
    assert told.words == [("folded", {"folded": 2, "unknown_owner": 1})]


async def test_a_fold_that_is_cut_off_leaves_the_events_for_the_next(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    await fill(connection, arrival(1))
    async with Database(arguments, pool_size=1) as other, connection.transaction():
        await connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        cut = asyncio.create_task(folding(other).fold_once())
        await until_waiting(connection)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        with pytest.raises(Retryable):
            await cut

    assert await outcomes(connection) == {None: 1}
    assert await folding(database).fold_once() == 1
    assert await connection.fetchval("SELECT looks FROM webhook_budgets WHERE owner_id = 0") == 1


async def test_a_body_that_a_newer_version_of_us_refuses_does_not_stop_the_others(
    database: Database, connection: Connection
) -> None:
    await fill(connection, Arrival(b"old", LONG_AGO, b'{"object_type": "once was enough"}', None), arrival(1))

    assert await folding(database).fold_once() == 2

    assert await outcomes(connection) == {"malformed": 1, "folded": 1}
    assert await queued(connection) == {"look_at_activity:1:1": "live"}


async def test_folding_is_woken_by_what_is_stored_and_tells_the_workers(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.loops.inbox.POLL_SECONDS", 3600.0)  # it is woken or nothing happens
    woken = asyncio.Event()
    folder = Folding(database, CLIENT_ID, AMPLE, SetClock(), woken.set, signatures_required=False)
    inbox = Inbox(database, folder.wake)
    tasks = [asyncio.create_task(inbox.write()), asyncio.create_task(folder.run())]

    async with asyncio.timeout(60):
        await inbox.accept(arrival(1))
        await woken.wait()

    assert await queued(connection) == {"look_at_activity:1:1": "live"}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


# Forgetting


async def test_folded_events_are_forgotten_in_batches_and_unfolded_ones_never(
    database: Database, connection: Connection
) -> None:
    await fill(connection, *(arrival(number) for number in range(1, 6)))
    await folding(database).fold_once()
    await connection.execute("UPDATE events SET folded_at = folded_at - interval '9 days'")
    await fill(connection, arrival(6))

    pruned = [await events.prune(connection, later(-8 * 86_400), most=3) for _ in range(3)]

    assert pruned == [3, 2, 0]
    assert await stored(connection) == 1
    assert await connection.fetchval("SELECT count(*) FROM webhook_budgets") == 2
    await events.prune(connection, SetClock().now() + timedelta(hours=1), most=3)
    assert await connection.fetchval("SELECT count(*) FROM webhook_budgets") == 0

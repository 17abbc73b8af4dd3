"""Erasure: who is gone leaves nothing behind, who comes back in time loses nothing, and no job is left over."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import AsyncIterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import cast

import orjson
import pytest
import pytest_asyncio
from pydantic import SecretStr

from daemon.clock import SystemClock
from daemon.core.admission import Lane
from daemon.core.events import parse
from daemon.core.look import Shape
from daemon.core.news import Topic
from daemon.jobs import erase_athlete, sync_wellness, wellness_days
from daemon.jobs.rooms import Rooms
from daemon.loops.inbox import Budget, Folding
from daemon.loops.sweeper import Retention, Sweeper
from daemon.science.fitness import Fitness
from daemon.science.scoring import Done, Known, score_all
from daemon.science.statistics import ActivityFacts, summarize
from daemon.science.wellness import Weights
from daemon.store import (
    activities,
    athletes,
    backfills,
    credentials,
    events,
    fitness,
    intervals_credentials,
    jobs,
    outbox,
    runs,
    thresholds,
    web_sessions,
)
from daemon.store.database import Connection, Database, fetched, named_queries
from daemon.store.events import Arrival
from daemon.store.jobs import Job
from daemon.store.runs import NewAsk, Progress
from daemon.store.web_sessions import Owner
from daemon.vault.cipher import Cipher, new_key
from daemon.vault.tokens import store_tokens
from tests.support.clocks import SetClock
from tests.support.queue import LONG_AGO, add_athletes, claim, claim_one, later, new_job
from tests.support.sessions import until_waiting
from tests.support.training import CHOICES, sleep

CLIENT_ID = 77
NOW = SystemClock().now()
RETENTION = Retention(streams_days=7, events_days=30, jobs_days=14, runs_days=30, deauthorized_days=7)
# Columns that hold an athlete's or an activity's id.
OF_AN_ATHLETE = ("athlete_id", "activity_id", "owner_id", "serial_key")


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
        yield connection


def rooms(database: Database) -> Rooms:
    """Give the rooms that an erasure by the calendar enters: to Strava there is nothing to say."""
    return cast(Rooms, SimpleNamespace(database=database, vault=None, clock=SystemClock()))


def folding(database: Database) -> Folding:
    return Folding(database, CLIENT_ID, Budget(99, 99), SystemClock(), lambda: None, signatures_required=False)


async def fill(database: Database, athlete_id: int) -> None:
    """Leave a row of this athlete's wherever the daemon may leave one; his activity has the hundredfold id."""
    activity_id = athlete_id * 100
    body = {
        "object_type": "activity", "object_id": activity_id, "aspect_type": "update", "owner_id": athlete_id,
        "subscription_id": 1, "event_time": 1, "updates": {"title": "At the lake"},
    }  # fmt: skip
    raw = json.dumps(body).encode()
    columns = {
        "activity_id": activity_id, "athlete_id": athlete_id, "sport_type": "Ride", "name": "At the lake",
        "start_at": LONG_AGO, "local_start_at": LONG_AGO.replace(tzinfo=None), "elapsed_seconds": 60,
        "moving_seconds": 60, "distance_m": 1.0, "trainer": False, "manual": False, "private": False,
        "hidden_start": False, "streams_state": "kept",
    }  # fmt: skip
    shape = Shape("Ride", LONG_AGO, 60, 60, 1.0, trainer=False)
    facts = ActivityFacts(shape.sport_type, 60, 60, 1.0, None, shape.trainer, None)
    async with database.transaction() as connection:
        await store_tokens(connection, Cipher([new_key()]), athlete_id, SecretStr("refresh"))
        await thresholds.put(
            connection, athlete_id, "ftp", 250, method="manual", effective_on=date(2026, 1, 1), evidence={}
        )
        await events.store_batch(connection, [Arrival(parse(raw).dedup_key, LONG_AGO, raw, None)])
        await activities.upsert(connection, columns, LONG_AGO)
        await activities.put_statistics(connection, activity_id, summarize(None, facts), LONG_AGO)
        done = Done(activity_id, LONG_AGO.date(), "Ride", summarize(None, facts))
        (scored,) = score_all([done], Known((), None, {}), CHOICES)
        await activities.put_loads(connection, orjson.dumps([scored.columns()]), LONG_AGO)
        await fitness.replace(
            connection, athlete_id, LONG_AGO.date(), [Fitness(LONG_AGO.date(), 1.0, 1.0, 1.0, 0.0)]
        )
        await sleep(connection, athlete_id, {LONG_AGO.date(): {"resting_hr": 48}})
        await activities.put_streams(connection, activity_id, zlib.compress(b"{}"), LONG_AGO)
        await activities.suspect(connection, [activity_id], LONG_AGO)
        await activities.bury(connection, activity_id + 1, athlete_id, "gone", LONG_AGO)
        await connection.execute("UPDATE athletes SET scope = '{activity:read}' WHERE athlete_id = $1", athlete_id)
        assert await backfills.open_backfills(connection, [athlete_id], 365, LONG_AGO) == [athlete_id]
        await outbox.write(connection, Topic.ACTIVITY_PROCESSED, athlete_id, {"name": "At the lake"})
        name = f"job {athlete_id % 10}"
        await runs.request(connection, name, "manual")
        run = await runs.take_waiting(connection, [name], lease_seconds=60)
        assert run is not None
        ask = NewAsk(athlete_id, "stale", "a day old", 60, urgency=1.0)
        await runs.advance(connection, run, Progress(athlete_id, True, 1, {}, 0, 0), [ask])
        await intervals_credentials.put(connection, athlete_id, "api_key", b"sealed", LONG_AGO)
        key = hashlib.sha256(str(athlete_id).encode()).digest()
        await web_sessions.open_session(connection, key, Owner(athlete_id, None), LONG_AGO, later(3600))
        day = {date(2026, 1, 1): {"resting_hr": 50.0}}
        await wellness_days.settle_post(connection, athlete_id, day, Weights(), LONG_AGO)
    await folding(database).fold_once()
    async with database.connection() as connection:
        await jobs.complete(connection, await claim_one(connection), "done")
        await jobs.enqueue(connection, [new_job(f"dead:{athlete_id}", athlete_id)])
        await jobs.bury(connection, await claim_one(connection), "hopeless")
        await jobs.enqueue(connection, [new_job(f"queued:{athlete_id}", athlete_id, run_at=later(60))])


async def deauthorize(connection: Connection, athlete_id: int, days_ago: float) -> None:
    sealed = await credentials.read(connection, athlete_id)
    version = sealed.version if sealed is not None else 0
    assert await athletes.rest(connection, athlete_id, "he took it back", version, deauthorized=True)
    await connection.execute(
        "UPDATE athletes SET deauthorized_at = $2 WHERE athlete_id = $1", athlete_id, NOW - timedelta(days=days_ago)
    )


async def claimed_erasure(connection: Connection, athlete_id: int) -> Job:
    await jobs.enqueue(connection, [erase_athlete.new(athlete_id, LONG_AGO)])
    return await claim_one(connection)


async def rows_of(connection: Connection, athlete_id: int) -> dict[str, int]:
    """Count an athlete's rows in every table that has a column for such ids, as the catalogue names them.

    But farewells, which there are of the erased alone.
    """
    columns = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = ANY($1) AND table_name <> 'farewells'",
        OF_AN_ATHLETE,
    )
    counts: dict[str, int] = {}
    for table, column in columns:
        is_activity = column == "activity_id"
        ids = [athlete_id * 100, athlete_id * 100 + 1] if is_activity else [athlete_id]
        count = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = ANY($1)", ids)
        counts[f"{table}.{column}"] = count
    return counts


async def traces(connection: Connection, athlete_id: int) -> list[str]:
    """Search every column of every table for an athlete's id, in numbers, texts, JSON, arrays and bytes."""
    columns = await connection.fetch(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
    )
    found = []
    for table, column, kind in columns:
        text = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
        sql = f"SELECT count(*) FROM {table} WHERE position($1 in {text}) > 0"
        if await connection.fetchval(sql, str(athlete_id)):
            found.append(f"{table}.{column}")
    return sorted(found)


async def test_of_an_erased_athlete_no_column_of_any_table_holds_a_trace(
    database: Database, connection: Connection
) -> None:
    someone = 918_273_645_546
    await add_athletes(connection, [someone])
    await fill(database, someone)
    before = await traces(connection, someone)
    assert {"events.body", "events.owner_id", "jobs.payload", "scheduler_runs.cursor_athlete_id"} <= set(before)
    assert len(before) >= 25
    await deauthorize(connection, someone, days_ago=8)

    await erase_athlete.run(await claimed_erasure(connection, someone), rooms(database))

    assert await traces(connection, someone) == []
    # What Strava still has on its way finds a stranger, and of strangers nothing is kept.
    await events.store_batch(connection, [event_of(someone)])
    await folding(database).fold_once()
    assert await traces(connection, someone) == []


def event_of(athlete_id: int) -> Arrival:
    body = {
        "object_type": "athlete", "object_id": athlete_id, "aspect_type": "update", "owner_id": athlete_id,
        "subscription_id": 1, "event_time": 2, "updates": {"authorized": "false"},
    }  # fmt: skip
    raw = json.dumps(body).encode()
    return Arrival(parse(raw).dedup_key, LONG_AGO, raw, None)


async def test_an_erased_athlete_leaves_no_row_in_any_table_and_others_keep_theirs(
    database: Database, connection: Connection
) -> None:
    await fill(database, 1)
    await fill(database, 2)
    before = await rows_of(connection, 2)
    assert set((await rows_of(connection, 1)).values()) <= {1, 2, 3}  # none empty: a new table must be filled above
    assert len(before) >= 14
    await deauthorize(connection, 1, days_ago=8)
    job = await claimed_erasure(connection, 1)

    await erase_athlete.run(job, rooms(database))

    left = await rows_of(connection, 1)
    assert {column: count for column, count in left.items() if count} == {}
    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'erase_athlete'") == 0
    assert await rows_of(connection, 2) == before
    names = await connection.fetchval(
        "SELECT count(*) FROM events WHERE position('lake' in encode(body, 'escape')) > 0"
    )
    assert names == 1


async def test_a_sync_of_wellness_goes_with_its_athlete_although_it_has_no_serial_key(
    database: Database, connection: Connection
) -> None:
    syncs = [sync_wellness.new(athlete_id, 7, Lane.LIVE, later(60), "a test") for athlete_id in (1, 2)]
    await jobs.enqueue(connection, [*syncs, new_job("house work", run_at=later(60))])
    await deauthorize(connection, 1, days_ago=8)

    await erase_athlete.run(await claimed_erasure(connection, 1), rooms(database))

    left = await connection.fetch("SELECT dedup_key FROM jobs WHERE state = 'queued' ORDER BY 1")
    assert [row["dedup_key"] for row in left] == ["house work", "sync_wellness:2"]


async def test_who_came_back_is_not_erased(database: Database, connection: Connection) -> None:
    await fill(database, 1)
    await deauthorize(connection, 1, days_ago=8)
    job = await claimed_erasure(connection, 1)
    await athletes.upsert(connection, 1, name=None, sex=None, scope=["read"])

    await erase_athlete.run(job, rooms(database))

    assert await athletes.get(connection, 1) is not None
    assert await activities.get(connection, 100) is not None
    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE job_id = $1", job.job_id) == 0


async def test_an_erasure_waits_for_a_fold_that_has_seen_the_athlete_and_takes_its_jobs_along(
    database: Database, connection: Connection
) -> None:
    await deauthorize(connection, 1, days_ago=8)
    erasure = await claimed_erasure(connection, 1)

    async with database.transaction() as folding_connection:
        assert await athletes.hold_known(folding_connection, [1, 404]) == {1}
        erasing = asyncio.create_task(erase_athlete.run(erasure, rooms(database)))
        await until_waiting(connection)
        await jobs.enqueue(folding_connection, [new_job("look_at_activity:5:1", 1)])
    await erasing

    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE state = 'queued'") == 0


async def test_the_follow_up_of_a_step_that_ends_as_the_erasure_begins_goes_too(
    database: Database, connection: Connection
) -> None:
    """The step changes nothing, so it holds no athlete: its follow-up is younger than the erasure's first look."""
    await jobs.enqueue(connection, [new_job("walk_history:1", 1)])
    step = await claim_one(connection)
    await deauthorize(connection, 1, days_ago=8)
    erasure = await claimed_erasure(connection, 1)

    async with database.transaction() as stepping:
        await jobs.enqueue(stepping, [new_job("walk_history:1", 1)])
        await outbox.write(stepping, Topic.ACTIVITY_PROCESSED, 1, {})
        await jobs.complete(stepping, step, "nothing had changed")
        erasing = asyncio.create_task(erase_athlete.run(erasure, rooms(database)))
        await until_waiting(connection)
    await erasing

    assert await connection.fetchval("SELECT count(*) FROM jobs") == 0
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_was_queued_for_somebody_who_is_gone_is_swept_away_and_nothing_else(
    database: Database, connection: Connection
) -> None:
    await jobs.enqueue(connection, [new_job("stray", 404), new_job("his", 1), new_job("house work")])

    async with database.transaction() as sweeping:
        assert await jobs.prune_strays(sweeping, LONG_AGO, most=10) == 0  # queued since
        assert await jobs.prune_strays(sweeping, later(60), most=10) == 1

    left = await connection.fetch("SELECT dedup_key FROM jobs ORDER BY 1")
    assert [row["dedup_key"] for row in left] == ["his", "house work"]


async def test_a_stray_job_into_which_somebody_who_connects_again_merges_his_first_stays(
    database: Database, connection: Connection
) -> None:
    queries = named_queries("jobs")
    await jobs.enqueue(connection, [new_job("stray", 404)])
    async with database.transaction() as sweeping:
        (stray,) = await fetched(queries.hold_strays(sweeping, before=later(60), most=10))
        await add_athletes(connection, [404])  # as we hold the row: his own first job waits for it
        await queries.drop_strays(sweeping, job_ids=[stray["job_id"]])
    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE serial_key = 404") == 1


DELETING = [
    ("jobs", "forget_athlete", 1, {"jobs_settled_of_athlete", "jobs_about_athlete"}),
    ("events", "forget_owner", 1, {"events_by_owner"}), ("outbox", "forget_athlete", 1, {"outbox_by_athlete"}),
    ("athletes", "erase", 1, {"athletes_pkey"}), ("events", "prune_budgets", LONG_AGO, {"webhook_budgets_by_hour"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name", "value", "indexes"), DELETING, ids=[f"{one[0]}.{one[1]}" for one in DELETING]
)
async def test_what_an_erasure_deletes_it_finds_by_indexes(
    connection: Connection, table: str, name: str, value: object, indexes: set[str]
) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")  # so that the few rows of a test tempt nobody
        sql = getattr(named_queries(table), name).sql
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", value))
    assert "Seq Scan" not in plan and all(index in plan for index in indexes), plan


async def test_what_hangs_on_an_athlete_or_an_activity_is_found_by_an_index_as_it_goes_with_it(
    connection: Connection,
) -> None:
    bare = await connection.fetch(
        "SELECT c.conrelid::regclass::text AS hangs FROM pg_constraint c"
        " WHERE c.contype = 'f' AND c.confrelid IN ('athletes'::regclass, 'activities'::regclass)"
        " AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]"
        " AND coalesce(pg_get_expr(i.indpred, i.indrelid), 'IS NOT NULL') LIKE '%IS NOT NULL%')"
    )
    assert [row["hangs"] for row in bare] == []


async def test_an_event_that_meets_an_erasure_finds_nobody(database: Database, connection: Connection) -> None:
    await deauthorize(connection, 1, days_ago=8)
    async with database.transaction() as erasing:
        assert await athletes.lock_departed(erasing, 1) is not None
        async with database.connection() as sweeping:
            assert await athletes.hold_departed(sweeping, NOW) == []  # no second erasure is queued
        folding = asyncio.create_task(hold_known_in(database))
        await until_waiting(connection)
        await athletes.erase(erasing, 1)

    assert await folding == {2}


async def hold_known_in(database: Database) -> frozenset[int]:
    async with database.transaction() as connection:
        return await athletes.hold_known(connection, [1, 2])


async def test_folding_goes_on_beside_a_look_that_is_being_stored(
    database: Database, connection: Connection
) -> None:
    """Holding an athlete for a fold must not wait for the ordinary changes of his row."""
    async with database.transaction() as storing:
        await athletes.dirty_fitness(storing, 1, date(2026, 1, 1))
        async with asyncio.timeout(60), database.transaction() as folding:
            assert await athletes.hold_known(folding, [1]) == {1}


# The sweeper


async def test_the_sweeper_erases_who_has_been_gone_for_seven_days_and_nobody_else(
    database: Database, connection: Connection
) -> None:
    await deauthorize(connection, 1, days_ago=7.1)
    await deauthorize(connection, 2, days_ago=6.9)
    queued = asyncio.Event()
    sweeper = Sweeper(database, RETENTION, max_attempts=3, clock=SetClock(NOW), on_queued=queued.set)

    task = asyncio.create_task(sweeper.prune())
    async with asyncio.timeout(60):
        await queued.wait()
    task.cancel()
    await asyncio.wait([task])

    (job,) = await claim(connection, lanes=[])  # whatever the quota says
    assert (job.kind, job.payload) == ("erase_athlete", {"athlete_id": 1})

"""Activities and all that hangs on them: written once, never another athlete's, and gone when they must be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import orjson
import pytest
import pytest_asyncio

from daemon.core.look import Known, Shape
from daemon.core.news import Topic
from daemon.jobs.activity_results import columns_of
from daemon.science.in_force import Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.scoring import Scored
from daemon.science.statistics import ActivityFacts, Statistics, summarize
from daemon.science.wellness import Modifier, Reading, Weights, modifiers
from daemon.store import activities, athletes, outbox
from daemon.store.database import Connection, Database
from daemon.store.outbox import Position
from daemon.strava.wire import Activity
from tests.support.queue import LONG_AGO, add_athletes
from tests.support.sessions import several

NOW = LONG_AGO + timedelta(hours=5)
LATER = NOW + timedelta(minutes=1)
FACTS = ActivityFacts(
    sport_type="Ride", elapsed_seconds=3700, moving_seconds=3600, distance_m=30_123.4, device_watts=True,
    trainer=False, perceived_exertion=None,
)  # fmt: skip
NO_THRESHOLDS = Thresholds()
(AS_USUAL,) = modifiers(date(2026, 1, 1), date(2026, 1, 1), {}, Weights())
SLEPT_BADLY = {
    date(2026, 1, 1) - timedelta(days=back): Reading(sleep_hours=5.0 if back < 7 else 8.0) for back in range(60)
}
RIDE = Activity(
    activity_id=11, athlete_id=1, sport_type="Ride", name="Morning ride", start_at=LONG_AGO,
    local_start_at=datetime(2026, 1, 1, 1), timezone="Europe/Berlin", elapsed_seconds=3700, moving_seconds=3600,
    distance_m=30_123.4, elevation_gain_m=410.0, device_watts=True, trainer=False, manual=False, private=False,
    visibility="everyone", has_heart_rate=True, average_heart_rate=141.5, max_heart_rate=None, average_watts=212.0,
    perceived_exertion=None, upload_id=2**40, hidden_start=False,
)  # fmt: skip
KEPT = columns_of(RIDE) | {"streams_state": "kept"}


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
        yield connection


async def version_of(connection: Connection, table: str) -> tuple[Any, ...]:
    """Return what changes with every write of the only row, however little it changes."""
    row = await connection.fetchrow(f"SELECT xmin::text, ctid::text FROM {table}")
    assert row is not None
    return tuple(row)


# Details


async def test_a_detail_comes_back_as_it_was_stored(connection: Connection) -> None:
    assert await activities.upsert(connection, KEPT, NOW)

    row = await activities.get(connection, RIDE.activity_id)
    assert row == KEPT | {"first_seen_at": NOW, "changed_at": NOW}


async def test_the_same_detail_again_writes_nothing(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    before = await version_of(connection, "activities")

    assert not await activities.upsert(connection, KEPT, LATER)

    assert await version_of(connection, "activities") == before


DIFFERENCES = {
    "sport_type": "Run", "name": "Lunch ride", "start_at": NOW, "local_start_at": datetime(2026, 1, 2),
    "timezone": None, "elapsed_seconds": 3701, "moving_seconds": 3601, "distance_m": 30_123.5,
    "elevation_gain_m": None, "average_heart_rate": None, "max_heart_rate": 190.0, "average_watts": 213.0,
    "perceived_exertion": 7.0, "has_heart_rate": False, "device_watts": None, "trainer": True, "manual": True,
    "private": True, "visibility": "only_me", "upload_id": None, "hidden_start": True, "streams_state": "wanted",
}  # fmt: skip


async def test_each_difference_is_a_change_and_is_kept(connection: Connection) -> None:
    assert set(DIFFERENCES) == set(KEPT) - {"activity_id", "athlete_id"}
    await activities.upsert(connection, KEPT, NOW)
    for number, (name, value) in enumerate(DIFFERENCES.items()):
        at = LATER + timedelta(seconds=number)

        assert await activities.upsert(connection, KEPT | {name: value}, at), name

        row = await activities.get(connection, RIDE.activity_id)
        assert row == KEPT | {name: value, "first_seen_at": NOW, "changed_at": at}
        await activities.upsert(connection, KEPT, at)


async def test_an_activity_never_changes_its_owner(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    before = await version_of(connection, "activities")

    assert not await activities.upsert(connection, KEPT | {"athlete_id": 2, "name": "Mine now"}, LATER)

    assert await version_of(connection, "activities") == before
    assert await activities.known(connection, RIDE.activity_id, 2) is None


async def test_an_activity_without_an_athlete_is_refused(connection: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await activities.upsert(connection, KEPT | {"athlete_id": 404}, NOW)


async def test_a_look_learns_the_shape_the_state_of_the_streams_and_the_version(connection: Connection) -> None:
    shape = Shape("Ride", LONG_AGO, 3700, 3600, 30_123.4, trainer=False)
    assert await activities.known(connection, 11, 1) is None

    await activities.upsert(connection, KEPT, NOW)
    assert await activities.known(connection, 11, 1) == Known(shape, "kept", None)

    await activities.put_statistics(connection, 11, summarize(None, FACTS), NOW)
    assert await activities.known(connection, 11, 1) == Known(shape, "kept", 1)


# Statistics and loads


def statistics_with_everything() -> Statistics:
    rng = np.random.default_rng(1)
    curves: dict[str, Any] = {
        name: np.where(rng.random(60) < 0.3, np.nan, rng.random(60) * 400)
        for name in Statistics.__dataclass_fields__
        if name.endswith("_curve") or name.startswith(("heart_rate_at_best", "best_swim"))
    }
    return replace(
        summarize(None, FACTS),
        power_sum4=2.345678901234567e15,
        heart_rate_seconds=np.arange(256),
        quality={"sentences": ["ein Satz — mit Zeichen"], "share": 0.1 + 0.2, "refused": None},
        **curves,
    )


def assert_same(found: Statistics | None, expected: Statistics) -> None:
    assert found is not None
    for name, value in expected.columns().items():
        other = getattr(found, name)
        if isinstance(value, np.ndarray):
            # Curves are stored as real: seven digits.
            np.testing.assert_allclose(other, value, rtol=1e-6, err_msg=name)
        else:
            assert other == value, name


@pytest.mark.parametrize("statistics", [statistics_with_everything(), summarize(None, FACTS)], ids=["all", "none"])
async def test_statistics_come_back_with_every_gap_and_every_absent_channel(
    connection: Connection, statistics: Statistics
) -> None:
    await activities.upsert(connection, KEPT, NOW)

    await activities.put_statistics(connection, 11, statistics, NOW)

    assert_same(await activities.statistics(connection, 11), statistics)


async def test_new_statistics_replace_all_of_the_old(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    await activities.put_statistics(connection, 11, statistics_with_everything(), NOW)
    others: dict[str, Any] = {
        name: (not value if isinstance(value, bool) else value + 1)
        for name, value in summarize(None, FACTS).columns().items()
        if isinstance(value, int | float)
    }
    changed = replace(summarize(None, FACTS), **others, family="run")

    await activities.put_statistics(connection, 11, changed, LATER)

    assert_same(await activities.statistics(connection, 11), changed)


async def put_load(connection: Connection, load: Load, now: datetime, modifier: Modifier = AS_USUAL) -> bool:
    """Store the load of the only activity; returns whether it changed."""
    scored = Scored(11, load, modifier)
    return await activities.put_loads(connection, orjson.dumps([scored.columns()]), now) == [date(2026, 1, 1)]


async def test_a_load_is_written_only_where_it_says_something_new(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    load = Load("power", 81.25, {"normalized_watts": 231.5}, {"ftp": 250}, {"pace": "no"}, "because", 1)

    assert await put_load(connection, load, NOW)
    before = await version_of(connection, "activity_loads")
    assert not await put_load(connection, load, LATER)
    assert await version_of(connection, "activity_loads") == before

    changes: list[dict[str, Any]] = [
        {"raw": 81.5}, {"method": "heart_rate"}, {"inputs": {}}, {"thresholds": {}}, {"refused": {}},
        {"explanation": "why not"}, {"version": 2}, {"method": "none", "raw": None},
    ]  # fmt: skip
    for change in changes:
        assert await put_load(connection, replace(load, **change), LATER), change
        assert await put_load(connection, load, LATER), change

    stored = await activities.load(connection, 11)
    assert stored is not None
    assert (stored["raw"], stored["utl"], stored["modifier"], stored["computed_at"]) == (81.25, 81.25, 1.0, LATER)


async def test_a_modifier_stands_beside_the_raw_load_with_its_parts(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    load = Load("power", 80.0, {}, {}, {}, "because", 1)
    (modifier,) = modifiers(date(2026, 1, 1), date(2026, 1, 1), SLEPT_BADLY, Weights())
    assert modifier.value > 1

    await put_load(connection, load, NOW)
    assert await put_load(connection, load, LATER, modifier)
    assert not await put_load(connection, load, LATER, modifier)

    stored = await activities.load(connection, 11)
    assert stored is not None
    assert (stored["raw"], stored["modifier"]) == (80.0, modifier.value)
    assert stored["utl"] == pytest.approx(80 * modifier.value)
    assert [part["signal"] for part in stored["modifier_parts"]] == ["hrv", "resting_hr", "sleep"]
    assert sum(part["adds"] for part in stored["modifier_parts"]) == pytest.approx(modifier.value - 1)
    assert stored["modifier_explanation"] == modifier.explanation


async def test_the_load_of_an_activity_that_is_gone_is_left_out(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    load = Load("power", 80.0, {}, {}, {}, "because", 1)
    gone, there = Scored(12, load, AS_USUAL), Scored(11, load, AS_USUAL)

    changed = await activities.put_loads(connection, orjson.dumps([gone.columns(), there.columns()]), NOW)

    assert changed == [date(2026, 1, 1)]
    assert await activities.load(connection, 12) is None


async def test_a_load_that_no_method_can_give_is_none_and_says_why(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    nothing = summarize(None, replace(FACTS, elapsed_seconds=0, moving_seconds=0))
    load = score(nothing, NO_THRESHOLDS, "Ride", GradeModel.STRAVA)
    assert load.raw is None

    assert await put_load(connection, load, NOW)

    stored = await activities.load(connection, 11)
    assert stored is not None
    assert (stored["method"], stored["raw"], stored["utl"]) == ("none", None, None)
    assert stored["refused"] == dict(load.refused)


# Burying


async def test_a_buried_activity_leaves_a_tombstone_and_nothing_else(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)
    await activities.put_statistics(connection, 11, summarize(None, FACTS), NOW)
    await activities.put_streams(connection, 11, b"compressed", NOW)

    assert await activities.bury(connection, 11, 1, "Strava no longer shows it", NOW) == date(2026, 1, 1)
    assert await activities.bury(connection, 11, 1, "again", LATER) is None

    assert await activities.get(connection, 11) is None
    assert await activities.statistics(connection, 11) is None
    assert await connection.fetchval("SELECT count(*) FROM activity_streams") == 0
    assert await activities.tombstone(connection, 11) == {
        "activity_id": 11,
        "athlete_id": 1,
        "buried_at": NOW,
        "reason": "Strava no longer shows it",
    }
    await activities.unbury(connection, 11, 2)
    assert await activities.tombstone(connection, 11) is not None
    await activities.unbury(connection, 11, 1)
    assert await activities.tombstone(connection, 11) is None


async def test_nobody_buries_another_athlete_s_activity(connection: Connection) -> None:
    await activities.upsert(connection, KEPT, NOW)

    assert await activities.bury(connection, 11, 2, "a forged event", NOW) is None

    assert await activities.get(connection, 11) is not None


# Fitness


async def test_fitness_is_dirty_from_the_earliest_day(connection: Connection) -> None:
    for day in (5, 3, 9):
        await athletes.dirty_fitness(connection, 1, date(2026, 1, day))

    assert await connection.fetchval("SELECT fitness_dirty_from FROM athletes WHERE athlete_id = 1") == date(
        2026, 1, 3
    )
    assert await connection.fetchval("SELECT fitness_dirty_from FROM athletes WHERE athlete_id = 2") is None


# News


NEWS = Topic.LOADS_RECOMPUTED


async def told(connection: Connection, position: Position, most: int = 10) -> list[str]:
    return [news.body["name"] for news in await outbox.read_after(connection, position, most)]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_reader_of_news_never_skips_a_slow_commit(
    arguments: dict[str, Any], connection: Connection, ending: str
) -> None:
    start = await outbox.end(connection)
    async with several(arguments, 2) as (slow, quick):
        transaction = slow.transaction()
        await transaction.start()
        await outbox.write(slow, NEWS, 1, {"name": "slow"})
        await outbox.write(quick, NEWS, 2, {"name": "quick"})

        assert await told(connection, start) == []  # not "quick" alone: "slow" stands before it
        await (transaction.commit() if ending == "commit" else transaction.rollback())

    assert await told(connection, start) == (["slow", "quick"] if ending == "commit" else ["quick"])


async def test_news_are_read_page_by_page_and_from_the_end_only_later_ones(connection: Connection) -> None:
    position = await outbox.end(connection)
    async with connection.transaction():
        for number in range(3):
            await outbox.write(connection, NEWS, 1, {"name": f"first {number}"})
    end = await outbox.end(connection)
    for number in range(3):
        await outbox.write(connection, NEWS, None, {"name": f"then {number}", "number": number})

    read: list[str] = []
    while page := await outbox.read_after(connection, position, 2):
        assert len(page) <= 2
        read += [news.body["name"] for news in page]
        position = page[-1].position
    assert read == ["first 0", "first 1", "first 2", "then 0", "then 1", "then 2"]
    assert await told(connection, end) == ["then 0", "then 1", "then 2"]
    assert (await outbox.read_after(connection, end, 3))[2].body["number"] == 2


# Listing and forgetting


async def test_the_newest_are_listed_of_one_athlete_or_of_all(connection: Connection) -> None:
    for number, athlete_id in ((1, 1), (2, 2), (3, 1)):
        at = LONG_AGO + timedelta(days=number)
        columns = KEPT | {"activity_id": number, "athlete_id": athlete_id, "start_at": at}
        await activities.upsert(connection, columns | {"streams_state": "wanted" if number == 3 else "none"}, NOW)

    listed = [row["activity_id"] for row in await activities.list_newest(connection, None, 2)]
    assert listed == [3, 2]
    assert [row["activity_id"] for row in await activities.list_newest(connection, 1, 9)] == [3, 1]
    assert await activities.count_all(connection) == {"activities": 3, "waiting": 1}
    (first, second) = await athletes.list_all(connection)
    assert (first["activities"], first["newest_start_at"]) == (2, LONG_AGO + timedelta(days=3))
    assert second["activities"] == 1


async def test_raw_streams_are_forgotten_in_batches_when_their_time_is_over(connection: Connection) -> None:
    for number in range(1, 8):
        await activities.upsert(connection, KEPT | {"activity_id": number}, NOW)
        await activities.put_streams(connection, number, b"old", NOW - timedelta(days=8))
    await activities.put_streams(connection, 7, b"new", NOW)

    pruned = [await activities.prune_streams(connection, NOW - timedelta(days=7), most=4) for _ in range(3)]

    assert pruned == [4, 2, 0]
    assert await connection.fetchval("SELECT body FROM activity_streams") == b"new"
    assert await connection.fetchval("SELECT count(*) FROM activities") == 7


async def test_two_sweeps_at_once_share_the_batches(arguments: dict[str, Any], connection: Connection) -> None:
    for number in range(1, 7):
        await activities.upsert(connection, KEPT | {"activity_id": number}, NOW)
        await activities.put_streams(connection, number, b"old", datetime(2020, 1, 1, tzinfo=UTC))
    async with several(arguments, 2) as (here, there), here.transaction():
        assert await activities.prune_streams(here, NOW, most=4) == 4
        await there.execute("SET lock_timeout = '1ms'")
        assert await activities.prune_streams(there, NOW, most=4) == 2

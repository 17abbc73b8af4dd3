"""Wellness in PostgreSQL: whose value counts, what a change moves, and that only changes are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from daemon.core.wellness import FIELDS, Values
from daemon.jobs import recompute_load, wellness_days
from daemon.science.wellness import Reading, Weights
from daemon.store import wellness, wellness_readings
from daemon.store.database import Connection, Database
from tests.support.queue import add_athletes
from tests.support.sessions import until_waiting

ATHLETE = 7
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = date(2026, 3, 10)
WEIGHTS = Weights()
USUAL: Values = {"resting_hr": 50.0, "hrv_rmssd": 60.0, "sleep_seconds": 27_000}


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection in a transaction of the test's own; one athlete."""
    async with database.connection() as connection:
        await add_athletes(connection, [ATHLETE, 8])
    async with database.transaction() as connection:
        yield connection


def calendar(days: int, values: Values, last_on: date = TODAY) -> dict[date, Values]:
    return {last_on - timedelta(days=back): values for back in range(days)}


async def synced(connection: Connection, seen: dict[date, Values], days: int = 100, now: datetime = NOW) -> int:
    window = (TODAY - timedelta(days=days), TODAY)
    return await wellness_days.settle_sync(connection, ATHLETE, seen, window, WEIGHTS, now)


async def queued(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.fetch("SELECT kind, serial_key, payload FROM jobs WHERE state = 'queued' ORDER BY 1")
    return [dict(row) for row in rows]


async def value_on(connection: Connection, on_day: date) -> float | None:
    found = await wellness.modifiers(connection, ATHLETE, on_day, on_day)
    return found[on_day]["value"] if found else None


async def test_every_field_comes_back_as_it_was_stored_within_the_bounds_of_core(connection: Connection) -> None:
    for place, edge in enumerate(("least", "most")):
        values = {name: getattr(bounds, edge) for name, bounds in FIELDS.items()}
        await wellness.put(connection, ATHLETE, "posted", {TODAY - timedelta(days=place): values}, NOW)
    rows = await wellness.read(connection, ATHLETE, TODAY - timedelta(days=9), TODAY)
    assert [row[2] for row in rows] == [
        {name: bounds.most for name, bounds in FIELDS.items()},
        {name: bounds.least for name, bounds in FIELDS.items()},
    ]


@pytest.mark.parametrize("name", sorted(FIELDS))
async def test_the_table_itself_refuses_what_lies_outside(connection: Connection, name: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with connection.transaction():
            await wellness.put(connection, ATHLETE, "posted", {TODAY: {name: FIELDS[name].most + 1}}, NOW)


async def test_a_sync_writes_only_what_changed_and_a_day_that_is_gone_there_goes(connection: Connection) -> None:
    seen = calendar(30, USUAL)
    assert await synced(connection, seen) == 30
    assert await synced(connection, seen, now=NOW + timedelta(hours=1)) == 0
    stamps = await connection.fetchval("SELECT count(DISTINCT updated_at) FROM wellness")
    assert stamps == 1

    changed = TODAY - timedelta(days=3)
    after = {**seen, changed: {**USUAL, "mood": 2}}
    del after[TODAY]
    assert await synced(connection, after, now=NOW + timedelta(hours=2)) == 2
    rows = await wellness.read(connection, ATHLETE, changed, TODAY)
    assert {row[0]: row[2] for row in rows} == {day: values for day, values in after.items() if day >= changed}
    fresh = await connection.fetch("SELECT on_day FROM wellness WHERE updated_at > $1", NOW)
    assert [row["on_day"] for row in fresh] == [changed]


async def test_what_lies_outside_the_window_is_left_alone(connection: Connection) -> None:
    await synced(connection, calendar(30, USUAL))
    assert await synced(connection, calendar(8, USUAL), days=7) == 0
    assert await synced(connection, calendar(30, {**USUAL, "mood": 1}), days=7) == 8


async def test_what_was_posted_counts_and_neither_source_overwrites_the_other(connection: Connection) -> None:
    await synced(connection, {TODAY: USUAL})
    patch = {TODAY: {"resting_hr": 70.0, "mood": 1}}
    assert await wellness_days.settle_post(connection, ATHLETE, patch, WEIGHTS, NOW) == 1
    assert await wellness_days.settle_post(connection, ATHLETE, patch, WEIGHTS, NOW) == 0
    assert await synced(connection, {TODAY: USUAL}) == 0
    readings = await wellness_readings.between(connection, ATHLETE, TODAY, TODAY)
    assert readings == {TODAY: Reading(rmssd_ms=60.0, resting_hr_bpm=70.0, sleep_hours=7.5)}

    withdrawn = {TODAY: {"resting_hr": None, "mood": None}}
    assert await wellness_days.settle_post(connection, ATHLETE, withdrawn, WEIGHTS, NOW) == 1
    assert (await wellness_readings.between(connection, ATHLETE, TODAY, TODAY))[TODAY].resting_hr_bpm == 50.0
    assert await connection.fetchval("SELECT count(*) FROM wellness WHERE source = 'posted'") == 0
    assert await wellness_days.settle_post(connection, ATHLETE, withdrawn, WEIGHTS, NOW) == 0


async def test_a_late_value_of_a_past_day_moves_the_days_after_it_and_the_loads_are_to_follow(
    connection: Connection,
) -> None:
    steady = calendar(80, USUAL)
    await synced(connection, steady)
    assert await queued(connection) == []  # all is as usual: no load moves
    late_on = TODAY - timedelta(days=20)
    racing = {late_on - timedelta(days=back): {**USUAL, "resting_hr": 70.0} for back in range(3)}
    await synced(connection, {**steady, **racing})

    moved = [day for day, row in (await wellness.modifiers(connection, ATHLETE, date.min, TODAY)).items()
             if row["value"] != 1.0]  # fmt: skip
    assert min(moved) == late_on - timedelta(days=2)
    (job,) = await queued(connection)
    assert (job["kind"], job["serial_key"]) == (recompute_load.KIND, ATHLETE)
    assert job["payload"]["from_on"] == min(moved).isoformat()
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE topic = 'wellness.changed'") == 2

    await synced(connection, steady)  # taken back
    assert {row["value"] for row in (await wellness.modifiers(connection, ATHLETE, date.min, TODAY)).values()} == {
        1.0
    }


async def test_each_days_modifier_is_what_science_makes_of_what_counts_and_keeps_its_parts(
    connection: Connection,
) -> None:
    seen = calendar(70, USUAL) | calendar(7, {**USUAL, "hrv_rmssd": 40.0})
    await synced(connection, seen)
    (row,) = (await wellness.modifiers(connection, ATHLETE, TODAY, TODAY)).values()
    parts = {part["signal"]: part for part in row["parts"]}
    assert row["value"] == pytest.approx(1.05)
    assert parts["hrv"]["adds"] == 0.05
    assert parts["hrv"]["recent_readings"] == 7
    assert "Heart rate variability" in row["explanation"]
    await wellness_days.settle_post(connection, ATHLETE, calendar(7, {"hrv_rmssd": 60.0}), WEIGHTS, NOW)
    assert await value_on(connection, TODAY) == 1.0


async def test_values_that_no_modifier_is_made_of_move_nothing(connection: Connection) -> None:
    await wellness_days.settle_post(connection, ATHLETE, calendar(40, {"weight_kg": 70.0}), WEIGHTS, NOW)
    assert await wellness.modifiers(connection, ATHLETE, date.min, TODAY) == {}
    assert await queued(connection) == []


async def test_two_posts_at_once_take_turns_and_none_is_lost(database: Database) -> None:
    async with database.connection() as watcher:
        await add_athletes(watcher, [ATHLETE])

        async def post(name: str) -> None:
            async with database.transaction() as posting:
                patch = {TODAY: {name: 2.0}}
                await wellness_days.settle_post(posting, ATHLETE, patch, WEIGHTS, NOW)

        async with database.transaction() as first:
            await wellness_days.settle_post(first, ATHLETE, {TODAY: {"mood": 1.0}}, WEIGHTS, NOW)
            others = [asyncio.create_task(post(name)) for name in ("stress", "fatigue")]
            await until_waiting(watcher, sessions=2)
        await asyncio.gather(*others)
        ((_, _, values),) = await wellness.read(watcher, ATHLETE, TODAY, TODAY)
        assert values == {"mood": 1, "stress": 2, "fatigue": 2}


async def test_another_athletes_days_are_his_own(connection: Connection) -> None:
    await synced(connection, calendar(10, USUAL))
    assert await wellness_readings.between(connection, 8, date.min, date.max) == {}
    await wellness_days.settle_post(connection, 8, {TODAY: {"resting_hr": 44.0}}, WEIGHTS, NOW)
    assert len(await wellness.read(connection, ATHLETE, date.min, date.max)) == 10

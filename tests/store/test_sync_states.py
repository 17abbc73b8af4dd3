"""What the policy knows of athletes: one row each from the first day, never older than what was written before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from daemon.core.freshness import Athlete
from daemon.store import athletes, sync_states
from daemon.store.database import Connection, Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate, read
from tests.support.database import arguments_for, drop_database, fresh_database

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection of this test's own, with athletes 1 to 5 who granted their activities."""
    async with database.connection() as connection:
        for athlete_id in range(1, 6):
            await connect(connection, athlete_id)
        yield connection


async def connect(connection: Connection, athlete_id: int, scope: str = "activity:read_all") -> None:
    await athletes.upsert(connection, athlete_id, name=None, sex=None, scope=["read", scope])


async def known(connection: Connection, athlete_id: int = 1) -> Athlete:
    found = await sync_states.get(connection, athlete_id)
    assert found is not None
    return found


async def record(connection: Connection, at: datetime, **changes: Any) -> None:
    wide = {"reached_to": at - timedelta(days=14), "is_audit": True, "missed_at": None}
    await sync_states.record(connection, 1, synced_at=at, **{**wide, **changes})


async def test_an_athlete_has_a_row_from_the_moment_he_is_connected(connection: Connection) -> None:
    assert await known(connection) == Athlete(
        1, (await known(connection)).connected_at, None, None, None, None, None, None, None
    )
    assert await sync_states.get(connection, 404) is None


async def test_pages_follow_each_other_and_leave_out_whoever_cannot_be_looked_at(connection: Connection) -> None:
    await connect(connection, 2, scope="profile:read_all")
    await athletes.rest(connection, 4, "he took it back", 0, deauthorized=False)

    first = await sync_states.page(connection, 0, 2)
    second = await sync_states.page(connection, first[-1].athlete_id, 2)

    assert [one.athlete_id for one in (*first, *second)] == [1, 3, 5]


async def test_connecting_again_after_a_rest_counts_from_then(connection: Connection) -> None:
    await connection.execute("UPDATE athletes SET created_at = '2025-01-01', state_since = '2025-01-01'")
    await connect(connection, 1)
    assert (await known(connection)).connected_at.year == 2025  # he was there all the time

    await athletes.rest(connection, 1, "he took it back", 0, deauthorized=False)
    await connect(connection, 1)

    assert (await known(connection)).connected_at > NOW - timedelta(days=1)


async def test_a_scope_that_was_lost_is_lost_until_the_next_connection(connection: Connection) -> None:
    await athletes.lose_activities(connection, 1)
    assert [one.athlete_id for one in await sync_states.page(connection, 0, 1)] == [2]
    row = await athletes.get(connection, 1)
    assert row is not None
    assert row["scope"] == ["read"]

    await connect(connection, 1)

    assert [one.athlete_id for one in await sync_states.page(connection, 0, 1)] == [1]


async def test_a_clock_set_back_takes_nothing_back(connection: Connection) -> None:
    await record(connection, NOW, missed_at=NOW)
    await record(connection, NOW - timedelta(hours=2), missed_at=NOW - timedelta(hours=2))

    after = await known(connection)
    assert (after.synced_at, after.audited_at, after.missed_at) == (NOW, NOW, NOW)


async def test_a_narrow_look_is_no_audit_and_a_look_without_a_miss_keeps_the_last(connection: Connection) -> None:
    await record(connection, NOW, missed_at=NOW)
    later = NOW + timedelta(hours=3)
    await record(connection, later, reached_to=later - timedelta(days=3), is_audit=False)

    after = await known(connection)
    assert (after.synced_at, after.audited_at, after.missed_at) == (later, NOW, NOW)
    assert after.reached_to == later - timedelta(days=3)


async def test_events_are_heard_to_the_minute_and_a_storm_writes_once(connection: Connection) -> None:
    await sync_states.hear_events(connection, [1, 2, 404], NOW)
    before = await connection.fetchval("SELECT xmin::text FROM sync_states WHERE athlete_id = 1")
    await sync_states.hear_events(connection, [1], NOW + MINUTE)
    assert await connection.fetchval("SELECT xmin::text FROM sync_states WHERE athlete_id = 1") == before

    await sync_states.hear_events(connection, [1], NOW + MINUTE + timedelta(seconds=1))

    assert (await known(connection, 1)).event_at == NOW + MINUTE + timedelta(seconds=1)
    assert (await known(connection, 2)).event_at == NOW
    assert (await known(connection, 3)).event_at is None


async def test_the_newest_activity_and_the_first_list_are_kept(connection: Connection) -> None:
    await sync_states.see_activity(connection, 1, NOW)
    await sync_states.see_activity(connection, 1, NOW - MINUTE)
    await sync_states.see_first_list(connection, 1, 70)
    await sync_states.see_first_list(connection, 1, 80)

    assert (await known(connection)).active_at == NOW
    assert await sync_states.newest_id(connection, 1) == 70
    assert await sync_states.newest_id(connection, 2) is None


async def test_habits_are_the_same_in_whatever_order_uploads_are_seen(connection: Connection) -> None:
    instants = [NOW - timedelta(days=days, hours=days % 5) for days in range(6)]
    await sync_states.see_uploads(connection, 1, instants)
    for instant in reversed(instants):
        await sync_states.see_uploads(connection, 2, [instant])

    first, second = await known(connection, 1), await known(connection, 2)
    assert len(first.uploads) == 168
    assert first.uploads_at == second.uploads_at == NOW
    assert max(abs(one - other) for one, other in zip(first.uploads, second.uploads, strict=True)) < 1e-9
    assert (await known(connection, 3)).uploads == ()


async def test_athletes_who_were_there_before_these_tables_get_their_rows(server: EmbeddedServer) -> None:
    name = await fresh_database(server)
    try:
        async with (
            Database(arguments_for(server, name), pool_size=1) as database,
            database.connection() as connection,
        ):
            await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            migrations = read()
            before = next(place for place, one in enumerate(migrations) if one.name.endswith("_sync"))
            await migrate(connection, migrations[:before])
            await connection.execute(
                "INSERT INTO athletes (athlete_id) VALUES (1), (2);"
                " INSERT INTO activities (activity_id, athlete_id, sport_type, name, start_at, local_start_at,"
                " elapsed_seconds, moving_seconds, distance_m, trainer, manual, private, hidden_start,"
                " streams_state, first_seen_at, changed_at) VALUES (11, 1, 'Ride', '', '2026-01-01', '2026-01-01',"
                " 1, 1, 1, false, false, false, false, 'none', now(), now())"
            )
            await migrate(connection, migrations)

            assert (await known(connection, 1)).active_at == datetime(2026, 1, 1, tzinfo=UTC)
            assert (await known(connection, 2)).active_at is None
    finally:
        await drop_database(server, name)

"""Migrations: applied once, in order, whole or not at all, and refused where they do not fit the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
import pytest_asyncio

from daemon.core.errors import Permanent
from daemon.store import migrate
from daemon.store.database import Connection
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import Migration
from tests.support.database import administration, arguments_for, drop_database
from tests.support.sessions import until_waiting

FIRST = Migration(1, "0001_rides", "CREATE TABLE rides (ride_id bigint); CREATE TABLE riders (rider_id bigint);")
SECOND = Migration(2, "0002_bikes", "ALTER TABLE rides ADD COLUMN bike text;")
BROKEN = Migration(2, "0002_broken", "CREATE TABLE bikes (bike text); CREATE TABLE rides (twice text);")


@pytest_asyncio.fixture(scope="module")
async def empty(server: EmbeddedServer) -> AsyncIterator[dict[str, Any]]:
    """How to reach a database in which nothing has been made yet."""
    async with administration(server) as connection:
        await connection.execute("CREATE DATABASE empty_one")
    yield arguments_for(server, "empty_one")
    await drop_database(server, "empty_one")


@pytest_asyncio.fixture
async def connection(empty: dict[str, Any]) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(**empty)
    yield connection
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


async def tables(connection: Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_they_run_in_order_and_only_once(connection: Connection) -> None:
    assert await migrate.migrate(connection, [FIRST]) == ["0001_rides"]
    assert await migrate.migrate(connection, [FIRST, SECOND]) == ["0002_bikes"]
    assert await migrate.migrate(connection, [FIRST, SECOND]) == []
    assert await migrate.applied_names(connection) == ["0001_rides", "0002_bikes"]


async def test_numbers_go_on_where_rows_of_an_older_version_stand(connection: Connection) -> None:
    own = migrate.read()
    await migrate.migrate(connection, own[:18])  # before the sequences
    await connection.execute(
        "INSERT INTO athletes (athlete_id, scope) VALUES (1, '{read}'), (2, '{read}');"
        "INSERT INTO credentials (athlete_id, refresh_token, version) VALUES (1, 'a', 40), (2, 'b', 7);"
    )

    await migrate.migrate(connection, own[:19])

    await connection.execute(
        "DELETE FROM credentials; INSERT INTO credentials (athlete_id, refresh_token) VALUES (2, 'c')"
    )
    assert await connection.fetchval("SELECT version FROM credentials") == 41
    await connection.execute(
        "INSERT INTO intervals_credentials (athlete_id, kind, secret, state_since) VALUES (1, 'bearer', 'a', now())"
    )
    assert await connection.fetchval("SELECT syncs FROM intervals_credentials") == 1


async def test_our_own_files_run_on_an_empty_database_and_leave_nothing_to_do(connection: Connection) -> None:
    applied = await migrate.migrate(connection)

    assert applied == [migration.name for migration in migrate.read()]
    assert {"athletes", "jobs", "events"} <= await tables(connection)
    assert await migrate.migrate(connection) == []


async def test_a_file_that_fails_leaves_no_trace_and_keeps_those_before_it(connection: Connection) -> None:
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate.migrate(connection, [FIRST, BROKEN])

    assert await tables(connection) == {"migrations", "rides", "riders"}
    assert await migrate.applied_names(connection) == ["0001_rides"]
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    assert await migrate.migrate(connection, [FIRST, SECOND]) == ["0002_bikes"]


async def test_a_file_changed_after_it_ran_is_refused_by_name(connection: Connection) -> None:
    await migrate.migrate(connection, [FIRST])
    changed = Migration(1, FIRST.name, FIRST.text + " -- a harmless comment")

    with pytest.raises(Permanent, match=r"0001_rides\.sql was changed after it ran"):
        await migrate.migrate(connection, [changed, SECOND])

    assert await migrate.applied_names(connection) == ["0001_rides"]


async def test_a_database_of_a_newer_version_is_refused(connection: Connection) -> None:
    await migrate.migrate(connection, [FIRST, SECOND])

    with pytest.raises(Permanent, match="0002_bikes which this version does not know"):
        await migrate.migrate(connection, [FIRST])


async def test_two_at_once_take_turns_and_each_file_runs_once(
    empty: dict[str, Any], connection: Connection
) -> None:
    other = await asyncpg.connect(**empty)
    await connection.execute("SELECT pg_advisory_lock($1)", migrate.LOCK_KEY)
    migrating = asyncio.create_task(migrate.migrate(other, [FIRST, SECOND]))
    await until_waiting(connection)
    assert await tables(connection) == set()

    assert await migrate.migrate(connection, [FIRST, SECOND]) == ["0001_rides", "0002_bikes"]
    await connection.execute("SELECT pg_advisory_unlock($1)", migrate.LOCK_KEY)

    assert await migrating == []
    await other.close()


async def test_a_migration_may_take_longer_than_any_other_statement(
    empty: dict[str, Any], connection: Connection
) -> None:
    hurried = await asyncpg.connect(**empty, command_timeout=2)
    slow = Migration(1, "0001_slow", "SELECT pg_sleep(3); CREATE TABLE rides (ride_id bigint);")

    assert await migrate.migrate(hurried, [slow]) == ["0001_slow"]
    await hurried.close()


@pytest.mark.parametrize(
    "names", [("0001_a", "0003_c"), ("0002_b",), ("0001_a", "0001_b"), ("0000_a",), ("0001_a", "later")]
)
def test_a_gap_a_double_and_a_name_without_a_number_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / f"{name}.sql").write_text("SELECT 1;")

    with pytest.raises(Permanent, match="are not numbered 1, 2, 3"):
        migrate.read(tmp_path)


def test_files_are_read_in_order_with_the_hash_of_their_contents(tmp_path: Path) -> None:
    (tmp_path / "0002_b.sql").write_text("SELECT 2;")
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")

    first, second = migrate.read(tmp_path)

    assert (first.number, first.name, second.number, second.name) == (1, "0001_a", 2, "0002_b")
    assert first.sha256 != second.sha256


async def test_too_old_a_postgresql_is_refused_before_anything_is_sent() -> None:
    class OldServer:
        """Only says its version: whatever else is asked of it fails the test."""

        def get_server_version(self) -> Any:
            return SimpleNamespace(major=14)

    with pytest.raises(Permanent, match="PostgreSQL 14 is too old: Domestique needs 15 or newer"):
        await migrate.migrate(cast(Connection, OldServer()))

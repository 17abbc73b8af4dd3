"""A backup holds everything, and a restore brings it back wholly or not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import Permanent
from daemon.store import backup
from daemon.store.backup import Access, access_to, refuse_to_restore, without_password
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from tests.support.database import arguments_for, drop_database, fresh_database
from tests.support.queue import add_athletes


@pytest_asyncio.fixture
async def name(server: EmbeddedServer) -> AsyncIterator[str]:
    """A migrated database that may be broken."""
    name = await fresh_database(server)
    yield name
    await drop_database(server, name)


@pytest.fixture
def access(server: EmbeddedServer, name: str) -> Access:
    """How the programs reach it."""
    known = access_to(server, "embedded")
    return Access(known.folder, (), {**known.environment, "PGDATABASE": name})


async def ask(server: EmbeddedServer, name: str, sql: str) -> Any:
    connection: asyncpg.Connection = await asyncpg.connect(**arguments_for(server, name))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def dumped(access: Access, file: Path) -> Path:
    with file.open("wb") as output:
        await backup.dump(access, output)
    return file


async def restored(access: Access, file: Path) -> None:
    with file.open("rb") as dump:
        await backup.restore(access, dump)


async def add(server: EmbeddedServer, name: str, athlete_ids: list[int]) -> None:
    async with Database(arguments_for(server, name), 1) as database, database.connection() as connection:
        await add_athletes(connection, athlete_ids)


async def change(server: EmbeddedServer, name: str, sql: str) -> None:
    connection: asyncpg.Connection = await asyncpg.connect(**arguments_for(server, name))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


ATHLETES = "SELECT array_agg(athlete_id ORDER BY athlete_id) FROM athletes"


async def test_a_database_is_put_back_with_all_that_it_held_and_nothing_that_came_later(
    server: EmbeddedServer, name: str, access: Access, tmp_path: Path
) -> None:
    await add(server, name, [1, 2])
    file = await dumped(access, tmp_path / "dump")
    await add(server, name, [3])
    # What a later version would have made, leaning on what the backup holds.
    await change(server, name, "CREATE TABLE later (athlete_id bigint REFERENCES athletes)")

    await restored(access, file)

    assert await ask(server, name, ATHLETES) == [1, 2]
    assert await ask(server, name, "SELECT to_regclass('later') IS NULL")
    # And what was put back can be backed up and put back again.
    await restored(access, await dumped(access, tmp_path / "second"))
    assert await ask(server, name, ATHLETES) == [1, 2]


@pytest.mark.parametrize("share", [0.95, 0.5, 0.0])
async def test_a_backup_that_was_cut_off_changes_nothing(
    server: EmbeddedServer, name: str, access: Access, tmp_path: Path, share: float
) -> None:
    await add(server, name, [1])
    file = await dumped(access, tmp_path / "dump")
    await add(server, name, [2])
    os.truncate(file, int(file.stat().st_size * share))

    with pytest.raises(Permanent, match="nothing was restored: pg_restore ended with status 1"):
        await restored(access, file)
    assert await ask(server, name, ATHLETES) == [1, 2]


@pytest.mark.parametrize(
    ("before", "complaint"),
    [
        ("INSERT INTO migrations VALUES (9999, '9999_later', 'sha')", "made by a newer Domestique"),
        ("DROP TABLE migrations", "no backup of Domestique"),
    ],
    ids=["a newer version's", "somebody else's"],
)
async def test_a_backup_that_does_not_fit_changes_nothing(
    server: EmbeddedServer, name: str, access: Access, tmp_path: Path, before: str, complaint: str
) -> None:
    other = await fresh_database(server)
    await change(server, other, before)
    file = await dumped(Access(access.folder, (), {**access.environment, "PGDATABASE": other}), tmp_path / "dump")
    await drop_database(server, other)
    await add(server, name, [1])

    with pytest.raises(Permanent, match=f"nothing was restored: psql ended with status 3: .*{complaint}"):
        await restored(access, file)
    assert await ask(server, name, ATHLETES) == [1]


async def test_a_failed_dump_is_told(access: Access, tmp_path: Path) -> None:
    gone = Access(access.folder, (), {**access.environment, "PGDATABASE": "nobody_made_it"})
    with pytest.raises(Permanent, match=r"pg_dump ended with status 1: .*nobody_made_it"):
        await dumped(gone, tmp_path / "dump")


async def test_a_disk_that_is_full_is_told(access: Access) -> None:
    complaint = pytest.raises(Permanent, match=r"the backup could not be written: .*No space left")
    with Path("/dev/full").open("wb", buffering=0) as full, complaint:
        await backup.dump(access, full)


async def test_nothing_is_restored_where_somebody_is_at_work_or_something_would_be_lost(
    server: EmbeddedServer, name: str
) -> None:
    async with Database(arguments_for(server, name), 1) as ours:
        with pytest.raises(Permanent, match=r"holds [0-9]+ tables already: --replace"):
            await refuse_to_restore(ours, server, replace=False)
        await refuse_to_restore(ours, server, replace=True)
        async with Database(arguments_for(server, name), 1):
            with pytest.raises(Permanent, match="a daemon or a command uses this database: stop them first"):
                await refuse_to_restore(ours, server, replace=True)


def test_a_database_of_ones_own_takes_the_systems_programs_and_hides_the_password() -> None:
    access = access_to(None, "postgresql://eddy:s%40fe@db.example.org:5433/team?sslmode=require")

    assert access.arguments == ("--dbname", "postgresql://eddy@db.example.org:5433/team?sslmode=require")
    assert access.environment == {"PGPASSWORD": "s@fe"}


def test_programs_that_are_missing_are_named_with_what_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match=r"pg_dump is not installed: .*apt install postgresql-client"):
        access_to(None, "postgresql://db/team").command("pg_dump")


@given(
    user=st.from_regex(r"[a-z]{0,5}", fullmatch=True),
    password=st.text(min_size=1, max_size=12),
    in_query=st.booleans(),
)
@settings(max_examples=50)
def test_a_password_is_found_wherever_it_stands_and_stays_nowhere(
    user: str, password: str, *, in_query: bool
) -> None:
    secret = quote(f"canary{password}", safe="")
    head, tail = (f"{user}@", f"?password={secret}&sslmode=require") if in_query else (f"{user}:{secret}@", "")

    address, found = without_password(f"postgresql://{head}db/team{tail}")

    assert found == f"canary{password}"
    assert "canary" not in address
    assert address == f"postgresql://{user}@db/team{'?sslmode=require' if in_query else ''}"

"""Every query of sql/queries fits the migrated database, belongs to one module, and is called there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.store.database import SQL_DIRECTORY, Connection, Database, named_queries
from daemon.store.embedded import EmbeddedServer
from tests.support.database import arguments_for, drop_database, fresh_database

FILES = sorted((SQL_DIRECTORY / "queries").glob("*.sql"))
NAMES = {
    file.stem: re.findall(r"^-- name: (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE) for file in FILES
}
QUERIES = [(table, name) for table, names in NAMES.items() for name in names]
STORE = Path(__file__).resolve().parents[2] / "daemon" / "store"


def modules_of(table: str) -> list[str]:
    """Return the sources of the modules that load this file."""
    sources = [path.read_text(encoding="utf-8") for path in STORE.glob("*.py")]
    return [source for source in sources if f'named_queries("{table}")' in source]


@pytest_asyncio.fixture(scope="module")
async def connection(server: EmbeddedServer) -> AsyncIterator[Connection]:
    """One migrated database for all: preparing changes nothing."""
    name = await fresh_database(server)
    async with Database(arguments_for(server, name), pool_size=1) as database, database.connection() as connection:
        yield connection
    await drop_database(server, name)


@pytest.mark.parametrize(("table", "name"), QUERIES, ids=[f"{table}.{name}" for table, name in QUERIES])
async def test_postgresql_accepts(connection: Connection, table: str, name: str) -> None:
    query = getattr(named_queries(table), name)

    await connection.prepare(query.sql)


@pytest.mark.parametrize("table", NAMES)
def test_one_module_loads_the_file_and_calls_each_of_its_queries(table: str) -> None:
    assert NAMES[table], "a file without a query"
    assert len(NAMES[table]) == len(set(NAMES[table])), "two queries of one name: the later would hide the earlier"
    (source,) = modules_of(table)

    called = set(re.findall(r"_queries\.(\w+)\(", source))
    assert called == set(NAMES[table])

"""A real PostgreSQL for every test of the store: one server a session, an empty migrated database a test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from daemon.compute.calculator import Calculator
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate
from tests.support.clocks import SetClock
from tests.support.database import arguments_for, drop_database, empty_database, fresh_database, running_server
from tests.support.efforts import TODAY
from tests.support.embedded import connected, postgres_processes, until
from tests.support.queue import add_athletes
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.training import Bureau
from tests.support.workshop import PLENTIFUL, Workshop, furnished


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """The session's server, with a template as the migrations leave it."""
    directory = tmp_path_factory.mktemp("server")
    async with running_server(directory, migrate) as server:
        yield server
    shutil.rmtree(directory)


@pytest_asyncio.fixture(scope="session")
async def used_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """The name of a database that tests have one after the other."""
    name = await fresh_database(server)
    yield name
    await drop_database(server, name)


@pytest_asyncio.fixture
async def arguments(server: EmbeddedServer, used_database: str) -> AsyncIterator[dict[str, Any]]:
    """How to reach a database that this test has for itself, as the migrations leave it."""
    yield arguments_for(server, used_database)
    await empty_database(server, used_database)


@pytest_asyncio.fixture
async def database(arguments: dict[str, Any]) -> AsyncIterator[Database]:
    """This test's own database, opened."""
    async with Database(arguments, pool_size=10) as database:
        yield database


@pytest_asyncio.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """One sandbox for a file of tests: its athletes have no past, and no event of it ever comes."""
    async with running_sandbox(*PLENTIFUL, athletes=40) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module")
async def strangers(sandbox: Sandbox) -> Iterator[int]:
    """Athletes of the sandbox whom no test has used yet."""
    return iter([row["id"] for row in await sandbox.athletes()])


@pytest_asyncio.fixture(scope="module")
async def calculator() -> AsyncIterator[Calculator]:
    """One worker process for a file of tests."""
    async with Calculator() as calculator:
        yield calculator


@pytest_asyncio.fixture
async def shop(
    database: Database, sandbox: Sandbox, calculator: Calculator, strangers: Iterator[int]
) -> AsyncIterator[Workshop]:
    """What jobs work in, with this test's own database."""
    async with furnished(database, sandbox, calculator, strangers) as shop:
        yield shop


@pytest_asyncio.fixture
async def bureau(database: Database, calculator: Calculator) -> Bureau:
    """What jobs of science work in, on the day of `tests.support.efforts`, with the athletes 1 and 2."""
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
    return Bureau(database, calculator, SetClock(datetime.combine(TODAY, time(12), UTC)))


@pytest_asyncio.fixture(scope="session")
async def initialised(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """One server's directory for the whole session, with a table; under a name that needs quoting."""
    directory = tmp_path_factory.mktemp("initialised") / 'a, "b"'
    async with EmbeddedServer(directory) as server, connected(server) as connection:
        await connection.execute("CREATE TABLE rides (name text); INSERT INTO rides VALUES ('first')")
    yield directory
    shutil.rmtree(directory)


@pytest_asyncio.fixture
async def directory(initialised: Path) -> AsyncIterator[Path]:
    """The session's directory: no server runs in it before the test, nor after."""
    yield initialised
    await until(lambda: postgres_processes(initialised) == [])  # what was killed takes a moment to vanish


@pytest.fixture
def new_directory(tmp_path: Path) -> Iterator[Path]:
    """Where nothing is yet; what a test leaves there is too big to keep."""
    yield tmp_path / "new" / "var"
    shutil.rmtree(tmp_path / "new")

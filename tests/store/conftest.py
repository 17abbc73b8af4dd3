"""A real PostgreSQL for every test of the store: one server a session, one migrated database a test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate
from tests.support.database import arguments_for, drop_database, fresh_database, running_server


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """The session's server, with a template as the migrations leave it."""
    directory = tmp_path_factory.mktemp("server")
    async with running_server(directory, migrate) as server:
        yield server
    shutil.rmtree(directory)


@pytest_asyncio.fixture
async def arguments(server: EmbeddedServer) -> AsyncIterator[dict[str, Any]]:
    """How to reach a database that this test has for itself."""
    name = await fresh_database(server)
    yield arguments_for(server, name)
    await drop_database(server, name)


@pytest_asyncio.fixture
async def database(arguments: dict[str, Any]) -> AsyncIterator[Database]:
    """This test's own database, opened."""
    async with Database(arguments, pool_size=10) as database:
        yield database

"""PostgreSQL for tests: one embedded server a session, with databases cloned from a template."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from daemon.store.embedded import EmbeddedServer

TEMPLATE = "template_of_tests"
Migrate = Callable[[asyncpg.Connection], Awaitable[object]]
_numbers = itertools.count(1)


@asynccontextmanager
async def running_server(directory: Path, migrate: Migrate) -> AsyncIterator[EmbeddedServer]:
    """Run a server that trades durability for speed, with a migrated template in it."""
    async with EmbeddedServer(directory) as server:
        async with administration(server) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                await connection.execute(f"ALTER SYSTEM SET {name} = off")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        template: asyncpg.Connection = await asyncpg.connect(**arguments_for(server, TEMPLATE))
        try:
            await migrate(template)
        finally:
            await template.close()
        yield server


def arguments_for(server: EmbeddedServer, name: str) -> dict[str, Any]:
    """Give the arguments of asyncpg's `connect` and `create_pool` for one of the server's databases."""
    return {**server.connect_arguments(), "database": name}


async def fresh_database(server: EmbeddedServer) -> str:
    """Make a database as the migrations leave it; gives its name."""
    name = f"test_{next(_numbers)}"
    async with administration(server) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return name


async def empty_database(server: EmbeddedServer, name: str) -> None:
    """Leave it as the migrations do, whoever is still connected; some files cheaper than another database."""
    connection: asyncpg.Connection = await asyncpg.connect(**arguments_for(server, name))
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid), pg_stat_reset() FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
        )
        # Without foreign keys, so that the order does not matter.
        deletions = "".join(f"DELETE FROM {row['tablename']};" for row in rows)
        await connection.execute(f"SET session_replication_role = replica; {deletions}")
    finally:
        await connection.close()


async def drop_database(server: EmbeddedServer, name: str) -> None:
    """Remove it, whoever is still connected."""
    async with administration(server) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@asynccontextmanager
async def administration(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database that no test uses."""
    connection: asyncpg.Connection = await asyncpg.connect(**arguments_for(server, "postgres"))
    try:
        yield connection
    finally:
        await connection.close()

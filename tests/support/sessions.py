"""Several sessions at one database: opened, watched, cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from daemon.store.database import Connection, Database


async def deadlocks(connection: Connection) -> int:
    """Return how many deadlocks this database has seen; its own statistics may lag, the others' are flushed."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return count


async def until_waiting(connection: Connection, sessions: int = 1, seconds: float = 60) -> None:
    """Return as soon as that many sessions of this database wait for a lock."""
    async with asyncio.timeout(seconds):
        while True:
            # Within a transaction the first look would be kept.
            await connection.execute("SELECT pg_stat_clear_snapshot()")
            waiting = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if waiting >= sessions:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def several(arguments: Mapping[str, Any], count: int) -> AsyncIterator[list[Connection]]:
    """Open connections as as many daemons would."""
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(Database(arguments, pool_size=1)) for _ in range(count)]
        yield [await stack.enter_async_context(pool.connection()) for pool in pools]


async def backend_pid(connection: Connection) -> int:
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid


async def end_backend(connection: Connection, pid: int) -> None:
    """Cut another session off, as a restart or a broken network would, and wait until it is gone."""
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
            await asyncio.sleep(0.005)

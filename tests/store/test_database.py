"""The way in: what passes by itself is Retryable, wherever it strikes; what is a bug keeps its name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from daemon.core.errors import Retryable
from daemon.store.database import Connection, Database
from tests.support.sessions import backend_pid, end_backend


async def test_a_session_cut_off_is_retryable_however_far_the_farewell_has_come(
    arguments: dict[str, Any], database: Database
) -> None:
    """Between the server's last words and the closed socket, asyncpg has errors of its own for a new statement."""
    async with database.connection() as executioner, Database(arguments, pool_size=1) as victim:
        for turn in range(24):
            with pytest.raises(Retryable):
                async with victim.transaction() as connection:
                    await connection.execute("CREATE TABLE never (turn int)")
                    pid = await backend_pid(connection)
                    if turn % 2:
                        await end_backend(executioner, pid)
                    else:
                        await executioner.execute("SELECT pg_terminate_backend($1)", pid)
                    for _ in range(turn // 4):
                        await asyncio.sleep(0)

        async with victim.connection() as connection:  # and the pool gives a fresh one
            assert await connection.fetchval("SELECT to_regclass('never')") is None


async def test_a_statement_under_way_when_its_session_is_cut_off_is_retryable(
    arguments: dict[str, Any], database: Database
) -> None:
    async def sleep(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(20)")

    async with database.connection() as executioner, Database(arguments, pool_size=1) as victim:
        with pytest.raises(Retryable):
            async with victim.connection() as connection:
                pid = await backend_pid(connection)
                sleeping = asyncio.create_task(sleep(connection))
                await end_backend(executioner, pid)
                await sleeping


async def test_no_server_and_a_closed_pool_are_retryable(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Retryable):
        await Database({**arguments, "host": str(tmp_path)}, pool_size=1).__aenter__()

    database = Database(arguments, pool_size=1)
    with pytest.raises(Retryable, match="is not open"):
        async with database.connection():
            pass


async def test_a_wrong_statement_is_not_retryable(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection() as connection:
            await connection.execute("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.DataError):
        async with database.connection() as connection:
            await connection.fetchval("SELECT $1::integer", 2**40)

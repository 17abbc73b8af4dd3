"""The pool, transactions and named queries: the way in to PostgreSQL.

Errors are translated here, once: what passes by itself (a restart, a broken connection, a serialisation
conflict) is Retryable; what hangs on a row that is gone is Gone; all else is a bug and keeps its own name. This
module refuses to know any table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import aiosql
import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from daemon import brought_along
from daemon.core.errors import Permanent, Retryable

SQL_DIRECTORY: Final = brought_along("sql")
LEAST_MAJOR: Final = 15

Connection = asyncpg.Connection | PoolConnectionProxy


def named_queries(table: str) -> Any:
    """Return the named queries of sql/queries/<table>.sql, called as `queries.name(connection, …)`."""
    return aiosql.from_path(SQL_DIRECTORY / "queries" / f"{table}.sql", "asyncpg")


async def fetched(rows: AsyncIterator[asyncpg.Record]) -> list[asyncpg.Record]:
    """Return all rows of a query that yields many."""
    return [row async for row in rows]


PASSING: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement sent while the server's farewell is still being read
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.CannotConnectNowError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)


class Gone(Permanent):
    """What was to be stored hangs on a row that is not there any more: its athlete was erased meanwhile."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn errors of the database that pass by themselves into Retryable, and a missing row into Gone."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        raise Gone(f"what this belongs to is gone ({error.constraint_name})") from error
    except PASSING as error:
        raise Retryable(f"the database did not answer ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """Connections of the pool: how many are lent, how many are open and free, and how many there may be."""

    lent: int
    free: int
    most: int


class Database:
    """A pool with our codecs; every other room of the store gets its connections from here."""

    def __init__(self, arguments: Mapping[str, Any], pool_size: int) -> None:
        self._arguments = arguments
        self._pool_size = pool_size
        self._pool: asyncpg.Pool | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; raises Retryable where no server answers."""
        async with translated():
            self._pool = await asyncpg.create_pool(
                **self._arguments,
                min_size=1,
                max_size=self._pool_size,
                init=_with_codecs,
                command_timeout=30,
                server_settings={"application_name": "domestique", "timezone": "UTC"},
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pool; what still runs is given five seconds."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    def usage(self) -> PoolUsage:
        """Return how the pool is used now; costs no query."""
        pool = self._pool
        if pool is None:
            return PoolUsage(0, 0, self._pool_size)
        free = pool.get_idle_size()
        return PoolUsage(pool.get_size() - free, free, self._pool_size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; each statement on it commits by itself."""
        if self._pool is None:
            raise Retryable("the database is not open")
        async with translated(), self._pool.acquire(timeout=10) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction: commit on leaving, roll back on any error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection on which every statement sees the same instant, and none writes."""
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction that is taken back in the end, whatever was done in it."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            finally:
                await transaction.rollback()

    @asynccontextmanager
    async def connection_of_its_own(self) -> AsyncIterator[Connection]:
        """Open a connection outside the pool, for a session lock that must not starve or be pooled."""
        async with translated():
            connection = await asyncpg.connect(**self._arguments, timeout=10, command_timeout=60)
            try:
                await _with_codecs(connection)
                yield connection
            finally:
                # Closing must not wait for a server that is gone: the lock dies with the socket.
                connection.terminate()


async def _with_codecs(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY),
        decoder=lambda value: orjson.loads(value[1:]),
        format="binary",
    )

"""The gate on its own, for programs that call Strava in the name of the same app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from daemon.clock import SystemClock
from daemon.core.quota import Lengths, Limits
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.store import ledgers
from daemon.store.database import Database
from daemon.store.migrate import migrate

DEFAULT_LIMITS: Final = Limits(600, 30_000, 600, 30_000)  # until the first answer shows the true ones


@asynccontextmanager
async def open_gate(
    database_url: str,
    client_id: int,
    limits: Limits = DEFAULT_LIMITS,
    lengths: Lengths = Lengths(),  # noqa: B008  (frozen)
    pace: Pace = Pace(requests_per_second=10.0, concurrency=8),  # noqa: B008
) -> AsyncIterator[Gate]:
    """Yield a gate on a PostgreSQL database, which gets Domestique's tables if it has none.

    Raises Retryable where no server answers, and what `migrate` raises.
    """
    async with Database({"dsn": database_url}, pool_size=4) as database:
        async with database.connection() as connection:
            await migrate(connection)
            await ledgers.open_ledger(connection, client_id, limits)
        yield Gate(database, client_id, lengths, pace, SystemClock())

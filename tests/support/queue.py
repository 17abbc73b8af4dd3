"""What tests of the store begin with: athletes, jobs, and eyes on what other connections wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.core.admission import LANES, Lane
from daemon.store import athletes, jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, NewJob

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def add_athletes(connection: Connection, athlete_ids: Iterable[int]) -> None:
    for athlete_id in athlete_ids:
        await athletes.upsert(connection, athlete_id, name=f"athlete {athlete_id}", sex=None, scope=["read"])


def new_job(dedup_key: str, athlete_id: int | None = None, **changes: Any) -> NewJob:
    """Make a live job that was due long ago, with whatever is different about it."""
    plain = NewJob(kind="ride", lane=Lane.LIVE, dedup_key=dedup_key, run_at=LONG_AGO, serial_key=athlete_id)
    return replace(plain, **changes)


async def claim(connection: Connection, most: int = 10, lanes: Iterable[Lane] = LANES) -> list[Job]:
    return await jobs.claim_due(connection, tuple(lanes), lease_seconds=60, most=most)


async def claim_one(connection: Connection) -> Job:
    (job,) = await claim(connection)
    return job


async def job_row(connection: Connection, job_id: int) -> dict[str, Any] | None:
    row = await connection.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
    return dict(row) if row is not None else None


async def states(connection: Connection) -> dict[str, int]:
    rows = await connection.fetch("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
    return {row["state"]: row["jobs"] for row in rows}


async def held_turns(connection: Connection) -> dict[int, int]:
    """Return which athlete's turn is held by which job."""
    rows = await connection.fetch("SELECT athlete_id, job_id FROM turns WHERE job_id IS NOT NULL")
    return {row["athlete_id"]: row["job_id"] for row in rows}


async def expire_leases(connection: Connection) -> None:
    """Let every running job's worker look dead; waits for no lock, lest the test itself be the deadlock."""
    await connection.execute(
        "UPDATE jobs SET lease_until = now() - interval '1 s' WHERE job_id IN"
        " (SELECT job_id FROM jobs WHERE state = 'running' FOR UPDATE SKIP LOCKED)"
    )


async def deadlocks(connection: Connection) -> int:
    """Return how many deadlocks this database has seen; its own statistics may lag, the others' are flushed."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return count


async def until_waiting(connection: Connection, sessions: int = 1, seconds: float = 5) -> None:
    """Return as soon as that many sessions of this database wait for a lock."""
    async with asyncio.timeout(seconds):
        while True:
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


async def end_backend(connection: Connection, pid: int) -> None:
    """Cut another session off, as a restart or a broken network would, and wait until it is gone."""
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    async with asyncio.timeout(5):
        while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
            await asyncio.sleep(0.005)


async def backend_pid(connection: Connection) -> int:
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


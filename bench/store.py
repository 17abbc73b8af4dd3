"""What the database carries: durable events, claims and permits a second, each beside a simpler way.

    .venv/bin/python -m bench.store

An embedded PostgreSQL in a temporary folder, fsync on. Ratios are of one run; absolute figures are this machine's.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from daemon.clock import SystemClock
from daemon.core.admission import LANES, Lane
from daemon.core.quota import Lengths, Limits
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.loops.inbox import Inbox
from daemon.store import athletes, events, jobs, ledgers
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.events import Arrival
from daemon.store.jobs import NewJob
from daemon.store.migrate import migrate

SECONDS = 3.0
SENDERS = 200
CONNECTIONS = 8
ATHLETES = 500
JOBS = 4_000
WAITING = 100_000  # histories of as many athletes, for weeks
CLIENT_ID = 1

numbers = itertools.count()


def arrival() -> Arrival:
    """Return an event nobody has sent before."""
    return Arrival(os.urandom(16), datetime.now(UTC), b"{}" * 100, None)


async def per_second(work: Callable[[], Awaitable[object]], side_by_side: int) -> float:
    """Return how often `work` is done a second when so many do it at once."""
    done, until = 0, time.perf_counter() + SECONDS

    async def repeat() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await work()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(side_by_side)))
    return done / (time.perf_counter() - started)


async def durable_events(database: Database) -> tuple[float, float]:
    """Return events a second with group commit, and with one insert each on as many connections as there are."""
    inbox = Inbox(database, lambda: None)
    writing = asyncio.ensure_future(inbox.write())
    grouped = await per_second(lambda: inbox.accept(arrival()), SENDERS)
    writing.cancel()
    await asyncio.wait([writing])

    async def alone() -> None:
        async with database.connection() as connection:
            await events.store_batch(connection, [arrival()])

    return grouped, await per_second(alone, CONNECTIONS)


async def claims(database: Database) -> float:
    """Return how many jobs a second are claimed and completed, one running per athlete, by eight workers."""
    async with database.transaction() as connection:
        for athlete_id in range(1, ATHLETES + 1):
            await athletes.upsert(connection, athlete_id, name=None, sex=None, scope=["read"])
        now = datetime.now(UTC)
        await jobs.enqueue(
            connection,
            [NewJob("bench", Lane.LIVE, f"bench:{n}", now, serial_key=1 + n % ATHLETES) for n in range(JOBS)],
        )
    left = JOBS

    async def worker() -> None:
        nonlocal left
        while left > 0:
            async with database.connection() as connection:
                claimed = await jobs.claim_due(connection, ("bench",), LANES, LANES, 30, 8)
                for job in claimed:
                    await jobs.complete(connection, job, "done")
                left -= len(claimed)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return JOBS / (time.perf_counter() - started)


async def claims_beside(database: Database, waiting: int) -> float:
    """Return how many claims a second are answered while so many jobs wait for quota in a lane that is shut."""
    numbered = "generate_series(1000, 999 + $1::integer) AS n"
    async with database.connection() as connection:
        for statement in (
            f"INSERT INTO athletes (athlete_id, scope) SELECT n, '{{activity:read}}' FROM {numbered}",
            f"INSERT INTO turns (athlete_id) SELECT n FROM {numbered}",
            (
                "INSERT INTO jobs (kind, lane, serial_key, dedup_key, payload, asks_strava, run_at, fair_at)"
                f" SELECT 'bench', 'backfill', n, 'waits:' || n, '{{}}', true, now(), now() FROM {numbered}"
            ),
        ):
            await connection.execute(statement, waiting)
        await connection.execute("ANALYZE jobs, turns")

    async def one() -> None:
        async with database.connection() as connection:
            assert await jobs.claim_due(connection, ("bench",), LANES, LANES[:-1], 30, 8) == []

    return await per_second(one, 1)


async def permits(database: Database, gates: int) -> float:
    """Return how many permits a second are charged to one ledger row by so many daemons."""
    limits = Limits(10**8, 10**8, 10**8, 10**8)
    async with database.connection() as connection:
        await ledgers.open_ledger(connection, CLIENT_ID, limits)
        await connection.execute("UPDATE quota_ledgers SET limits_learned = true")
    pace = Pace(requests_per_second=1e6, concurrency=CONNECTIONS)
    doors = itertools.cycle([Gate(database, CLIENT_ID, Lengths(), pace, SystemClock()) for _ in range(gates)])

    async def one() -> None:
        async with next(doors).step(Lane.LIVE, 1) as step:
            await step.permit()

    return await per_second(one, gates)


async def main() -> None:
    """Measure and print."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = await stack.enter_async_context(EmbeddedServer(Path(folder)))
        database = await stack.enter_async_context(Database(server.connect_arguments(), CONNECTIONS + 2))
        async with database.connection() as connection:
            await migrate(connection)
        grouped, alone = await durable_events(database)
        figures = {
            f"durable events, group commit, {SENDERS} senders": grouped,
            f"durable events, one insert each, {CONNECTIONS} at once": alone,
            f"jobs claimed and completed, {CONNECTIONS} workers": await claims(database),
            "claims of nothing, an empty queue": (idle := await claims_beside(database, 0)),
            f"claims of nothing, {WAITING:,} wait for quota": (beside := await claims_beside(database, WAITING)),
            "permits on one row, 1 gate": await permits(database, 1),
            f"permits on one row, {CONNECTIONS} gates": await permits(database, CONNECTIONS),
        }
    for what, figure in figures.items():
        print(f"{what:<44} {figure:10,.0f} /s")
    print(f"group commit against one insert each: {grouped / alone:.1f} times")
    print(f"a claim beside {WAITING:,} that wait for quota takes {idle / beside:.1f} times as long")


if __name__ == "__main__":
    uvloop.run(main())

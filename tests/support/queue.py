"""What tests of the queue begin with: athletes and jobs, and a look at what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.core.admission import LANES, Lane
from daemon.jobs.kinds import EVERY
from daemon.store import athletes, jobs
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def add_athletes(connection: Connection, athlete_ids: Iterable[int]) -> None:
    for athlete_id in athlete_ids:
        await athletes.upsert(connection, athlete_id, name=f"athlete {athlete_id}", sex=None, scope=["read"])


def new_job(dedup_key: str, athlete_id: int | None = None, **changes: Any) -> NewJob:
    """Make a live job that was due long ago, with whatever is different about it."""
    plain = NewJob(kind="ride", lane=Lane.LIVE, dedup_key=dedup_key, run_at=LONG_AGO, serial_key=athlete_id)
    return replace(plain, **changes)


ANY_KIND = frozenset({"ride", *EVERY})


async def claim(connection: Connection, most: int = 10, lanes: Iterable[Lane] = LANES) -> list[Job]:
    return await jobs.claim_due(connection, ANY_KIND, LANES, tuple(lanes), lease_seconds=60, most=most)


async def claim_one(connection: Connection) -> Job:
    (job,) = await claim(connection)
    return job


async def job_row(connection: Connection, job_id: int) -> dict[str, Any] | None:
    row = await connection.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
    return dict(row) if row is not None else None


async def only_queued(connection: Connection) -> dict[str, Any]:
    (row,) = await connection.fetch("SELECT * FROM jobs WHERE state = 'queued'")
    return dict(row)


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


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)

"""A house in trouble: what an operator is woken up for, brought about at the sandbox, else written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.daemon import Daemon, eventually

DEATHS = (
    ("look_at_activity", "the athlete has not granted the scope activity:read: ask for it at the next connect", 1),
    ("look_at_activity", "gave up after 20 attempts: Strava answered 503 to activity", 20),
    ("look_at_activity", "gave up after 20 attempts: Strava answered 503 to activity", 20),
    ("sync_athlete", "unexpected KeyError; the log has the traceback", 20),
    ("recompute_load", "its worker died at every attempt", 20),
)


async def bury_jobs(daemon: Daemon, athlete_ids: list[int]) -> list[int]:
    """Write dead jobs as `jobs.bury` leaves them; returns their ids, the newest death last."""
    job_ids = []
    async with daemon.look_inside() as connection:
        for number, (kind, outcome, attempts) in enumerate(DEATHS):
            died_at = datetime.now(UTC) - timedelta(minutes=7 * (len(DEATHS) - number))
            job_id = await connection.fetchval(
                "INSERT INTO jobs (kind, lane, state, serial_key, dedup_key, payload, run_at, fair_at, attempts,"
                " outcome, settled_at) VALUES ($1, 'live', 'dead', $2, $3, $4::jsonb, $5, $5, $6, $7, $5)"
                " RETURNING job_id",
                kind,
                athlete_ids[number % len(athlete_ids)],
                f"buried:{number}",
                '{"activity_id": 4711}' if kind == "look_at_activity" else "{}",
                died_at,
                attempts,
                outcome,
            )
            job_ids.append(job_id)
    return job_ids


async def fall_ill(daemon: Daemon, athlete_ids: list[int]) -> list[int]:
    """Let an athlete take his authorization back, an activity fail, and some jobs be dead; returns those."""
    await daemon.sandbox.revoke(athlete_ids[0])
    await daemon.sandbox.make_activity(athlete_id=athlete_ids[1], seed=1, duration=900)
    await eventually(lambda: _one(daemon, "SELECT count(*) FROM activity_loads"))
    await daemon.sandbox.fault("error_500", endpoint="activity")
    await daemon.sandbox.make_activity(athlete_id=athlete_ids[2], seed=2, duration=900)
    await eventually(lambda: _one(daemon, "SELECT count(*) FROM jobs WHERE state = 'queued' AND attempts > 0"))
    await eventually(lambda: _one(daemon, "SELECT count(*) FROM athletes WHERE state = 'needs_authorization'"))
    return await bury_jobs(daemon, athlete_ids)


async def _one(daemon: Daemon, sql: str) -> Any:
    return await daemon.value(sql)

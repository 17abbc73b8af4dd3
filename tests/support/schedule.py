"""What tests of the scheduler begin with: planned timers, held runs, and a look at what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.store import athletes, jobs, runs, timers
from daemon.store.database import Connection
from daemon.store.runs import NewAsk, Progress, Run
from daemon.store.timers import Next, Planned
from tests.support.queue import claim

DUE_AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
FOLLOWING = Next(DUE_AT + HALF_AN_HOUR, DUE_AT + HALF_AN_HOUR)


async def connect_athletes(connection: Connection, athlete_ids: Iterable[int]) -> None:
    """Let athletes connect who grant their activities."""
    for athlete_id in athlete_ids:
        await athletes.upsert(connection, athlete_id, name=None, sex=None, scope=["read", "activity:read_all"])


async def plan_timer(connection: Connection, job: str, due_at: datetime = DUE_AT) -> Planned:
    """Plan one timer and return it."""
    await timers.plant(connection, {job: Next(due_at, due_at)})
    return await planned(connection, job)


async def planned(connection: Connection, job: str) -> Planned:
    (found,) = [timer for timer in await timers.list_all(connection) if timer.job == job]
    return found


async def held_run(connection: Connection, job: str = "daily_sync", lease_seconds: float = 60) -> Run:
    """Ask for a run by hand and take it."""
    await runs.request(connection, job, "manual")
    run = await runs.take_waiting(connection, [job], lease_seconds)
    assert run is not None
    return run


async def decide(connection: Connection, run: Run, *asks: NewAsk) -> None:
    """Let a run have considered everybody and decided on these."""
    await runs.advance(connection, run, Progress(99, True, len(asks), {}, 0, 0), asks)


def ask(athlete_id: int, urgency: float = 1.0, lookback: timedelta = timedelta(days=3)) -> NewAsk:
    return NewAsk(athlete_id, "stale", "not looked at lately", round(lookback.total_seconds()), urgency)


async def run_row(connection: Connection, run_id: int) -> dict[str, Any]:
    row = await connection.fetchrow("SELECT * FROM scheduler_runs WHERE run_id = $1", run_id)
    assert row is not None
    return dict(row)


async def ask_rows(connection: Connection, run_id: int) -> dict[int, dict[str, Any]]:
    """Return a run's asks by athlete."""
    rows = await connection.fetch("SELECT * FROM sync_asks WHERE run_id = $1", run_id)
    return {row["athlete_id"]: dict(row) for row in rows}


async def expire_run(connection: Connection, run: Run) -> None:
    """Let a run's daemon look dead."""
    await connection.execute(
        "UPDATE scheduler_runs SET lease_until = now() - interval '1 s' WHERE run_id = $1", run.run_id
    )


async def work_off(connection: Connection, result: runs.SyncResult) -> int:
    """Do what is queued as a worker would, each look with the same result; returns how many."""
    done = 0
    for job in await claim(connection, most=100):
        assert job.serial_key is not None
        async with connection.transaction():
            reached_to = datetime.now(UTC) - timedelta(seconds=job.lookback_seconds or 0)
            await runs.settle_asks(connection, job.serial_key, reached_to, result)
            await jobs.complete(connection, job, "looked")
        done += 1
    return done

"""The part of `bench.science` with a database: 90 days of loads computed again by the daemon's own jobs.

An embedded PostgreSQL in a temporary folder, fsync on; every row as a look would have left it, curves and mornings
too. Refuses to measure what has no database: `bench.science` does.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import uvloop

from daemon import logs
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.core.admission import LANES
from daemon.jobs import recompute_load
from daemon.jobs.kinds import KINDS
from daemon.jobs.rooms import Rooms
from daemon.loops.worker import Work, Worker
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices
from daemon.science.statistics import Statistics
from daemon.science.wellness import Weights
from daemon.store import activities, athletes, jobs, thresholds
from daemon.store.database import Connection, Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate

DAYS = 90
MORNINGS = 170
WORK = Work(workers=8, lease_seconds=30, max_attempts=5)
TICK_SECONDS = 0.01
FIRST_COPY = 1_000_000
THRESHOLDS = {"ftp": 250.0, "critical_speed": 4.0, "css": 1.1, "lthr": 168.0, "max_hr": 188.0, "resting_hr": 48.0}


@dataclass(frozen=True)
class Original:
    """An activity to copy: what is stored of it, its raw streams, and its load computed from those."""

    sport_type: str
    statistics: Statistics
    body: bytes | None
    from_raw: Callable[[], float | None]


@dataclass(frozen=True)
class Round:
    """One recompute of everybody."""

    what: str
    rows: int
    seconds: float
    loop_cpu_seconds: float
    worker_cpu_seconds: float
    late_p99_ms: float
    changed: int


def measure(originals: Sequence[Original], count: int) -> None:
    """Measure and print."""
    logs.configure("warning", "console")
    uvloop.run(_measure(originals, count))


async def _measure(originals: Sequence[Original], count: int) -> None:
    async with _house() as (database, calculator):
        began = time.perf_counter()
        rows = await _fill(database, originals, count)
        async with database.connection() as connection:
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
        print(f"\nthe same through the database: {rows:,} activities of {count:,} athletes stored in "
              f"{time.perf_counter() - began:.0f} s, {size / rows / 1000:.1f} kB each")  # fmt: skip
        rooms = cast(
            Rooms,
            SimpleNamespace(
                database=database,
                calculator=calculator,
                clock=SystemClock(),
                choices=Choices(GradeModel.STRAVA, Weights(), Basis.UTL),
                gate=SimpleNamespace(open_lanes=lambda: LANES, opens_in_seconds=lambda: None),
            ),
        )
        rounds = [await _recompute(rooms, rows, "loads that are new")]
        async with database.connection() as connection:
            await connection.execute("UPDATE thresholds SET value = value * 1.06")
        rounds.append(await _recompute(rooms, rows, "thresholds moved by 6 %"))
        rounds.append(await _recompute(rooms, rows, "nothing has changed"))
        raw_rows, raw_seconds = await _from_raw(database, originals)
        kilobytes = _peak_kilobytes("self"), _peak_kilobytes(str(_worker_process()))
    print(f"{'':34}{'s':>8}{'rows/s':>9}{'changed':>10}{'loop CPU s':>12}{'worker CPU s':>14}{'late p99':>11}")
    for one in rounds:
        print(
            f"{one.what:34}{one.seconds:8.1f}{one.rows / one.seconds:9,.0f}{one.changed:10,}"
            f"{one.loop_cpu_seconds:12.1f}{one.worker_cpu_seconds:14.1f}{one.late_p99_ms:8.1f} ms"
        )
    plain = raw_seconds / raw_rows
    print(f"{'raw streams, one by one (sample)':34}{plain * rows:8.1f}{1 / plain:9,.0f}")
    print(f"ratio to the thresholds' round: {plain * rows / rounds[1].seconds:.1f} ×")
    print(f"memory at most: the daemon's process {kilobytes[0] / 1000:.0f} MB, the worker process "
          f"{kilobytes[1] / 1000:.0f} MB")  # fmt: skip


@asynccontextmanager
async def _house() -> AsyncIterator[tuple[Database, Calculator]]:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            EmbeddedServer(Path(directory) / "data") as server,
            Calculator() as calculator,
            Database(server.connect_arguments(), pool_size=10) as database,
        ):
            async with database.connection() as connection:
                await migrate(connection)
            yield database, calculator


async def _fill(database: Database, originals: Sequence[Original], count: int) -> int:
    """Store everybody: some originals through the store, all others as copies of their rows."""
    today, now = datetime.now(UTC).date(), datetime.now(UTC)
    async with database.connection() as connection:
        await athletes.upsert(connection, 1, name="the first", sex="F", scope=["read"])
        for number, original in enumerate(originals):
            await _store(connection, number, original, today, now)
        for kind, value in THRESHOLDS.items():
            await thresholds.put(
                connection, 1, kind, value, method="imported", effective_on=date(2020, 1, 1), evidence={}
            )
        everybody = f"generate_series(2, {count}) AS others (athlete_id)"
        await connection.execute(
            f"INSERT INTO athletes (athlete_id, sex, scope) SELECT athlete_id, 'F', '{{read}}' FROM {everybody};"
            f"INSERT INTO turns (athlete_id) SELECT athlete_id FROM {everybody};"
            "INSERT INTO thresholds (athlete_id, kind, value, method, effective_on)"
            f" SELECT others.athlete_id, kind, value, method, effective_on FROM thresholds, {everybody};"
            "INSERT INTO wellness (athlete_id, on_day, resting_hr, hrv_rmssd, sleep_seconds)"
            " SELECT athlete_id, current_date - ago, 48 + ago % 4, 55 + ago % 9, 27000"
            f" FROM athletes, generate_series(0, {MORNINGS - 1}) AS ago"
        )
        # Five activities in seven days; whose is which of the originals goes round.
        plan = (
            "CREATE TEMP TABLE plan AS SELECT row_number() OVER () + 1000000 AS copy, athlete_id, ago,"
            f" (athlete_id + place) % {len(originals)} + 1 AS original FROM athletes,"
            f" (SELECT ago, row_number() OVER () AS place FROM generate_series(0, {DAYS - 1}) AS ago"
            "   WHERE ago % 7 NOT IN (2, 5)) AS days"
        )
        await connection.execute(plan, timeout=600)
        moved = {"activity_id": "plan.copy", "athlete_id": "plan.athlete_id"}
        for instant in ("start_at", "local_start_at"):
            moved[instant] = f"o.{instant} - make_interval(days => plan.ago::int)"
        await _copy(connection, "activities", moved)
        await _copy(connection, "activity_statistics", {"activity_id": "plan.copy"})
        await connection.execute(f"DELETE FROM activities WHERE activity_id < {FIRST_COPY}")
        await connection.execute("VACUUM ANALYZE", timeout=600)
        rows: int = await connection.fetchval("SELECT count(*) FROM activities")
        return rows


async def _store(connection: Connection, number: int, original: Original, today: date, now: datetime) -> None:
    local_start_at = datetime.combine(today, datetime.min.time()) + timedelta(hours=7)
    facts = original.statistics
    columns = {
        "activity_id": number + 1, "athlete_id": 1, "sport_type": original.sport_type, "name": "An original",
        "start_at": local_start_at.replace(tzinfo=UTC), "local_start_at": local_start_at, "timezone": "UTC",
        "elapsed_seconds": facts.elapsed_seconds, "moving_seconds": facts.moving_seconds,
        "distance_m": facts.distance_m, "trainer": facts.trainer, "manual": False, "private": False,
        "hidden_start": False, "streams_state": "kept",
    }  # fmt: skip
    await activities.upsert(connection, columns, now)
    await activities.put_statistics(connection, number + 1, facts, now)


async def _copy(connection: Connection, table: str, moved: dict[str, str]) -> None:
    names = [
        row["column_name"]
        for row in await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position",
            table,
        )
    ]
    values = ", ".join(moved.get(name, f"o.{name}") for name in names)
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} o"
        " JOIN plan ON plan.original = o.activity_id",
        timeout=3600,
    )


async def _recompute(rooms: Rooms, rows: int, what: str) -> Round:
    """Ask for everybody's 90 days, let the daemon's worker do it, and watch how late the loop comes."""
    database, today, now = rooms.database, datetime.now(UTC).date(), datetime.now(UTC)
    from_on = today - timedelta(days=DAYS - 1)
    async with database.connection() as connection:
        ids = [row["athlete_id"] for row in await connection.fetch("SELECT athlete_id FROM athletes")]
        await connection.execute("DELETE FROM outbox")
        for start in range(0, len(ids), 500):
            page = ids[start : start + 500]
            await jobs.enqueue(connection, [recompute_load.new(one, from_on, "a bench", now) for one in page])
        lateness: list[float] = []
        worker = Worker(rooms, KINDS, WORK)
        tasks = [asyncio.ensure_future(work) for work in (worker.run(), worker.renew_leases(), _tick(lateness))]
        began, own, workers = time.perf_counter(), time.process_time(), _cpu_seconds(_worker_process())
        await _all_done(connection)
        took = time.perf_counter() - began
        found = Round(
            what=what,
            rows=rows,
            seconds=took,
            loop_cpu_seconds=time.process_time() - own,
            worker_cpu_seconds=_cpu_seconds(_worker_process()) - workers,
            late_p99_ms=1000 * float(np.percentile(lateness, 99)),
            changed=await connection.fetchval(
                "SELECT coalesce(sum((body ->> 'changed')::bigint), 0)::bigint FROM outbox"
                " WHERE topic = 'loads.recomputed'"
            ),
        )
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await connection.execute("DELETE FROM jobs; UPDATE turns SET job_id = NULL")
        return found


async def _all_done(connection: Connection) -> None:
    while await jobs.count_athletes_waiting(connection, recompute_load.KIND):  # noqa: ASYNC110 — only rows tell
        await asyncio.sleep(0.05)


async def _tick(lateness: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        lateness.append(time.perf_counter() - due)


async def _from_raw(database: Database, originals: Sequence[Original]) -> tuple[int, float]:
    """Return how many loads were made from stored raw streams, and in how many seconds: a sample, one by one."""
    now, count = datetime.now(UTC), 0
    async with database.transaction() as connection:
        ids = [row["activity_id"] for row in await connection.fetch("SELECT activity_id FROM activities LIMIT 30")]
        for place, activity_id in enumerate(ids):
            body = originals[place % len(originals)].body
            if body is not None:
                await activities.put_streams(connection, activity_id, zlib.compress(body), now)
    began = time.perf_counter()
    async with database.connection() as connection:
        for place, activity_id in enumerate(ids):
            original = originals[place % len(originals)]
            stored = await connection.fetchval(
                "SELECT body FROM activity_streams WHERE activity_id = $1", activity_id
            )
            if stored is not None:
                zlib.decompress(stored)
            original.from_raw()
            count += 1
    return count, time.perf_counter() - began


def _worker_process() -> int:
    """Return the id of the calculator's process, a child of ours."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return next(int(one) for one in children if b"compute.process" in Path(f"/proc/{one}/cmdline").read_bytes())


def _cpu_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    ticks: int = sum(map(int, fields[11:13]))
    return ticks / 100


def _peak_kilobytes(process: str) -> int:
    if process == "self":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

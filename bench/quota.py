"""The quota under load: how much of the limit is used and how much goes over it, by three limiters side by side.

    .venv/bin/python -m bench.quota [--quick]

The sandbox counts, over real sockets, in windows of seconds; nobody's own account is believed. The callers are
processes of their own (`bench.quota_callers`) with more work than quota; ours share one embedded PostgreSQL. All
limiters see the same troubles at the same points of the same windows: kill -9, answers that fail, are slow or break
off, somebody else who spends from the same windows, limits that fall and rise. Only ours must find out besides
that Strava's clock is not its own.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.quota_callers import BUCKET, OURS, STRAVALIB, Plan
from bench.quota_processes import Callers, Sandbox, running_sandbox
from bench.quota_verdict import Judged, Played, judged, table
from daemon.core.quota import Limits
from daemon.store import ledgers
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate

QUARTERS_A_DAY = 2  # in the scenario where the day binds
PLENTY = 10**6
TOTAL_PER_SECOND, LEAST_PER_SECOND = 40.0, 10.0  # the pace of all processes, and of one: 10 is the daemon's default
LIVE_PER_SECOND = 3.0  # of all processes
ACTIVITIES, ACTIVITY_SECONDS = 10, 60
LOOK_SECONDS = 0.04
LOOK_BEFORE_TURN_SECONDS = 0.35
LONGEST_SECONDS, QUICK_LONGEST_SECONDS = 780, 59
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "error_500", "rate": 0.04},
    {"kind": "error_503", "rate": 0.03},
    {"kind": "html", "rate": 0.02},
    {"kind": "truncated", "rate": 0.02},
    {"kind": "reset", "rate": 0.03},
    {"kind": "lost_answer", "rate": 0.03},
    {"kind": "delay", "rate": 0.08, "seconds": 1.5},
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How short the windows are: what takes seconds however long they are (a turn, a lost answer) weighs more."""

    quarter_seconds: int
    quarter_limit: int

    @property
    def day_limit(self) -> int:
        """Return the limit of a day, which binds in its second quarter."""
        return self.quarter_limit * 3 // 2


FULL, SHORT = Scale(45, 600), Scale(12, 240)  # 12 s: the shortest that the daemon's settings allow


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens in the `window`-th quarter as soon as `at_share` of its limit is used, or 70 % of its time.

    `share` is of the limit: what somebody else spends, or what the limit becomes.
    """

    window: int
    at_share: float
    what: str
    share: float = 0.0


TROUBLES = (
    Trouble(1, 0.0, "faults"),
    Trouble(1, 0.5, "kill"),
    Trouble(2, 0.0, "no faults"),
    Trouble(2, 0.3, "kill"),
    Trouble(2, 0.6, "kill"),
    Trouble(3, 0.3, "foreign", 0.25),
    Trouble(3, 0.8, "foreign", 1.0),
    Trouble(4, 0.3, "limit", 2 / 3),
    Trouble(5, 0.3, "limit", 1.0),
    Trouble(5, 0.6, "kill"),
)
DAY_TROUBLES = (Trouble(0, 0.5, "kill"), Trouble(2, 0.5, "kill"), Trouble(3, 0.2, "kill"))
QUICK_TROUBLES = (
    Trouble(0, 0.5, "kill"),
    Trouble(1, 0.0, "faults"),
    Trouble(1, 0.3, "foreign", 0.25),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One limiter in so many processes over so many quarters."""

    limiter: str
    processes: int
    windows: int = 6
    troubles: tuple[Trouble, ...] = TROUBLES
    day_binds: bool = False
    clock_offset: float = 0.0  # of the sandbox's clock, ours alone has to find out
    scale: Scale = FULL

    @property
    def day_seconds(self) -> int:
        """Return the length of the long window."""
        return QUARTERS_A_DAY * self.scale.quarter_seconds if self.day_binds else 86_400


# Ours in windows long enough for its figures; the others in short ones, since they send so much.
ALL = (
    (
        Case(OURS, 1),
        Case(OURS, 3, clock_offset=1.5),
        Case(OURS, 8, clock_offset=-1.5),
        Case(OURS, 3, 4, DAY_TROUBLES, day_binds=True),
    ),
    (
        *(Case(name, processes, scale=SHORT) for name in (STRAVALIB, BUCKET) for processes in (1, 3, 8)),
        *(Case(name, 3, 4, DAY_TROUBLES, day_binds=True, scale=SHORT) for name in (STRAVALIB, BUCKET)),
    ),
)
QUICK = (tuple(Case(name, 2, 2, QUICK_TROUBLES, scale=SHORT) for name in (OURS, STRAVALIB, BUCKET)),)


class Play:
    """One case from start to verdict."""

    def __init__(self, case: Case, database: Database, arguments: dict[str, Any], number: int) -> None:
        self._case = case
        self._database = database
        self._arguments = arguments
        self._client_id = number

    async def run(self, progress: Progress, bar: TaskID) -> Judged:
        """Play it and judge it."""
        case = self._case
        async with running_sandbox(self._flags()) as sandbox:
            plan = await self._plan(sandbox)
            async with asyncio.TaskGroup() as group:
                callers = Callers(plan, group)
                try:
                    await callers.start(case.processes, sum(trouble.what == "kill" for trouble in case.troubles))
                    first = self._next_start()
                    await self._until(first)
                    callers.begin()
                    played = await self._windows(sandbox, callers, first, progress, bar)
                finally:
                    await callers.end()
            counts, requests = await sandbox.settled()
        return judged(
            case.limiter,
            case.processes,
            case.day_binds,
            case.scale.quarter_seconds,
            played,
            callers.live(),
            counts,
            requests,
        )

    def _flags(self) -> dict[str, object]:
        """Have the read meter bind in the quarter and, where the day binds, the overall meter in the day."""
        case, limit = self._case, self._case.scale.quarter_limit
        return {
            "athletes": 1, "history-days": 0, "clock-offset": case.clock_offset,
            "quarter-seconds": case.scale.quarter_seconds, "day-seconds": case.day_seconds,
            "read-limits": f"{limit},{PLENTY}",
            "overall-limits": f"{2 * limit},{case.scale.day_limit if case.day_binds else PLENTY}",
        }  # fmt: skip

    async def _plan(self, sandbox: Sandbox) -> Plan:
        case = self._case
        wish = {"kind": "ride", "duration": ACTIVITY_SECONDS, "event": False}
        made = [await sandbox.control("POST", "/activities", {**wish, "seed": n}) for n in range(ACTIVITIES)]
        (athlete,) = await sandbox.control("GET", "/athletes")
        async with self._database.connection() as connection:
            await ledgers.open_ledger(connection, self._client_id, Limits(600, 30_000, 600, 30_000))
        return Plan(
            limiter=case.limiter,
            api_url=f"{sandbox.url}/api/v3",
            access_token=athlete["access_token"],
            activity_ids=[one["id"] for one in made],
            database=self._arguments,
            client_id=self._client_id,
            quarter_seconds=case.scale.quarter_seconds,
            day_seconds=case.day_seconds,
            quarter_limit=case.scale.quarter_limit,
            requests_per_second=max(LEAST_PER_SECOND, TOTAL_PER_SECOND / case.processes),
            side_by_side=8,
            live_per_second=LIVE_PER_SECOND / case.processes,
            seed=0,
        )

    def _now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        return time.time() + self._case.clock_offset

    def _next_start(self) -> int:
        length = self._case.day_seconds if self._case.day_binds else self._case.scale.quarter_seconds
        return math.ceil(self._now() / length) * length

    async def _until(self, instant: float) -> None:
        await asyncio.sleep(max(0.0, instant - self._now()))

    async def _windows(
        self, sandbox: Sandbox, callers: Callers, first: int, progress: Progress, bar: TaskID
    ) -> list[Played]:
        """Cause the troubles when they are due, and note what only we know of each window."""
        case, limit, length = self._case, self._case.scale.quarter_limit, self._case.scale.quarter_seconds
        windows: list[Played] = []
        for number in range(case.windows):
            starts_at = first + number * length
            window = Played(starts_at, starts_at + length, limit, limit)
            windows.append(window)
            due = [trouble for trouble in case.troubles if trouble.window == number]
            while self._now() < window.ends_at - LOOK_BEFORE_TURN_SECONDS:
                progress.update(bar, completed=self._now() - first)
                share = await self._share_used(sandbox, window)
                late = self._now() > starts_at + 0.7 * length
                while due and callers.living and (late or share >= due[0].at_share):
                    await self._cause(due.pop(0), sandbox, callers, window)
                limit = window.limit_after
                await asyncio.sleep(LOOK_SECONDS)
            window.charged = await self._charged(window)
            await self._until(window.ends_at)
        return windows

    async def _share_used(self, sandbox: Sandbox, window: Played) -> float:
        quarter = (await sandbox.control("GET", "/counts"))["meters"]["read"]["quarter"]
        counted = quarter["counted"] if quarter["starts_at"] == window.starts_at else 0
        return float(counted / self._case.scale.quarter_limit)

    async def _cause(self, trouble: Trouble, sandbox: Sandbox, callers: Callers, window: Played) -> None:
        amount = round(trouble.share * self._case.scale.quarter_limit)
        match trouble.what:
            case "faults":
                for fault in FAULTS:
                    await sandbox.control("POST", "/faults", {"endpoint": "api", **fault})
            case "no faults":
                await sandbox.control("DELETE", "/faults")
            case "kill":
                window.in_flight += await callers.kill_one()
                window.kills += 1
            case "foreign":
                await sandbox.control("POST", "/faults", {"kind": "foreign_use", "requests": amount})
                window.disturbed = True
            case _:
                window.limit_after = amount
                window.disturbed |= amount < window.limit_before
                await sandbox.allow(amount, PLENTY)

    async def _charged(self, window: Played) -> int | None:
        """Return what our ledger has charged to this window; None for limiters that keep none."""
        if self._case.limiter != OURS:
            return None
        async with self._database.connection() as connection:
            entry = await ledgers.read(connection, self._client_id)
        assert entry is not None
        quarter = entry.ledger.quarter
        return quarter.charged if quarter.index == window.starts_at // self._case.scale.quarter_seconds else None


async def measured(batches: Sequence[Sequence[Case]], progress: Progress) -> list[Judged]:
    """Play batch after batch."""
    verdicts: list[Judged] = []
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = await stack.enter_async_context(EmbeddedServer(Path(folder)))
        arguments = server.connect_arguments()
        database = await stack.enter_async_context(Database(arguments, 4))
        async with database.connection() as connection:
            await migrate(connection)
        numbers: Iterator[int] = iter(range(1, PLENTY))
        for batch in batches:
            others = f" and {len(batch) - 1} others" if batch[1:] else ""
            name = f"{batch[0].limiter} × {batch[0].processes}{others}"
            bar = progress.add_task(name, total=batch[0].windows * batch[0].scale.quarter_seconds)
            plays = [Play(case, database, arguments, next(numbers)) for case in batch]
            async with asyncio.TaskGroup() as group:
                playing = [group.create_task(play.run(progress, bar)) for play in plays]
            verdicts += [task.result() for task in playing]
    return verdicts


async def main(*, quick: bool) -> None:
    """Measure and print the table."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    longest_seconds = QUICK_LONGEST_SECONDS if quick else LONGEST_SECONDS
    with Progress(*columns, console=Console(stderr=True)) as progress:
        async with asyncio.timeout(longest_seconds):
            verdicts = await measured(QUICK if quick else ALL, progress)
    print(table(verdicts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.quota", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two windows with two processes, under a minute")
    arguments = parser.parse_args()
    try:
        uvloop.run(main(quick=arguments.quick))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("interrupted; every process has been ended")
    except TimeoutError:
        sys.exit("given up, and every process ended: this machine is too busy for windows so short")

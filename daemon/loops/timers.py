"""The timers: takes runs that are due, requested or left behind, and carries them out side by side.

It looks every two seconds, which is also how soon a run that was asked for by hand begins and a clock that jumped
is noticed: every look compares what is planned with the wall clock as it stands, so that a jump, a sleep of the
machine and a downtime all end in the same catch-up. This module refuses to know what a job does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from daemon.core.errors import DomestiqueError, Retryable
from daemon.core.schedule import TIMERS, Reading, Replan, Take, Timer, Wait, next_due, plan, shift
from daemon.core.settle import Death, Deferral, settle
from daemon.loops.occasions import OCCASIONS, Means
from daemon.store import runs, timers
from daemon.store.database import Connection
from daemon.store.jobs import LeaseLost
from daemon.store.runs import Run
from daemon.store.timers import Next, Planned

log = structlog.get_logger()

POLL_SECONDS: Final = 2.0
STOP_SECONDS: Final = 4.0
MOST_ATTEMPTS: Final = 10  # without coming forward


class Timers:
    """Runs the scheduled jobs until cancelled; runs that are not through go on in whichever daemon is next."""

    def __init__(self, means: Means, zone: ZoneInfo, lease_seconds: float) -> None:
        self._means = means
        self._zone = zone
        self._lease_seconds = lease_seconds
        self._running: dict[asyncio.Task[None], Run] = {}
        self._held_back: dict[str, Planned] = {}
        self._ended = asyncio.Event()
        self._renewed_at = means.clock.elapsed_seconds()

    async def run(self) -> None:
        """Look, start, look again; on cancellation put down what runs."""
        try:
            before = self._read_clocks()
            while True:
                pause_seconds = POLL_SECONDS
                self._ended.clear()
                try:
                    pause_seconds = await self._look()
                except Retryable as error:
                    log.warning("timers.not_read", reason=str(error))
                await self._pause(pause_seconds)
                before = self._compare(before)
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _look(self) -> float:
        """Take whatever may begin now; returns how many seconds until the next look."""
        clock, database = self._means.clock, self._means.database
        async with database.connection() as connection:
            await self._renew_leases(connection)
            planned = {timer.job: timer for timer in await timers.list_all(connection)}
            now = clock.now()
            missing = [timer for timer in TIMERS.values() if timer.job not in planned]
            if missing:
                first = {timer.job: _next(timer, next_due(timer.timing, self._zone, now)) for timer in missing}
                await timers.plant(connection, first)
                return 0.0
            for timer in TIMERS.values():
                await self._consider(connection, timer, planned[timer.job])
            while run := await runs.take_waiting(connection, list(OCCASIONS), self._lease_seconds):
                self._start(run)
        waits = [(planned[job].starts_at - now).total_seconds() for job in TIMERS]
        return min([POLL_SECONDS, *(seconds for seconds in waits if seconds > 0)])

    async def _consider(self, connection: Connection, timer: Timer, planned: Planned) -> None:
        now = self._means.clock.now()
        match plan(timer.timing, self._zone, planned.due_at, now):
            case Replan(due_at, reason):
                await timers.replan(connection, planned, _next(timer, due_at))
                log.warning("timer.replanned", job=timer.job, due_at=due_at, reason=reason)
            case Take(due_at, next_due_at) if planned.starts_at <= now or due_at > planned.due_at:
                await self._take(connection, timer, planned, Take(due_at, next_due_at))
            case Take() | Wait():
                pass  # not due, or due and within its jitter

    async def _take(self, connection: Connection, timer: Timer, planned: Planned, due: Take) -> None:
        if planned.open_run_id is not None:
            if self._held_back.get(timer.job) != planned:
                self._held_back[timer.job] = planned
                log.warning("timer.held_back", job=timer.job, due_at=due.due_at, still_running=planned.open_run_id)
            return
        following = _next(timer, due.next_due_at)
        run = await timers.take(connection, planned, due.due_at, following, self._lease_seconds)
        if run is not None:
            if due.due_at > planned.due_at:
                log.warning("timer.caught_up", job=timer.job, missed_at=planned.due_at, due_at=due.due_at)
            self._start(run)

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, run: Run) -> None:
        # Owned by this loop: cancelled and awaited in _stop, and its errors are all settled inside.
        task = asyncio.get_running_loop().create_task(self._carry_out(run), name=f"run {run.run_id}")
        self._running[task] = run
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._ended.set()

    async def _carry_out(self, run: Run) -> None:
        with structlog.contextvars.bound_contextvars(job=run.job, run_id=run.run_id):
            log.info("run.started", due_at=run.due_at, trigger=run.trigger, attempt=run.attempts)
            try:
                result = await OCCASIONS[run.job](run, self._means)
                async with self._means.database.transaction() as connection:
                    figures = await runs.finish(connection, run, result)
                log.info("run.finished", result=result, **figures)
            except LeaseLost as error:
                log.warning("run.lease_lost", reason=str(error))
            except asyncio.CancelledError:
                await self._settle_surely(self._put_down(run))
                raise
            except Exception as error:
                if not isinstance(error, DomestiqueError):
                    log.exception("run.broke")
                await self._settle_surely(self._settle(run, error))

    async def _put_down(self, run: Run) -> None:
        async with self._means.database.transaction() as connection:
            await runs.put_down(connection, run, timedelta(0), None, give_back=True)
        log.info("run.put_down")

    async def _settle(self, run: Run, error: Exception) -> None:
        now = self._means.clock.now()
        decision = settle(error, run.attempts, MOST_ATTEMPTS, now, random.random())
        async with self._means.database.transaction() as connection:
            if isinstance(decision, Death):
                figures = await runs.fail(connection, run, decision.reason)
                log.error("run.failed", reason=decision.reason, **figures)
                return
            again_at = decision.until if isinstance(decision, Deferral) else decision.at
            # A database that restarts often is not the fault of a run that waits for its looks all day.
            weathers = isinstance(error, Retryable)
            await runs.put_down(connection, run, again_at - now, decision.reason, give_back=weathers)
        log.warning("run.interrupted", again_at=again_at, attempts=run.attempts, reason=decision.reason)

    async def _settle_surely(self, settlement: Awaitable[None]) -> None:
        """Settle although we may be cancelled; if the database is gone, the lease runs out for another."""
        task = asyncio.ensure_future(settlement)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=STOP_SECONDS)
            raise
        except DomestiqueError as error:
            log.warning("run.not_settled", reason=str(error))
        except Exception:
            log.exception("run.not_settled")

    async def _renew_leases(self, connection: Connection) -> None:
        elapsed = self._means.clock.elapsed_seconds()
        if elapsed - self._renewed_at < self._lease_seconds / 3:
            return
        self._renewed_at = elapsed
        held = dict(self._running)
        if not held:
            return
        still_ours = await runs.extend_leases(connection, list(held.values()), self._lease_seconds)
        for task, run in held.items():
            if run.run_id not in still_ours and not task.done():
                log.warning("run.lease_lost", run_id=run.run_id, job=run.job)
                task.cancel()

    async def _stop(self) -> None:
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    # ── clocks ──────────────────────────────────────────────────────────────────────────────────────────

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until a run has ended: its job may be due again."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            pass

    def _read_clocks(self) -> Reading:
        clock = self._means.clock
        return Reading(clock.now(), clock.elapsed_seconds(), asyncio.get_running_loop().time())

    def _compare(self, before: Reading) -> Reading:
        """Say what the clocks have done since `before`; the next look acts on it."""
        after = self._read_clocks()
        found = shift(before, after)
        if found.slept_seconds:
            log.warning("machine.slept", seconds=round(found.slept_seconds))
        if found.jumped_seconds:
            log.warning("clock.jumped", seconds=round(found.jumped_seconds))
        return after


def _next(timer: Timer, due_at: datetime) -> Next:
    return Next(due_at, due_at + random.random() * timer.jitter)

"""The worker: claims due jobs from open lanes, runs them side by side, settles whatever they end with.

Lanes that the ledger holds shut are passed over at the claim, so work that waits for quota holds no worker and no
lease. Some places are kept for live work: a webhook never waits for a backfill to end. A worker claims only kinds
that it was given: those that wait for strangers have workers of their own. This module refuses to know what a job
does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.core.admission import LANES, Lane
from daemon.core.errors import DomestiqueError, Retryable
from daemon.core.instruments import Ending
from daemon.core.settle import Death, Deferral, settle
from daemon.jobs.rooms import Rooms
from daemon.store import jobs
from daemon.store.database import Connection
from daemon.store.jobs import Job, LeaseLost

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0  # for jobs that other daemons queued, and for those whose time comes
DRAIN_SECONDS: Final = 3.0  # with what the server needs it makes less than five
LIVE_SHARE: Final = 0.25  # of the workers, for live work alone, unless told otherwise


@dataclass(frozen=True, slots=True)
class Work:
    """How much at once, how long a lease lasts unless renewed, when to give up, how long a stop waits.

    `live_share` of the workers, 0…1, serve live work alone. Where no job of theirs `asks_strava`, a claim need not
    read over those that do.
    """

    workers: int
    lease_seconds: float
    max_attempts: int
    drain_seconds: float = DRAIN_SECONDS
    live_share: float = LIVE_SHARE
    asks_strava: bool = True


class Worker:
    """Runs jobs until cancelled, then lets the running ones end; `lanes` says which it may claim from just now."""

    def __init__(
        self,
        rooms: Rooms,
        kinds: Mapping[str, Callable[[Job, Rooms], Awaitable[None]]],
        work: Work,
        lanes: Callable[[], Sequence[Lane]] = lambda: LANES,
    ) -> None:
        self._rooms = rooms
        self._kinds = kinds
        self._work = work
        self._lanes = lanes
        self._running: dict[asyncio.Task[None], Job] = {}
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something to claim."""
        self._news.set()

    @property
    def streams_days(self) -> float:
        """Return for how long the streams that come in now are kept: a reload may have changed it."""
        return self._rooms.streams_days

    def move(self, rooms: Rooms) -> None:
        """Run jobs in other rooms from the next one on."""
        self._rooms = rooms

    async def run(self) -> None:
        """Claim and run; on cancellation stop claiming, give running jobs a few seconds, release the rest."""
        try:
            while True:
                self._news.clear()
                if await self._claim() == 0:
                    await self._pause()
        except asyncio.CancelledError:
            await self._drain()
            raise

    async def renew_leases(self) -> None:
        """Keep the leases of running jobs alive until cancelled."""
        while True:
            await asyncio.sleep(self._work.lease_seconds / 3)
            held = list(self._running.values())
            if not held:
                continue
            try:
                async with self._rooms.database.connection() as connection:
                    still_ours = await jobs.extend_leases(connection, held, self._work.lease_seconds)
            except Retryable as error:
                log.warning("leases.not_renewed", reason=str(error))
                continue
            for task, job in list(self._running.items()):
                if job in held and job.job_id not in still_ours and not task.done():
                    log.warning("job.lease_lost", job_id=job.job_id, kind=job.kind)
                    task.cancel()

    def _free(self) -> int:
        return self._work.workers - len(self._running)

    def _free_for_all(self) -> int:
        return self._free() - int(self._work.live_share * self._work.workers)

    async def _claim(self) -> int:
        """Start what is due and return how much; 0 as well where every worker is busy."""
        if self._free() <= 0:
            return 0
        claiming = asyncio.ensure_future(self._start_claimed())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # A claim may be committed already: what it gave us is carried out or released, not left to its lease.
            await asyncio.wait([claiming], timeout=DRAIN_SECONDS)
            raise

    async def _start_claimed(self) -> int:
        try:
            async with self._rooms.database.connection() as connection:
                claimed = await self._claim_due(connection)
        except Retryable as error:
            log.warning("jobs.not_claimed", reason=str(error))
            return 0
        for job in claimed:
            # Owned by this worker: awaited in _pause and in _drain, and its errors are all settled inside.
            task = asyncio.get_running_loop().create_task(self._carry_out(job), name=f"job {job.job_id}")
            self._running[task] = job
            task.add_done_callback(self._ended)
        return len(claimed)

    async def _claim_due(self, connection: Connection) -> list[Job]:
        open_lanes = self._rooms.gate.open_lanes() if self._work.asks_strava else ()
        lease_seconds = self._work.lease_seconds
        free, claimed = max(0, self._free_for_all()), list[Job]()
        if free > 0:
            claimed = await jobs.claim_due(connection, self._kinds, self._lanes(), open_lanes, lease_seconds, free)
        most = self._free() - len(claimed)
        if len(claimed) == free and most > 0:  # there may be more
            live = (Lane.LIVE,)
            claimed += await jobs.claim_due(connection, self._kinds, live, open_lanes, lease_seconds, most)
        return claimed

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._news.set()

    async def _pause(self) -> None:
        """Wait until something was queued, a job ended, a lane opens, or a second has passed."""
        opens_in_seconds = self._rooms.gate.opens_in_seconds()
        try:
            async with asyncio.timeout(min(POLL_SECONDS, opens_in_seconds or POLL_SECONDS)):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _carry_out(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(
            job_id=job.job_id,
            kind=job.kind,
            **{"athlete_id": job.serial_key} if job.serial_key is not None else {},
            **{"activity_id": job.payload["activity_id"]} if "activity_id" in job.payload else {},
        ):
            began = self._rooms.clock.elapsed_seconds()
            ending: Ending = "released"  # where we are cancelled
            try:
                ending = await self._ended_as(job)
            finally:
                seconds = self._rooms.clock.elapsed_seconds() - began
                self._rooms.instruments.job_ended(job.kind, ending, seconds)

    async def _ended_as(self, job: Job) -> Ending:
        """Run a job and settle it, unless it does so itself; returns how it ended."""
        try:
            await self._kinds[job.kind](job, self._rooms)
        except LeaseLost as error:
            log.warning("job.lease_lost", reason=str(error))
            return "lease_lost"
        except asyncio.CancelledError:
            await self._settle_surely(self._release(job))
            raise
        except Exception as error:
            if not isinstance(error, DomestiqueError):
                log.exception("job.broke")
            return await self._settle_surely(self._settle(job, error))
        return "done"

    async def _settle(self, job: Job, error: Exception) -> Ending:
        most = job.most_attempts(self._work.max_attempts)
        decision = settle(error, job.attempts, most, self._rooms.clock.now(), random.random())
        async with self._rooms.database.transaction() as connection:
            match decision:
                case Death(reason):
                    await jobs.bury(connection, job, reason)
                    log.error("job.died", attempts=job.attempts, reason=reason)
                    return "died"
                case Deferral(until, reason):
                    await jobs.requeue(connection, job, until, reason, give_back=True)
                    log.info("job.deferred", until=until, reason=reason)
                    return "deferred"
                case _:
                    await jobs.requeue(connection, job, decision.at, decision.reason)
                    log.warning("job.retried", again_at=decision.at, attempts=job.attempts, reason=decision.reason)
                    return "retried"

    async def _release(self, job: Job) -> Ending:
        async with self._rooms.database.transaction() as connection:
            now = self._rooms.clock.now()
            await jobs.requeue(connection, job, now, "the daemon was stopped", give_back=True)
        log.info("job.released")
        return "released"

    async def _settle_surely(self, settlement: Awaitable[Ending]) -> Ending:
        """Settle although we may be cancelled; if the database is gone, the lease runs out and a sweep rescues."""
        task = asyncio.ensure_future(settlement)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=DRAIN_SECONDS)
            raise
        except DomestiqueError as error:
            log.warning("job.not_settled", reason=str(error))
        except Exception:
            log.exception("job.not_settled")
        return "not_settled"

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=self._work.drain_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=DRAIN_SECONDS)

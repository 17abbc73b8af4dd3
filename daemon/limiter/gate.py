"""The gate: everything that calls Strava passes here, in lane order, paced, with a permit from the ledger.

A piece of work asks for all the permits of its step at once, so that a refusal never repeats a call that was
already paid for. Which requests fit is decided in `core.quota`; this module reads the ledger, asks there, and
writes the answer back under the version that it read, so that daemons on one database never grant the same room
twice.

It refuses to wait for quota: who is refused learns until when (QuotaSpent) and gives its worker back.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import structlog
from aiolimiter import AsyncLimiter

from daemon.clock import Clock
from daemon.core import quota
from daemon.core.admission import LANES, Admission, Answered, Lane, Outcome, Permit
from daemon.core.errors import AppInactive, QuotaSpent, Retryable
from daemon.store import ledgers
from daemon.store.database import Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests may follow each other, and how many steps run side by side."""

    requests_per_second: float
    concurrency: int


class Gate:
    """Admits steps of work for one Strava app."""

    def __init__(
        self, database: Database, client_id: int, lengths: quota.Lengths, pace: Pace, clock: Clock
    ) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._clock = clock
        self._slots = _Slots(pace.concurrency)
        # A second's worth may go at once; then one by one.
        self._pacing = AsyncLimiter(max(1.0, pace.requests_per_second), max(1.0, 1.0 / pace.requests_per_second))
        self._writing = asyncio.Lock()  # one writer per process: we never contend with ourselves
        self._shut: tuple[float, quota.Wait] | None = None

    def step(self, lane: Lane, calls: int) -> Step:
        """Return the admission of one step that needs `calls` requests; enter it to ask for them."""
        return Step(self, lane, calls)

    def open_lanes(self) -> tuple[Lane, ...]:
        """Return the lanes from which work may be claimed now; what is refused stays queued untouched."""
        if self._shut is not None and self._clock.elapsed_seconds() < self._shut[0]:
            return ()
        self._shut = None
        return LANES

    def shut_reason(self) -> quota.Wait | None:
        """Return why no lane is open, as far as this process knows."""
        return None if self.open_lanes() or self._shut is None else self._shut[1]

    async def _admit(self, calls: int) -> _Held:
        """Charge `calls` permits; raises QuotaSpent or AppInactive."""
        async with self._writing:
            while True:
                asked_at = self._clock.elapsed_seconds()  # before the read, so that time since is never underrated
                entry = await self._read()
                decision = quota.admit(entry.ledger, calls, entry.read_at, self._lengths)
                if isinstance(decision, quota.Wait):
                    raise self._refusal(decision, entry.read_at)
                changed, grant = decision
                if await self._write(entry, changed):
                    return _Held(grant, asked_at)
                await asyncio.sleep(random.uniform(0, 0.005))  # another daemon was first

    async def _observe(self, grant: quota.Grant, answer: Answered) -> None:
        async with self._writing:
            while True:
                entry = await self._read()
                changed = quota.observe(entry.ledger, grant, answer, entry.read_at, self._lengths)
                if await self._write(entry, changed):
                    break
                await asyncio.sleep(random.uniform(0, 0.005))
        wait = quota.shut_until(changed, entry.read_at, self._lengths)
        if answer.outcome is Outcome.COUNTED:
            if wait is not None:
                self._remember(wait, entry.read_at)
            else:
                self._shut = None  # a first answer has come, or a window has turned
            return
        log.warning("quota.refused_by_strava", outcome=answer.outcome.value, until=wait and wait.until)
        if wait is not None:
            raise self._refusal(wait, entry.read_at)
        # A late 429 of a window that is over: the new one is open, but not for the next second.
        raise QuotaSpent("Strava's window has just turned", entry.read_at + timedelta(seconds=1))

    def _remember(self, wait: quota.Wait, at: datetime) -> None:
        # Jitter, lest all daemons come back in the same millisecond.
        seconds = max(0.0, (wait.until - at).total_seconds()) + random.uniform(0, 0.5)
        self._shut = (self._clock.elapsed_seconds() + seconds, wait)

    def _refusal(self, wait: quota.Wait, at: datetime) -> QuotaSpent:
        self._remember(wait, at)
        return AppInactive(wait.reason, wait.until) if wait.inactive else QuotaSpent(wait.reason, wait.until)

    async def _read(self) -> ledgers.Entry:
        async with self._database.connection() as connection:
            entry = await ledgers.read(connection, self._client_id)
        if entry is None:
            raise Retryable("the quota ledger has no row for this app: was the database emptied while running?")
        return entry

    async def _write(self, entry: ledgers.Entry, changed: quota.Ledger) -> bool:
        async with self._database.connection() as connection:
            return await ledgers.write(connection, self._client_id, entry, changed)


@dataclass(slots=True)
class _Held:
    """Permits in hand; `asked_at` is elapsed time just before the ledger's clock was read."""

    grant: quota.Grant
    asked_at: float

    def still_valid(self, elapsed: float) -> bool:
        age = timedelta(seconds=elapsed - self.asked_at)
        deadline = self.grant.send_before - timedelta(seconds=quota.CONNECT_SECONDS)
        return self.grant.admitted_at + age < deadline


class Step(Admission):
    """The admission of one step: enter it, then take one permit before each send."""

    def __init__(self, gate: Gate, lane: Lane, calls: int) -> None:
        self._gate = gate
        self._lane = lane
        self._calls = calls
        self._held: list[_Held] = []
        self._leave: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        """Wait for a slot, then ask for all permits; raises QuotaSpent or AppInactive."""
        self._leave = await self._gate._slots.enter(self._lane)
        try:
            held = await self._gate._admit(self._calls)
        except BaseException:
            self._leave()
            raise
        self._held = [held] * self._calls
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the slot back; permits not used stay charged, since one may have been on its way."""
        if self._leave is not None:
            self._leave()
            self._leave = None

    async def permit(self) -> Permit:
        """Return the next permit: one in hand if it is still good, else a new one from the ledger."""
        gate = self._gate
        await gate._pacing.acquire()
        while self._held:
            held = self._held.pop()
            if held.still_valid(gate._clock.elapsed_seconds()):
                return _Permit(gate, held.grant)
        return _Permit(gate, (await gate._admit(1)).grant)


class _Permit(Permit):
    def __init__(self, gate: Gate, grant: quota.Grant) -> None:
        self._gate = gate
        self._grant = grant

    async def answered(self, answer: Answered) -> None:
        try:
            await self._gate._observe(self._grant, answer)
        except Retryable as error:
            if answer.outcome is not Outcome.COUNTED:
                raise
            # The answer itself is worth more than its reading: unobserved, the permit stays charged.
            log.warning("quota.reading_lost", reason=str(error))


class _Slots:
    """As many steps side by side as allowed, the highest lane first; a live step waits for nobody."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def enter(self, lane: Lane) -> Callable[[], None]:
        """Wait for a slot; returns what gives it back."""
        if lane is Lane.LIVE:
            return lambda: None
        if self._free > 0:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (LANES.index(lane), next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()  # the slot was handed over in the same moment
                raise
        return self._leave

    def _leave(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

"""The gate: everything that calls Strava passes here, in lane order, paced, with a permit from the ledger.

A piece of work asks for all the permits of its step at once, so that a refusal never repeats a call that was
already paid for. Which requests fit is decided in `core.quota`; this module reads the ledger, asks there, and
writes the answer back under the version that it read, so that daemons on one database never grant the same room
twice.

It refuses to wait for quota: who is refused learns until when (QuotaSpent) and gives its worker back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self, TypeVar

import structlog

from daemon.clock import Clock
from daemon.core import quota
from daemon.core.admission import LANES, Admission, Answered, Lane, Outcome, Permit
from daemon.core.errors import AppInactive, QuotaSpent, Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.limiter.pacing import Pace, Pacing
from daemon.limiter.turns import Turns
from daemon.store import ledgers
from daemon.store.database import Connection, Database

log = structlog.get_logger()

T = TypeVar("T")

LEARN_EVERY_SECONDS: Final = 300.0
LEARN_FROM: Final = timedelta(weeks=6)
LOST_AFTER_SECONDS: Final = quota.SEND_WITHIN_SECONDS + quota.TRANSIT_SECONDS  # it is counted by then, or never
JITTER_SECONDS: Final = 0.5  # lest all daemons come back in the same millisecond


class Gate:
    """Admits steps of work for one Strava app."""

    def __init__(
        self,
        database: Database,
        client_id: int,
        lengths: quota.Lengths,
        pace: Pace,
        clock: Clock,
        instruments: Instruments = SILENT,
    ) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._clock = clock
        self._instruments = instruments
        self._slots = Turns(pace.concurrency)
        self._pacing = Pacing(pace)
        self._writing = Turns(1)  # one writer per process: we never contend with ourselves
        self._demand = quota.NO_DEMAND
        self._learned_at: float | None = None
        self._shut: dict[Lane, _Shut] = {}
        self._lost: list[tuple[float, quota.Grant]] = []
        self._newest: quota.Ledger | None = None  # as we last wrote it

    def step(self, lane: Lane, calls: int) -> Step:
        """Return the admission of one step that needs `calls` requests; enter it to ask for them."""
        return Step(self, lane, calls)

    def open_lanes(self) -> tuple[Lane, ...]:
        """Return the lanes from which work may be claimed now; what is refused stays queued untouched."""
        elapsed = self._clock.elapsed_seconds()
        return tuple(lane for lane in LANES if lane not in self._shut or elapsed >= self._shut[lane].until)

    def opens_in_seconds(self) -> float | None:
        """Return in how many seconds the next lane opens; None where all are open."""
        elapsed = self._clock.elapsed_seconds()
        return min((shut.until - elapsed for shut in self._shut.values() if shut.until > elapsed), default=None)

    def shut_reason(self) -> quota.Wait | None:
        """Return why not even live work is admitted, as far as this process knows."""
        return None if Lane.LIVE in self.open_lanes() else self._shut[Lane.LIVE].wait

    async def _admit(self, ask: quota.Ask) -> _Held:
        """Charge an ask; raises QuotaSpent or AppInactive."""
        asked_at = self._clock.elapsed_seconds()  # before the read, so that time since is never underrated

        def decide(entry: ledgers.Entry) -> tuple[quota.Ledger, quota.Grant]:
            decision = quota.admit(entry.ledger, ask, entry.read_at, self._lengths, self._demand)
            if isinstance(decision, quota.Wait):
                raise self._refusal(ask, decision, entry.read_at)
            return decision

        async with self._writing.turn(ask.lane):
            await self._learn()
            try:
                ledger, grant = await self._change(decide)
            except QuotaSpent:
                self._instruments.permits_refused(ask.lane)
                raise
        self._instruments.permits_given(ask.lane, ask.count)
        self._notice(ledger, ask, grant.admitted_at)
        return _Held(grant, asked_at)

    async def _observe(self, ask: quota.Ask, grant: quota.Grant, answer: Answered) -> None:
        lost: list[tuple[float, quota.Grant]] = []

        def decide(entry: ledgers.Entry) -> tuple[quota.Ledger, datetime]:
            ledger = entry.ledger
            for _, unanswered in lost:
                ledger = quota.observe(ledger, unanswered, Answered(None, None), entry.read_at, self._lengths)
            return quota.observe(ledger, grant, answer, entry.read_at, self._lengths), entry.read_at

        async with self._writing.turn(ask.lane):
            # Taken off before they are settled: what a broken line leaves open stays charged, none counts twice.
            over = self._clock.elapsed_seconds() - LOST_AFTER_SECONDS
            lost += [one for one in self._lost if one[0] <= over]
            self._lost = [one for one in self._lost if one[0] > over]
            ledger, now = await self._change(decide)
        self._notice(ledger, ask, now)
        if answer.outcome is Outcome.COUNTED:
            return
        wait = quota.shut_until(ledger, quota.Ask(Lane.LIVE, 1), now, self._lengths, self._demand)
        log.warning("quota.refused_by_strava", outcome=answer.outcome.value, until=wait and wait.until)
        if wait is not None:
            raise self._refusal(quota.Ask(Lane.LIVE, 1), wait, now)
        # A late 429 of a window that is over: the new one is open, but not for the next second.
        raise QuotaSpent("Strava's window has just turned", now + timedelta(seconds=1))

    async def _change(self, decide: Callable[[ledgers.Entry], tuple[quota.Ledger, T]]) -> tuple[quota.Ledger, T]:
        """Read the ledger, decide, and write; once more where another daemon was first."""
        while True:
            async with self._database.connection() as connection:
                entry = await ledgers.require(connection, self._client_id)
                changed, result = decide(entry)
                past = quota.past_quarter(entry.ledger, changed, self._lengths)
                if await ledgers.write(connection, self._client_id, entry, changed, past):
                    self._newest = changed
                    return changed, result
            await asyncio.sleep(random.uniform(0, 0.005))

    async def _learn(self) -> None:
        """Learn now and then what the lanes need at this hour of the week."""
        elapsed = self._clock.elapsed_seconds()
        if self._learned_at is not None and elapsed < self._learned_at + LEARN_EVERY_SECONDS:
            return
        async with self._database.connection() as connection:
            _, self._demand = await read_with_demand(connection, self._client_id, self._lengths)
        self._learned_at = elapsed

    def _notice(self, ledger: quota.Ledger, ask: quota.Ask, now: datetime) -> None:
        """Remember which lanes are shut now, judged by a step as large as this one."""
        for lane in reversed(LANES):
            wait = quota.shut_until(ledger, quota.Ask(lane, ask.count), now, self._lengths, self._demand)
            if wait is None:
                if lane is LANES[-1]:
                    self._shut.clear()  # the lowest leaves most to others: where it is open, all are
                    return
                self._shut.pop(lane, None)
            else:
                self._shut[lane] = self._until(wait, now)

    def _until(self, wait: quota.Wait, now: datetime) -> _Shut:
        seconds = max(0.0, (wait.until - now).total_seconds()) + random.uniform(0, JITTER_SECONDS)
        return _Shut(self._clock.elapsed_seconds() + seconds, wait)

    def _refusal(self, ask: quota.Ask, wait: quota.Wait, now: datetime) -> QuotaSpent:
        """Shut the lane; what is spent or inactive is so for all. A lane below may have its share left."""
        for lane in LANES if wait.spent or wait.inactive else (ask.lane,):
            self._shut[lane] = self._until(wait, now)
        return AppInactive(wait.reason, wait.until) if wait.inactive else QuotaSpent(wait.reason, wait.until)


async def read_with_demand(
    connection: Connection, client_id: int, lengths: quota.Lengths
) -> tuple[ledgers.Entry, quota.Demand]:
    """Return the ledger, and what the lanes have been needing in the last weeks; raises Retryable without a row."""
    entry = await ledgers.require(connection, client_id)
    past = await ledgers.past_hours(connection, client_id, entry.read_at - LEARN_FROM)
    return entry, quota.learned(past, entry.read_at, entry.ledger.limits, lengths)


@dataclass(frozen=True, slots=True)
class _Shut:
    """A lane is shut until an elapsed time, for a reason."""

    until: float
    wait: quota.Wait


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
        self._slot = AsyncExitStack()
        self._is_paced = False

    async def __aenter__(self) -> Self:
        """Wait for a slot and the pace, then ask for all permits; raises QuotaSpent or AppInactive."""
        began = self._gate._clock.elapsed_seconds()
        async with AsyncExitStack() as slot:
            if self._lane is not Lane.LIVE:  # a live step waits for nobody
                await slot.enter_async_context(self._gate._slots.turn(self._lane))
            # Before the ledger is asked: a permit that waits is lost in a crash, and knows less of what has come.
            await self._gate._pacing.wait(self._lane)
            self._is_paced = True
            held = await self._gate._admit(quota.Ask(self._lane, self._calls))
            self._slot = slot.pop_all()
        self._held = [held] * self._calls
        waited_seconds = self._gate._clock.elapsed_seconds() - began
        self._gate._instruments.step_waited(self._lane, waited_seconds)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the slot back; permits not used stay charged, since one may have been on its way."""
        await self._slot.aclose()

    async def permit(self) -> Permit:
        """Return the next permit: one in hand if it is still good, else a new one from the ledger."""
        gate = self._gate
        if not self._is_paced:
            await gate._pacing.wait(self._lane)
        self._is_paced = False
        ask = quota.Ask(self._lane, self._calls)
        while self._held:
            held = self._held.pop()
            if held.still_valid(gate._clock.elapsed_seconds()):
                grant = held.grant if gate._newest is None else quota.seen_since(held.grant, gate._newest)
                return _Permit(gate, ask, grant)
        return _Permit(gate, ask, (await gate._admit(quota.Ask(self._lane, 1))).grant)


class _Permit(Permit):
    def __init__(self, gate: Gate, ask: quota.Ask, grant: quota.Grant) -> None:
        self._gate = gate
        self._ask = ask
        self._grant = grant

    async def answered(self, answer: Answered) -> None:
        try:
            await self._gate._observe(self._ask, self._grant, answer)
        except Retryable as error:
            if answer.outcome is not Outcome.COUNTED:
                raise
            # The answer itself is worth more than its reading: unobserved, the permit stays charged.
            log.warning("quota.reading_lost", reason=str(error))

    async def lost(self) -> None:
        # Settled with the next answer that comes once this one cannot be counted any more.
        self._gate._lost.append((self._gate._clock.elapsed_seconds(), self._grant))

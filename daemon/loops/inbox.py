"""The inbox: bodies are stored by group commit before anybody is told 200, then folded into jobs.

`accept` returns after the commit; everything that waits while a commit is under way goes into the next one, so
that the database sees a few large inserts instead of many small ones. This module refuses to judge a body; it is
parsed before it comes here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core.admission import Lane
from daemon.core.errors import Retryable
from daemon.core.events import Event, Look, MalformedEvent, fold, parse
from daemon.core.instruments import SILENT, Instruments
from daemon.jobs import look_at_activity, look_at_athlete
from daemon.store import apps, athletes, events, jobs, sync_states
from daemon.store.database import Connection, Database
from daemon.store.events import Arrival, Mark, Unfolded
from daemon.store.jobs import NewJob

log = structlog.get_logger()

MOST_WAITING: Final = 10_000  # beyond this, Strava's second attempt is the better buffer
MOST_PER_COMMIT: Final = 1_000
MOST_PER_FOLD: Final = 500
COMMIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 1.0  # other daemons' events, and what a failed fold left behind


@dataclass(frozen=True, slots=True)
class Budget:
    """How many looks webhooks may cause in an hour in the live lane; the rest go to spare quota only."""

    owner_looks_per_hour: int
    looks_per_hour: int


class Inbox:
    """Stores arrivals; run `write` for as long as anything may arrive."""

    def __init__(self, database: Database, on_stored: Callable[[], None]) -> None:
        self._database = database
        self._on_stored = on_stored
        self._waiting: list[tuple[Arrival, asyncio.Future[bool]]] = []
        self._arrived = asyncio.Event()

    async def accept(self, arrival: Arrival) -> bool:
        """Store one body durably; returns whether it was new. Raises Retryable where it is not stored.

        A caller that gives up waiting leaves the body in the queue: stored late is better than not at all, and
        a repeated delivery is recognised.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Retryable("too many events are waiting to be stored")
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        self._arrived.set()
        return await asyncio.shield(stored)

    async def write(self) -> None:
        """Commit what has come, again and again; on cancellation commit the rest first."""
        try:
            while True:
                await self._arrived.wait()
                await self._commit()
        except asyncio.CancelledError:
            while self._waiting and await self._commit():
                pass
            for _, stored in self._waiting:
                _fail(stored, Retryable("the daemon stops"))
            raise

    async def _commit(self) -> bool:
        """Store what waits, up to a batch; returns whether that worked."""
        batch, self._waiting = self._waiting[:MOST_PER_COMMIT], self._waiting[MOST_PER_COMMIT:]
        if not self._waiting:
            self._arrived.clear()
        try:
            async with asyncio.timeout(COMMIT_SECONDS), self._database.connection() as connection:
                new_keys = await events.store_batch(connection, [arrival for arrival, _ in batch])
        except (Retryable, TimeoutError) as error:
            log.warning("webhook.not_stored", events=len(batch), reason=str(error) or "the commit took too long")
            for _, stored in batch:
                _fail(stored, Retryable("the event could not be stored"))
            return False
        except asyncio.CancelledError:
            self._waiting = batch + self._waiting  # once more: stored twice is stored once
            raise
        except BaseException:
            for _, stored in batch:
                _fail(stored, Retryable("the event may not have been stored"))
            raise
        for arrival, stored in batch:
            if not stored.done():
                stored.set_result(arrival.dedup_key in new_keys)
            new_keys.discard(arrival.dedup_key)  # twins in one batch: only the first was new
        self._on_stored()
        return True


def _fail(stored: asyncio.Future[bool], error: Exception) -> None:
    if not stored.done():
        stored.set_exception(error)
        stored.exception()  # its caller may have gone


class Folding:
    """Turns stored events into jobs; several daemons may do so side by side."""

    def __init__(
        self,
        database: Database,
        client_id: int,
        budget: Budget,
        clock: Clock,
        on_queued: Callable[[], None],
        *,
        signatures_required: bool,
        instruments: Instruments = SILENT,
    ) -> None:
        self._database = database
        self._client_id = client_id
        self._budget = budget
        self._clock = clock
        self._on_queued = on_queued
        self._signatures_required = signatures_required
        self._instruments = instruments
        self._stored = asyncio.Event()

    def wake(self) -> None:
        """Say that something was stored."""
        self._stored.set()

    def allow(self, budget: Budget) -> None:
        """Judge by another budget from the next event on; what was spent this hour stays spent."""
        self._budget = budget

    async def run(self) -> None:
        """Fold until cancelled."""
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._stored.wait()
            except TimeoutError:
                pass
            self._stored.clear()
            try:
                while await self.fold_once() == MOST_PER_FOLD:
                    pass
            except Retryable as error:
                log.warning("events.not_folded", reason=str(error))
                await asyncio.sleep(POLL_SECONDS)

    async def fold_once(self) -> int:
        """Fold the oldest events in one transaction; returns how many."""
        async with self._database.transaction() as connection:
            unfolded = await events.lock_unfolded(connection, MOST_PER_FOLD)
            if not unfolded:
                return 0
            read = [(stored, event) for stored in unfolded if (event := _event(stored)) is not None]
            known = await athletes.hold_known(connection, {event.owner_id for _, event in read})
            subscription_id = await apps.subscription_id(connection, self._client_id)
            trusted = [not self._signatures_required or stored.signature == "valid" for stored, _ in read]
            folded = fold([event for _, event in read], trusted, known, subscription_id)
            queued = await self._jobs(connection, folded.looks, _first_received(read))
            await jobs.enqueue(connection, queued)
            if folded.looks:
                heard = {look.athlete_id for look in folded.looks}
                await sync_states.hear_events(connection, heard, self._clock.now())
            marks = {stored.event_id: Mark(stored.event_id, None, "malformed") for stored in unfolded}
            for (stored, event), outcome in zip(read, folded.outcomes, strict=True):
                owner_id = event.owner_id if event.owner_id in known else None
                marks[stored.event_id] = Mark(stored.event_id, owner_id, outcome)
            await events.mark_folded(connection, list(marks.values()))
        outcomes = Counter(mark.outcome for mark in marks.values())
        self._instruments.events_folded(outcomes)
        ignored = {outcome: count for outcome, count in outcomes.items() if outcome != "folded"}
        log.info("events.folded", events=len(unfolded), jobs=len(queued), ignored=ignored)
        if queued:
            self._on_queued()
        return len(unfolded)

    async def _jobs(
        self, connection: Connection, looks: Sequence[Look], first_received: Mapping[int, datetime]
    ) -> list[NewJob]:
        """Give each look its lane: live within the budget, spare quota beyond it. Nothing is dropped.

        `first_received` tells of each activity when its first event came, for the job to tell how long it all took.
        """
        if not looks:
            return []
        now = self._clock.now()
        asked = Counter(look.athlete_id for look in looks)
        totals = await events.spend_budget(connection, {**asked, 0: len(looks)}, _hour(now))
        flooded = totals[0] > self._budget.looks_per_hour
        over = {owner for owner in asked if totals[owner] > self._budget.owner_looks_per_hour}
        if over or flooded:
            log.warning("webhook.budget_exceeded", athletes=sorted(over)[:20], all=flooded)
        queued = []
        for look in looks:
            lane = Lane.BACKFILL if flooded or look.athlete_id in over else Lane.LIVE
            if look.activity_id is None:
                queued.append(look_at_athlete.new(look, lane, now))
            else:
                queued.append(look_at_activity.new(look, lane, now, first_received[look.activity_id]))
        return queued


def _event(stored: Unfolded) -> Event | None:
    """Read a body again; None where an upgrade of ours has become stricter: it must not end the process."""
    try:
        return parse(stored.body)
    except MalformedEvent:
        return None


def _first_received(read: Sequence[tuple[Unfolded, Event]]) -> dict[int, datetime]:
    received: dict[int, datetime] = {}
    for stored, event in read:
        if event.object_type == "activity":
            received[event.object_id] = min(stored.received_at, received.get(event.object_id, stored.received_at))
    return received


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)

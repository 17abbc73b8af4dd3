"""A look that an athlete asks for himself: queued before all that nobody waits for, once every few minutes.

Refuses to wait for it: what the look finds is told as news. The operator's own trial is `sync_trial`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from daemon.core.admission import Lane
from daemon.core.advice import hindrance
from daemon.core.freshness import Occasion, Policy, Proof, Sync, should_sync
from daemon.jobs import sync_athlete
from daemon.store import athletes, jobs, sync_states
from daemon.store.database import Connection

EVERY: Final = timedelta(minutes=5)
REASON: Final = "the athlete asks for it"
NO_PROOF: Final = Proof(verified_at=None, up_since=None, event_at=None)  # a wish needs none


@dataclass(frozen=True, slots=True)
class Queued:
    """The look is under way; `job_id` is that of the job that does it."""

    job_id: int


@dataclass(frozen=True, slots=True)
class TooSoon:
    """He has asked a moment ago, and may again at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Hindered:
    """Nothing can be asked of Strava for him; the sentence says what he should do."""

    sentence: str


Answer: TypeAlias = Queued | TooSoon | Hindered


async def ask(connection: Connection, athlete_id: int, now: datetime, policy: Policy) -> Answer | None:
    """Queue the look in the caller's transaction, or say why not; None: there is no such athlete."""
    if not await athletes.hold_known(connection, [athlete_id]):
        return None
    athlete, known = await athletes.get(connection, athlete_id), await sync_states.get(connection, athlete_id)
    if athlete is None or known is None:
        return None
    sentence = hindrance(athlete["state"], athlete["scope"])
    if sentence is not None:
        return Hindered(sentence)
    asked_at = await sync_states.take_ask(connection, athlete_id, now, EVERY)
    if asked_at is not None:
        return TooSoon(asked_at + EVERY)
    decision = should_sync(known, Occasion.MANUAL, now, NO_PROOF, policy)
    lookback = decision.lookback if isinstance(decision, Sync) else sync_athlete.AUDIT
    (job_id,) = await jobs.enqueue(
        connection, [sync_athlete.new(athlete_id, lookback, Lane.INTERACTIVE, now, REASON)]
    )
    return Queued(job_id)

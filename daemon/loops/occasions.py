"""What each scheduled job does: seven occasions to consider athletes, by the names of `core.schedule`.

Four of them sync, one walks over histories and has loads computed again, two have thresholds looked at. An occasion
goes over the athletes page by page and lets the policy decide; what it decides are asks, which become jobs the most
urgent first, never more than a few hundred at a time. All that lies in the database, so an occasion may be cut off
anywhere and goes on elsewhere. This module refuses to know when it runs, and to look at an athlete itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

import structlog

from daemon.clock import Clock
from daemon.core import quota
from daemon.core.admission import Lane
from daemon.core.freshness import (
    PASSED,
    STALE_URGENCY,
    Affordable,
    Athlete,
    Occasion,
    Policy,
    Proof,
    Sync,
    affordable,
    doubt,
    should_sync,
)
from daemon.jobs import (
    backfill,
    fit_thresholds,
    follow_fitness,
    recompute_load,
    sync_athlete,
    sync_wellness,
    validate_thresholds,
    walk_history,
)
from daemon.limiter.gate import read_with_demand
from daemon.science.thresholds import Occasion as FitOccasion
from daemon.store import athletes, intervals_credentials, jobs, receivers, runs, sync_states
from daemon.store.database import Connection, Database
from daemon.store.jobs import NewJob
from daemon.store.runs import Ask, NewAsk, Progress, Run

log = structlog.get_logger()

MOST_PER_PAGE: Final = 1_000
MOST_AT_A_STRETCH: Final = 100  # decisions before the event loop has its turn: the webhook must not feel them
MOST_DECIDED: Final = 10_000  # the most urgent of so many go first; more would be old when their turn comes
MOST_ASKED: Final = 200  # jobs in the queue: what Strava's quota carries in five minutes
MOST_PER_SLICE: Final = 100
POLL_SECONDS: Final = 1.0
LONGEST_POLL_SECONDS: Final = 15.0  # where nothing moves
STRAGGLERS_EVERY_SECONDS: Final = 15.0
MOST_FAILURES: Final = 3  # of one look, before its run goes on without it
MONTHLY_DAYS: Final = 90
QUICK_WELLNESS_DAYS: Final = 7
AUDITED_WELLNESS_DAYS: Final = 30
PROOF_SECONDS: Final = 60.0  # how old the proof may be that athletes are judged by
SAMPLED_PER_PAGE: Final = 50
SPAN: Final = timedelta(minutes=30)  # until the next occasion


Beside: TypeAlias = Callable[[int, datetime], list[NewJob]]  # what is queued for an athlete as he is considered


def _nothing(_: int, __: datetime) -> list[NewJob]:
    return []


@dataclass(frozen=True, slots=True)
class Means:
    """What an occasion works with; `on_queued` wakes the worker."""

    database: Database
    client_id: int
    lengths: quota.Lengths
    policy: Policy
    clock: Clock
    on_queued: Callable[[], None]


async def _sync(occasion: Occasion, run: Run, means: Means, beside: Beside = _nothing) -> str:
    def job(ask: Ask, run_at: datetime) -> NewJob:
        lookback = timedelta(seconds=ask.lookback_seconds)
        return sync_athlete.new(ask.athlete_id, lookback, Lane.SCHEDULED, run_at, ask.reason)

    considered = await _consider_everybody(run, means, occasion, job, beside)
    return f"considered {considered} athletes for a sync"


async def _sync_both(occasion: Occasion, wellness_days: int, beside: Beside, run: Run, means: Means) -> str:
    # Wellness first: it asks nothing of Strava, and is there when the looks compute their loads.
    asked = await _ask_for_wellness(wellness_days, means, occasion.value)
    return f"{await _sync(occasion, run, means, beside)}{asked}"


def _daily(athlete_id: int, now: datetime) -> list[NewJob]:
    # A day has passed: fitness fades although nothing was done.
    return [validate_thresholds.new(athlete_id, now), follow_fitness.new(athlete_id, Lane.SCHEDULED, now)]


async def _ask_for_wellness(days: int, means: Means, reason: str) -> str:
    """Queue a sync of wellness for everybody who gave a key of Intervals.icu; returns it in words."""
    async with means.database.connection() as connection:
        athlete_ids = await intervals_credentials.active(connection)
    for begin in range(0, len(athlete_ids), MOST_PER_PAGE):
        now, part = means.clock.now(), athlete_ids[begin : begin + MOST_PER_PAGE]
        async with means.database.transaction() as connection:
            known = await athletes.hold_known(connection, part)
            await jobs.enqueue(
                connection, [sync_wellness.new(each, days, Lane.SCHEDULED, now, reason) for each in known]
            )
        means.on_queued()
    return f", asked for {days} days of wellness of {len(athlete_ids)}" if athlete_ids else ""


async def _ingestion_tick(run: Run, means: Means) -> str:
    # Backfills first: they live on what the looks leave, and must not wait until all of those are done.
    async with means.database.transaction() as connection:
        continued = await backfill.continue_all(connection, means.clock.now())
    means.on_queued()
    return f"continued {continued} backfills, {await _sync(Occasion.INGESTION_TICK, run, means)}"


async def _monthly_load(run: Run, means: Means) -> str:
    def job(ask: Ask, run_at: datetime) -> NewJob:
        return walk_history.new(ask.athlete_id, Lane.BACKFILL, run_at, ask.reason)

    def recompute(athlete_id: int, now: datetime) -> list[NewJob]:
        from_on = (now - timedelta(days=MONTHLY_DAYS)).date()
        return [recompute_load.new(athlete_id, from_on, "the monthly round", now)]

    considered = await _consider_everybody(run, means, Occasion.MONTHLY_WALK, job, recompute)
    return (
        f"asked for the loads of {MONTHLY_DAYS} days of {considered} athletes,"
        " and considered them for a walk over their history"
    )


async def _weekly_thresholds(run: Run, means: Means) -> str:
    asked = await _ask_for_wellness(AUDITED_WELLNESS_DAYS, means, run.job)
    return f"{await _fit(FitOccasion.WEEKLY, run, means)}{asked}"


async def _resting_hr(run: Run, means: Means) -> str:
    return await _fit(FitOccasion.RESTING_HR, run, means)


async def _fit(occasion: FitOccasion, run: Run, means: Means) -> str:
    """Queue a look at everybody's thresholds, some hundred at a time; the cursor goes on where a run died."""
    pause_seconds = POLL_SECONDS
    while True:
        now = means.clock.now()
        async with means.database.connection() as connection:
            reached = await runs.progress(connection, run)
            # Looks that wait for their athlete's next day may be many, and leave room for these.
            waiting = await jobs.count_athletes_waiting(connection, fit_thresholds.KIND, due_by=now)
        if reached.considered_all:
            return f"asked for a look at the thresholds of {reached.considered} athletes"
        if waiting >= MOST_ASKED:
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_POLL_SECONDS)
            continue
        pause_seconds = POLL_SECONDS
        async with means.database.connection() as connection:
            page = await sync_states.page(connection, reached.cursor_athlete_id, MOST_ASKED)
        come = replace(
            reached,
            cursor_athlete_id=page[-1].athlete_id if page else reached.cursor_athlete_id,
            considered_all=len(page) < MOST_ASKED,
            considered=reached.considered + len(page),
        )
        async with means.database.transaction() as connection:
            # Before the run's row, in the order of an erasure, which goes from the athlete to the runs.
            known = await athletes.hold_known(connection, [one.athlete_id for one in page])
            await runs.advance(connection, run, come, [])
            await jobs.enqueue(connection, [fit_thresholds.new(each, occasion, now) for each in known])
        means.on_queued()


OCCASIONS: Final[Mapping[str, Callable[[Run, Means], Awaitable[str]]]] = {
    "ingestion_tick": _ingestion_tick,
    "background_sync": partial(_sync, Occasion.BACKGROUND_SYNC),
    "quick_sync": partial(_sync_both, Occasion.QUICK_SYNC, QUICK_WELLNESS_DAYS, _nothing),
    "daily_sync": partial(_sync_both, Occasion.DAILY_SYNC, AUDITED_WELLNESS_DAYS, _daily),
    "weekly_thresholds": _weekly_thresholds,
    "monthly_load": _monthly_load,
    "resting_hr": _resting_hr,
}


class Budget:
    """What a run may spend on looks, and the proof that it judges by; both are read anew as time goes by.

    Where the day's calls cannot keep everybody fresh, the most urgent go first, less urgent looks are passed over,
    and what is left is spread over the day. The fixed policy knows no such thing.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._proof: tuple[float, Proof] | None = None
        self._allowed: tuple[float, Affordable] | None = None
        self._sampled = self._doubted = 0

    async def proof(self, connection: Connection) -> Proof:
        """Return what vouches for webhooks, a minute old at most."""
        now = self._means.clock.elapsed_seconds()
        if self._proof is None or now - self._proof[0] > PROOF_SECONDS:
            self._proof = (now, await receivers.proof(connection, self._means.client_id))
        return self._proof[1]

    def sample(self, page: Sequence[Athlete], proof: Proof) -> None:
        """Count for how many of some athletes nothing vouches: they have to be looked at every few hours."""
        some = page[:: max(1, len(page) // SAMPLED_PER_PAGE)]
        doubts = [doubt(athlete, self._means.clock.now(), proof) for athlete in some]
        self._sampled += len(some)
        self._doubted += sum(one is not None and one.why not in PASSED for one in doubts)

    async def pass_over(self, run: Run) -> int:
        """Skip what cannot be afforded until the next occasion; returns how many asks that were."""
        if self._means.policy.name == "fixed":
            return 0
        now = self._means.clock.elapsed_seconds()
        async with self._means.database.transaction() as connection:
            if self._allowed is None or now - self._allowed[0] > SPAN.total_seconds():
                self._allowed = (now, await self._affordable(connection))
            allowed = self._allowed[1]
            passed = await runs.pass_over(connection, run, allowed.looks, allowed.less_urgent, STALE_URGENCY)
        if passed:
            log.info("run.passed_over", athletes=passed, looks=allowed.looks, less_urgent=allowed.less_urgent)
        return passed

    def spend(self, asks: Sequence[Ask]) -> None:
        """Take what was queued off."""
        if self._allowed is not None:
            at, allowed = self._allowed
            less_urgent = sum(ask.urgency < STALE_URGENCY for ask in asks)
            self._allowed = (at, Affordable(allowed.looks - len(asks), allowed.less_urgent - less_urgent))

    async def _affordable(self, connection: Connection) -> Affordable:
        means = self._means
        entry, demand = await read_with_demand(connection, means.client_id, means.lengths)
        now = entry.read_at
        calls = quota.left_today(entry.ledger, Lane.SCHEDULED, now, means.lengths, demand)
        athletes = await sync_states.count_active(connection)
        doubted = round(athletes * self._doubted / max(1, self._sampled))
        left = timedelta(seconds=means.lengths.day_seconds - now.timestamp() % means.lengths.day_seconds)
        return affordable(calls, doubted, left, SPAN)


async def _consider_everybody(
    run: Run, means: Means, occasion: Occasion, job: Callable[[Ask, datetime], NewJob], beside: Beside
) -> int:
    """Consider every athlete, queue the looks that are worth it, return how many when the last is settled."""
    cleared_at = means.clock.elapsed_seconds()
    budget = Budget(means)
    while True:
        async with means.database.connection() as connection:
            reached = await runs.progress(connection, run)
        if not reached.considered_all and reached.decided < MOST_DECIDED:
            await _consider_page(run, means, occasion, reached, budget, beside)
        elif reached.decided and reached.asked < MOST_ASKED:
            if await budget.pass_over(run) == 0:
                await _queue_slice(run, means, job, min(MOST_PER_SLICE, MOST_ASKED - reached.asked), budget)
        elif reached.considered_all and reached.decided + reached.asked == 0:
            return reached.considered
        else:
            await asyncio.sleep(POLL_SECONDS)
        if means.clock.elapsed_seconds() - cleared_at >= STRAGGLERS_EVERY_SECONDS:
            cleared_at = means.clock.elapsed_seconds()
            await _clear_stragglers(run, means)


async def _consider_page(
    run: Run, means: Means, occasion: Occasion, reached: Progress, budget: Budget, beside: Beside
) -> None:
    async with means.database.connection() as connection:
        proof = await budget.proof(connection)
        page = await sync_states.page(connection, reached.cursor_athlete_id, MOST_PER_PAGE)
    budget.sample(page, proof)
    asks: list[NewAsk] = []
    skipped = Counter(reached.skipped)
    for begin in range(0, len(page), MOST_AT_A_STRETCH):
        stretch = page[begin : begin + MOST_AT_A_STRETCH]
        asks += _decide(stretch, occasion, means, proof, skipped)
        await asyncio.sleep(0)
    come = replace(
        reached,
        cursor_athlete_id=page[-1].athlete_id if page else reached.cursor_athlete_id,
        considered_all=len(page) < MOST_PER_PAGE,
        considered=reached.considered + len(page),
        skipped=skipped,
    )
    now = means.clock.now()
    async with means.database.transaction() as connection:
        # Before the run's row, as in _fit.
        known = await athletes.hold_known(connection, [athlete.athlete_id for athlete in page])
        await runs.advance(connection, run, come, asks)
        await jobs.enqueue(connection, [job for athlete_id in known for job in beside(athlete_id, now)])
    log.info("run.page_considered", athletes=len(page), to_sync=len(asks), cursor_athlete_id=come.cursor_athlete_id)


def _decide(
    stretch: Sequence[Athlete], occasion: Occasion, means: Means, proof: Proof, skipped: Counter[str]
) -> list[NewAsk]:
    """Ask the policy about each athlete; the asks are returned, the others counted in `skipped`."""
    asks = []
    for athlete in stretch:
        try:
            decision = should_sync(athlete, occasion, means.clock.now(), proof, means.policy)
        except Exception:  # whatever is odd about one athlete is his alone
            log.exception("athlete.not_considered", athlete_id=athlete.athlete_id)
            skipped["not_considered"] += 1
            continue
        if isinstance(decision, Sync):
            seconds = max(1, round(decision.lookback.total_seconds()))
            asks.append(NewAsk(athlete.athlete_id, decision.why, decision.reason, seconds, float(decision.urgency)))
        else:
            skipped[decision.why] += 1
    return asks


async def _queue_slice(
    run: Run, means: Means, job: Callable[[Ask, datetime], NewJob], most: int, budget: Budget
) -> None:
    """Queue jobs for the most urgent asks."""
    now = means.clock.now()
    async with means.database.transaction() as connection:
        asks = await runs.hold_most_urgent(connection, run, most)
        # Jobs are queued in the order of their keys and claimed in that of `run_at`, which so carries the urgency.
        first_at = now - timedelta(microseconds=len(asks))
        queued = [job(ask, first_at + timedelta(microseconds=place)) for place, ask in enumerate(asks)]
        await jobs.enqueue(connection, queued)
        keys = {ask.athlete_id: new.dedup_key for ask, new in zip(asks, queued, strict=True)}
        await runs.mark_asked(connection, run, keys)
    budget.spend(asks)
    if asks:
        means.on_queued()
    else:
        await asyncio.sleep(POLL_SECONDS)  # a look settles them at this moment


async def _clear_stragglers(run: Run, means: Means) -> None:
    async with means.database.transaction() as connection:
        settled = await runs.settle_stragglers(connection, run, MOST_FAILURES)
    if settled:
        log.info("run.stragglers_settled", athletes=settled)

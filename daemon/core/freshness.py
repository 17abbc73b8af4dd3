"""Whether a look at an athlete's list of activities is worth a call now: the one policy behind all timers.

A look that reaches 14 days back costs one call, as one that reaches back an hour does: his list fits one page. So
the adaptive policy always looks that far, every look of its is an audit, and what it saves is looks.

`fixed` looks whenever a look is old. `adaptive` asks whether webhooks are proven to reach us for this athlete: the
subscription was seen at Strava, the receiver was up and events kept coming ever since his last look, and no look
has lately found what no event had announced. While that proof stands, the daily audit is enough. Without it he is
looked at where his habits make news likely, and in any case before six hours are over.

Refuses to look, to count calls, and to know who else wants some: `urgency` puts athletes in order, the higher
first, for whoever has fewer calls than asks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from daemon.core.habits import ANYBODY, HOUR, Habit, Pattern, unseen, waited_from

TOO_SOON: Final = timedelta(hours=1)
ACTIVE_WITHIN: Final = timedelta(days=7)
ACTIVE_AFTER: Final = timedelta(hours=2)
INACTIVE_AFTER: Final = timedelta(hours=4)
SCHEDULED_AFTER: Final = timedelta(hours=6)

# Nobody goes six hours without a look or proof: the occasion before the last one looks, for the sake of the queue.
BLIND_AT_MOST: Final = timedelta(hours=6)
LOOK_AFTER: Final = timedelta(hours=5)
VERIFIED_FOR: Final = timedelta(hours=3)  # the subscription is looked at hourly; two failures may pass
AUDIT_AFTER: Final = timedelta(hours=24)
MISSED_FOR: Final = timedelta(days=2)  # after a loss, unless an event of his has come since
WALK_AFTER: Final = timedelta(days=26)  # less than the shortest month, by what a walk may be late
CLOCK_SLACK: Final = timedelta(hours=1)
# So many hours of expected news, waiting, are worth a call: by bench.freshness as fresh as the fixed ages above, at
# every percentile, for fewer calls.
WORTH_HOURS: Final = 0.05

RECENT: Final = timedelta(days=3)
AUDITED: Final = timedelta(days=14)
OVERLAP: Final = timedelta(days=1)
WHOLE_HISTORY: Final = timedelta(days=36_500)

# Urgency is hours of possible blindness, weighed by the news expected; whole classes go before or behind.
ASKED_URGENCY: Final = 1e6
NEWCOMER_URGENCY: Final = 1e5
STALE_URGENCY: Final = 100.0  # six hours for everybody come before minutes for some
DOUBTED_URGENCY: Final = 1.0  # and more; audits of those whose webhooks are proven come behind
UNEXPECTED_NEWS: Final = 0.02  # nobody's news is so unlikely that his turn never comes
WALK_URGENCY: Final = 1e-6  # per day since the last walk


class Occasion(StrEnum):
    """What makes us consider an athlete."""

    INGESTION_TICK = "ingestion_tick"
    BACKGROUND_SYNC = "background_sync"
    QUICK_SYNC = "quick_sync"
    DAILY_SYNC = "daily_sync"
    MONTHLY_WALK = "monthly_walk"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Athlete:
    """What the policy knows of one athlete; instants are aware, in UTC."""

    athlete_id: int
    connected_at: datetime
    synced_at: datetime | None  # when the last successful look at his list was made
    reached_to: datetime | None  # how far back that look reached: the start of its window
    active_at: datetime | None  # start of his newest activity
    audited_at: datetime | None  # the last look that reached 14 days back or more
    walked_at: datetime | None  # the last bare walk over his history
    event_at: datetime | None  # when his last webhook event came
    missed_at: datetime | None  # when a look last found news that no event had announced
    uploads: Pattern = ()  # see core.habits
    uploads_at: datetime | None = None  # as of when


@dataclass(frozen=True, slots=True)
class Proof:
    """Standing proof that webhooks reach us, for the whole app; None is: not known, or not at all."""

    verified_at: datetime | None  # the subscription was last seen at Strava
    up_since: (
        datetime | None
    )  # the receiver has been up without a gap since; gaps that Strava's repeats span are none
    event_at: datetime | None  # newest event of anybody
    subscribed_at: datetime | None = None  # since when this subscription exists
    silent_since: datetime | None = None  # no event since, although habits expect some: see core.hearing
    heard_since: datetime | None = None  # the end of the last such silence
    down_at: datetime | None = None  # when the receiver went down before that: before up_since, or for good
    unheard_from: datetime | None = None  # when the silence had begun that ended at heard_since
    anybody: Pattern = ANYBODY  # habits.everybody: expected of whom nothing is known; () as ANYBODY


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rule decides; `predictive` lets habits say when a look without proof is worth a call."""

    name: Literal["fixed", "adaptive"] = "adaptive"
    predictive: bool = True


@dataclass(frozen=True, slots=True)
class Sync:
    """Look at his list, `lookback` far; `why` is the reason as a slug, for counting."""

    reason: str
    lookback: timedelta
    urgency: float
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Do not; before `until` the same occasion cannot get another answer unless something happens."""

    reason: str
    why: str
    until: datetime


def should_sync(athlete: Athlete, occasion: Occasion, now: datetime, proof: Proof, policy: Policy) -> Sync | Skip:
    """Decide on one athlete; `now` is aware, in UTC."""
    if occasion is Occasion.MONTHLY_WALK:
        return _walk(athlete, now)
    lookback = _lookback(athlete, occasion, now, policy)
    synced_at = athlete.synced_at
    if occasion is Occasion.MANUAL:
        return Sync("somebody asks for it", lookback, ASKED_URGENCY, "asked")
    if synced_at is None:
        waiting_hours = (now - athlete.connected_at) / HOUR
        return Sync("never synced", lookback, NEWCOMER_URGENCY + waiting_hours, "never_synced")
    if synced_at - now > CLOCK_SLACK:
        return Sync("his last look is dated in the future", lookback, NEWCOMER_URGENCY, "clock_set_back")
    if policy.name == "adaptive":
        return _adaptive(athlete, synced_at, occasion, now, proof, lookback, predictive=policy.predictive)
    return _fixed(athlete, synced_at, occasion, now, lookback)


def _lookback(athlete: Athlete, occasion: Occasion, now: datetime, policy: Policy) -> timedelta:
    """Return how far to look: windows overlap, and whatever lies since the last look is inside."""
    is_wide = policy.name == "adaptive" or occasion in {Occasion.DAILY_SYNC, Occasion.MANUAL}
    lookback = AUDITED if is_wide or athlete.synced_at is None else RECENT
    return lookback if athlete.synced_at is None else max(lookback, now - athlete.synced_at + OVERLAP)


def _too_soon(athlete: Athlete, synced_at: datetime, now: datetime, lookback: timedelta) -> bool:
    """Tell whether the last look is young and reached at least as far back as the one now asked for."""
    return now - synced_at < TOO_SOON and athlete.reached_to is not None and athlete.reached_to <= now - lookback


def _walk(athlete: Athlete, now: datetime) -> Sync | Skip:
    walked_at = athlete.walked_at
    if walked_at is not None and now - walked_at < WALK_AFTER:
        return Skip(f"his history was walked {_told(now - walked_at)} ago", "walked", walked_at + WALK_AFTER)
    days = (now - (walked_at or athlete.connected_at)) / timedelta(days=1)
    reason = "his history was never walked" if walked_at is None else f"walked {_told(now - walked_at)} ago"
    return Sync(reason, WHOLE_HISTORY, WALK_URGENCY * max(0.0, days), "walk")


def _fixed(
    athlete: Athlete, synced_at: datetime, occasion: Occasion, now: datetime, lookback: timedelta
) -> Sync | Skip:
    """Decide by age alone, as the predecessors wished it."""
    age = now - synced_at
    urgency = max(0.0, age / HOUR)
    if _too_soon(athlete, synced_at, now, lookback):
        return Skip(f"looked at {_told(age)} ago, as far back", "too_soon", synced_at + TOO_SOON)
    if occasion is Occasion.DAILY_SYNC:
        return Sync("the daily sync takes everybody", lookback, urgency, "audit")
    if occasion is Occasion.INGESTION_TICK:
        due, why = TOO_SOON, "tick"
    elif age >= SCHEDULED_AFTER:
        due, why = SCHEDULED_AFTER, "scheduled"
    elif _is_active(athlete, now):
        due, why = ACTIVE_AFTER, "active"
    else:
        due, why = INACTIVE_AFTER, "inactive"
    if age >= due:
        return Sync(f"looked at {_told(age)} ago ({why})", lookback, urgency, why)
    return Skip(f"looked at {_told(age)} ago: due after {_told(due)}", "not_due", synced_at + due)


def _adaptive(
    athlete: Athlete,
    synced_at: datetime,
    occasion: Occasion,
    now: datetime,
    proof: Proof,
    lookback: timedelta,
    *,
    predictive: bool,
) -> Sync | Skip:
    """Decide by proof first, and where it fails by what may be unseen."""
    doubted = doubt(athlete, now, proof)
    if doubted is not None and doubted.why == "recovered":
        # Not even an hour is too soon: that look was made before events could be relied on again.
        return Sync(doubted.reason, lookback, _urgency(athlete, doubted, now, proof), "recovered")
    if _too_soon(athlete, synced_at, now, lookback):
        return Skip(f"looked at {_told(now - synced_at)} ago, as far back", "too_soon", synced_at + TOO_SOON)
    audited_at = athlete.audited_at
    if occasion is Occasion.DAILY_SYNC or audited_at is None or now - audited_at >= AUDIT_AFTER:
        reason = "never audited" if audited_at is None else f"audited {_told(now - audited_at)} ago"
        return Sync(reason, lookback, _urgency(athlete, doubted, now, proof), "audit")
    until = audited_at + AUDIT_AFTER
    if doubted is not None:
        return _doubtful(athlete, doubted, now, proof, lookback, until, predictive=predictive)
    if proof.verified_at is not None:
        until = min(until, proof.verified_at + VERIFIED_FOR)
    return Skip("webhooks are proven to reach us since his last look", "webhooks_alive", until)


def _doubtful(
    athlete: Athlete,
    doubted: Doubt,
    now: datetime,
    proof: Proof,
    lookback: timedelta,
    until: datetime,
    *,
    predictive: bool,
) -> Sync | Skip:
    """Decide on somebody whose events cannot be relied on; `until` is when his audit is due."""
    blind = now - doubted.since
    until = min(until, doubted.since + LOOK_AFTER)
    if blind >= LOOK_AFTER:
        reason, why = f"unseen for {_told(blind)}", "stale"
    elif predictive:
        expected = unseen(habit_of(athlete, proof), doubted.since, now)
        reason = (
            f"{expected.activities:.2f} activities expected in {_told(blind)},"
            f" waiting for {expected.waiting_hours:.2f} h in all"
        )
        if expected.waiting_hours < WORTH_HOURS:
            until = waited_from(habit_of(athlete, proof), doubted.since, now, WORTH_HOURS, until)
            return Skip(f"{doubted.reason}, but {reason}", "resting", until)
        why = "likely_news"
    else:
        is_active = _is_active(athlete, now)
        due, why = (ACTIVE_AFTER, "active") if is_active else (INACTIVE_AFTER, "inactive")
        reason = f"unseen for {_told(blind)} ({why})"
        if blind < due:
            return Skip(f"{doubted.reason}, but {reason}", "not_due", min(until, doubted.since + due))
    return Sync(f"{doubted.reason}; {reason}", lookback, _urgency(athlete, doubted, now, proof), why)


def _is_active(athlete: Athlete, now: datetime) -> bool:
    return athlete.active_at is not None and now - athlete.active_at <= ACTIVE_WITHIN


def _urgency(athlete: Athlete, doubted: Doubt | None, now: datetime, proof: Proof) -> float:
    """Weigh the hours in which news may be unseen by the news expected of them."""
    since = doubted.since if doubted is not None else athlete.synced_at or athlete.connected_at
    expected = unseen(habit_of(athlete, proof), since, now)
    hours = max(0.0, (now - since) / HOUR) * (UNEXPECTED_NEWS + expected.activities)
    if doubted is None:
        return DOUBTED_URGENCY * hours / (1.0 + hours)
    return hours + (STALE_URGENCY if now - since >= LOOK_AFTER else DOUBTED_URGENCY)


LOST: Final = "events may have been lost since his last look"
PASSED: Final = frozenset({"recovered", "missed"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why there is no proof that an athlete's events reach us, and since when his news may be unseen."""

    why: str
    reason: str
    since: datetime


def doubt(athlete: Athlete, now: datetime, proof: Proof) -> Doubt | None:
    """Return what speaks against relying on webhooks for this athlete, or None while proof stands."""
    seen_at = athlete.synced_at
    if seen_at is None:
        return Doubt("never_synced", "he was never looked at", athlete.connected_at)
    causes: list[tuple[str, str, datetime | None]] = []  # with when proof was lost; None: some time after the look
    if proof.verified_at is None or now - proof.verified_at > VERIFIED_FOR:
        causes.append(
            ("unverified", f"the subscription was seen {_since(proof.verified_at, now)}", proof.verified_at)
        )
    if proof.up_since is None:
        causes.append(("receiver_down", "the receiver is down", proof.down_at))
    elif seen_at < proof.up_since:
        causes.append(("recovered", LOST, proof.down_at))
    if proof.event_at is None:
        causes.append(("nothing_heard", "no event has ever come", None))
    elif proof.silent_since is not None:
        causes.append(("silent", "events have stopped coming", proof.silent_since))
    if proof.heard_since is not None and seen_at < proof.heard_since:
        causes.append(("recovered", LOST, proof.unheard_from))
    if proof.subscribed_at is not None and seen_at < proof.subscribed_at:
        causes.append(("recovered", LOST, None))
    missed_at = athlete.missed_at
    if missed_at is not None:
        is_unaudited = athlete.audited_at is None or athlete.audited_at <= missed_at
        is_unheard = athlete.event_at is None or athlete.event_at <= missed_at
        if is_unaudited or (is_unheard and now - missed_at < MISSED_FOR):
            causes.append(("missed", f"an event of his was found lost {_since(missed_at, now)}", missed_at))
    if not causes:
        return None
    since = min(seen_at if lost_at is None else max(seen_at, lost_at) for _, _, lost_at in causes)
    # What still lasts is named first: only where nothing does may he be looked at once for all that was lost.
    why, reason, _ = min(causes, key=lambda cause: cause[0] in PASSED)
    return Doubt(why, reason, since)


def habit_of(athlete: Athlete, proof: Proof) -> Habit:
    """Return what is known of when his activities come."""
    return Habit(athlete.uploads, athlete.uploads_at, athlete.connected_at, proof.anybody or ANYBODY)


def _since(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else f"{_told(now - at)} ago"


def _told(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2_880 else f"{minutes // 1440} days"


@dataclass(frozen=True, slots=True)
class Affordable:
    """How many looks may be made, and how many of them may have less than STALE_URGENCY."""

    looks: int
    less_urgent: int


def affordable(calls_left: int, doubted: int, left: timedelta, span: timedelta) -> Affordable:
    """Share the calls that are left for looks until the day ends, in `left`, out to a span of it.

    `doubted` athletes have to be looked at every few hours: what that takes is kept from less urgent looks. Where
    even that is too much, calls are spread evenly: a day whose calls are gone by noon is blind until midnight.
    """
    needed = math.ceil(doubted * (left / LOOK_AFTER))
    if needed <= calls_left:
        return Affordable(calls_left, calls_left - needed)
    share = math.ceil(calls_left * min(1.0, span / left))
    return Affordable(share, share)


UNSEEN_EDGES: Final = tuple(timedelta(hours=hours) for hours in (0, 1, 3, 6, 12, 24))


@dataclass(frozen=True, slots=True)
class Staleness:
    """How fresh a fleet is: since when news may be unseen, which is no time at all while proof stands."""

    athletes: int
    median: timedelta
    p95: timedelta
    longest: timedelta
    proven: int  # while proof stands
    blind: int  # for longer than BLIND_AT_MOST
    within: tuple[int, ...]  # how many at most each of UNSEEN_EDGES, so that each count holds the one before it
    total: timedelta  # of all together


def summed_up(blind_for: Iterable[timedelta]) -> Staleness:
    """Sum up for how long the news of each athlete of a fleet may be unseen."""
    spans = sorted(blind_for)
    if not spans:
        return Staleness(0, *(timedelta(0),) * 3, 0, 0, (0,) * len(UNSEEN_EDGES), timedelta(0))
    last = len(spans) - 1
    return Staleness(
        athletes=len(spans),
        median=spans[last // 2],
        p95=spans[math.ceil(0.95 * last)],
        longest=spans[-1],
        proven=sum(span == timedelta(0) for span in spans),
        blind=sum(span > BLIND_AT_MOST for span in spans),
        within=tuple(bisect_right(spans, edge) for edge in UNSEEN_EDGES),
        total=sum(spans, timedelta(0)),
    )

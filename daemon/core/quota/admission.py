"""Giving permits: all that a step asks for or none, and if none, until when.

A refusal has one of five reasons: the app is inactive, a window is spent, the rest of it is kept for others, the
true limits are not known yet, or answers on their way will tell how much is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from daemon.core.admission import LANES, Lane
from daemon.core.quota.demand import NO_DEMAND, Demand, Kept, kept_from
from daemon.core.quota.ledger import (
    CLOCK_DRIFT,
    SEND_WITHIN_SECONDS,
    TRANSIT_SECONDS,
    Charge,
    Grant,
    Ledger,
    Lengths,
    Wait,
    Window,
    offset_bounds,
    roll,
    turn_at,
)

COLD_PERMITS: Final = 10  # per quarter, until a first answer has shown the true limits
COLD_WAIT: Final = timedelta(seconds=2)  # it is on its way
# Then one more step now and then, in case the first were all lost in a crash: 100 a quarter, Strava's least limit.
COLD_TRICKLE: Final = timedelta(seconds=20)
COLD_STEP: Final = 2
PROBE_EVERY: Final = timedelta(minutes=15)  # of an app that Strava calls inactive
ANSWER_WITHIN: Final = timedelta(seconds=3)  # after the newest one; none by then, and we go on without
TELLING_CALLS: Final = 2  # kept for the step whose answer will tell ours from others'
THAW_CALLS: Final = 10  # how much shall have melted before we ask again: not one by one


@dataclass(frozen=True, slots=True)
class Ask:
    """`count` permits at once, for one step in this lane."""

    lane: Lane
    count: int


def admit(
    ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths, demand: Demand = NO_DEMAND
) -> tuple[Ledger, Grant] | Wait:
    """Decide on an ask: charge all its permits, or none and say until when."""
    ledger = roll(ledger, now, lengths)
    if ledger.inactive_until is not None:
        if now < ledger.inactive_until:
            return Wait(ledger.inactive_until, "Strava says that the app is inactive", inactive=True)
        ledger = replace(ledger, inactive_until=now + PROBE_EVERY)  # this one is the probe
    wait = _spent(ledger, ask, now, lengths) or _kept(ledger, ask, now, lengths, demand)
    if wait is not None:
        return wait
    if not ledger.limits_learned:
        wait = _cold(ledger, ask, now, lengths)
        if wait is not None:
            return wait
        ledger = replace(ledger, cold_at=now)
    return _granted(ledger, ask, now, lengths)


def _spent(ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths) -> Wait | None:
    low, _ = offset_bounds(ledger, now, lengths)
    limits = ledger.limits
    if ask.count > ledger.day.room(limits.overall_day, limits.read_day):
        until = turn_at(ledger.day.index + 1, lengths.day_seconds, now, low)
        return Wait(until, "today's requests are spent", spent=True)
    if ask.count > ledger.quarter.room(limits.overall_quarter, limits.read_quarter):
        until = turn_at(ledger.quarter.index + 1, lengths.quarter_seconds, now, low)
        return Wait(until, "this quarter's requests are spent", spent=True)
    return None


def _kept(ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths, demand: Demand) -> Wait | None:
    limits = ledger.limits
    in_quarter, in_day = kept_from(ask.lane, ask.count, ledger, now, lengths, demand)
    day_room = ledger.day.room(limits.overall_day, limits.read_day)
    if ask.count > day_room - in_day.count:
        return Wait(_thawed_at(in_day, day_room, ask, now), "the rest of the day is kept for what comes before it")
    room = ledger.quarter.room(limits.overall_quarter, limits.read_quarter)
    if ask.count > room - in_quarter.count:
        until = _thawed_at(in_quarter, room, ask, now)
        return Wait(until, "the rest of this quarter is kept for what comes before it")
    return _untold(ledger, ask, now, room - in_quarter.count, day_room - in_day.count)


def _thawed_at(kept: Kept, room: int, ask: Ask, now: datetime) -> datetime:
    """Return about when so much will have melted that a few asks fit; it melts evenly, more or less."""
    wanted = min(room, max(ask.count, THAW_CALLS))
    share = max(0.0, (kept.count - (room - wanted)) / kept.count)
    return now + max(share * (kept.melted_at - now), timedelta(milliseconds=50))


def _untold(ledger: Ledger, ask: Ask, now: datetime, left_in_quarter: int, left_in_day: int) -> Wait | None:
    """Near the end of what a lane may have wait for the answers on their way: they tell ours from others'.

    A reading may count silent requests of ours (streams) that it cannot be known to contain; they look like
    somebody else's until a later reading. Spending the rest in a hurry would leave no later reading, and live work
    would find the room taken by nobody.
    """
    if ask.lane is Lane.LIVE or ledger.offset_at is None or now >= ledger.offset_at + ANSWER_WITHIN:
        return None
    for window, left in ((ledger.quarter, left_in_quarter), (ledger.day, left_in_day)):
        others = max(window.others(window.overall_usage), window.others(window.read_usage))
        may_mislead = others > 0 or ledger.day.silent > 0
        if may_mislead and window.unanswered > 0 and left < ask.count + TELLING_CALLS + window.unanswered:
            return Wait(ledger.offset_at + ANSWER_WITHIN, "answers on their way will tell how much is left")
    return None


def _cold(ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths) -> Wait | None:
    is_over = ledger.quarter.charged + ask.count > COLD_PERMITS
    is_soon = ledger.cold_at is not None and now < ledger.cold_at + COLD_TRICKLE
    if is_over and (is_soon or ask.count > COLD_STEP):
        low, _ = offset_bounds(ledger, now, lengths)
        turns_at = turn_at(ledger.quarter.index + 1, lengths.quarter_seconds, now, low)
        reason = "Strava has not shown the limits yet: its first answer is due"
        return Wait(min(turns_at, now + COLD_WAIT), reason)
    return None


def _granted(ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths) -> tuple[Ledger, Grant]:
    _, high = offset_bounds(ledger, now, lengths)
    latest = now.timestamp() + high + SEND_WITHIN_SECONDS + TRANSIT_SECONDS
    quarter_ahead = latest >= (ledger.quarter.index + 1) * lengths.quarter_seconds
    day_ahead = latest >= (ledger.day.index + 1) * lengths.day_seconds
    grant = Grant(
        count=ask.count,
        admitted_at=now,
        send_before=max(
            now + timedelta(seconds=SEND_WITHIN_SECONDS),
            min(
                _safe_until(ledger.quarter.index, lengths.quarter_seconds, high, ahead=quarter_ahead),
                _safe_until(ledger.day.index, lengths.day_seconds, high, ahead=day_ahead),
            ),
        ),
        quarter=Charge(ledger.quarter.index, quarter_ahead, ledger.quarter.silent),
        day=Charge(ledger.day.index, day_ahead, ledger.day.silent),
    )
    charged = replace(
        ledger,
        quarter=_charged(ledger.quarter, ask, ahead=quarter_ahead),
        day=_charged(ledger.day, ask, ahead=day_ahead),
    )
    return charged, grant


def _charged(window: Window, ask: Ask, *, ahead: bool) -> Window:
    return replace(
        window,
        charged=window.charged + ask.count,
        charged_ahead=window.charged_ahead + (ask.count if ahead else 0),
        by_lane=tuple(
            given + (ask.count if lane is ask.lane else 0)
            for lane, given in zip(LANES, window.by_lane, strict=True)
        ),
    )


def _safe_until(index: int, length_seconds: int, offset_high: float, *, ahead: bool) -> datetime:
    """Return until when a request may still be sent and be counted in a window that it was charged to."""
    windows = 2 if ahead else 1
    drift = CLOCK_DRIFT * windows * length_seconds
    return datetime.fromtimestamp((index + windows) * length_seconds - offset_high - drift - TRANSIT_SECONDS, UTC)


def seen_since(grant: Grant, ledger: Ledger) -> Grant:
    """Return the grant for a request that is sent only now: what `ledger` says was answered came before it.

    A reading contains all that was answered before its request was sent; any state of the ledger tells some of it.
    """

    def newer(charge: Charge, window: Window) -> Charge:
        return replace(charge, silent=max(charge.silent, window.silent)) if window.index == charge.index else charge

    return replace(grant, quarter=newer(grant.quarter, ledger.quarter), day=newer(grant.day, ledger.day))


def shut_until(
    ledger: Ledger, ask: Ask, now: datetime, lengths: Lengths, demand: Demand = NO_DEMAND
) -> Wait | None:
    """Tell whether an ask would be refused now, without taking a permit."""
    decision = admit(ledger, ask, now, lengths, demand)
    return decision if isinstance(decision, Wait) else None

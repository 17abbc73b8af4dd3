"""Strava's rate limits, as pure arithmetic on one ledger.

Strava counts requests in fixed windows, quarters of an hour and UTC days, on two meters, *overall* and *read*;
a request over the quarter's limit still counts toward the day
(https://developers.strava.com/docs/rate-limits/). Everything we send is a read, so both meters count all of it.

The ledger's clock is the database's. Strava's clock is known only as an interval around it, learned from `Date`
headers: a request is charged to every window in which Strava may count it.

Usage of a meter = the highest reading of this window + what we were charged that this reading cannot contain yet.
A reading contains, for sure, each request that itself showed a reading in this window, and each request without
a reading (streams answers carry none) that was answered before the request that showed it was admitted.
So foreign use of the same app is learned, what is in flight is never forgotten, and an unanswered permit stays
charged until its window ends.

This module refuses to know where the ledger is stored, who asks first, or how fast requests are paced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from daemon.core.admission import Answered, MeterReading, Outcome, Reading

SEND_WITHIN_SECONDS: Final = 3.0  # from the permit to the request's last byte on the wire
CONNECT_SECONDS: Final = 2.0  # of which a connection may take to come about
TRANSIT_SECONDS: Final = 3.0  # from there to Strava's counter
UNKNOWN_OFFSET_SECONDS: Final = 120.0  # how far apart the clocks may be before the first answer
UNKNOWN_OFFSET_SHARE: Final = 0.25  # of a shortened quarter: a sandbox's clock is ours, more or less
CLOCK_DRIFT: Final = 1e-4  # how fast knowledge of the offset wears off, seconds per second
DATE_SLACK_SECONDS: Final = 1.0  # a `Date` may be an edge server's, whose clock is off by so much either way
COLD_PERMITS: Final = 10  # per quarter, until a first answer has shown the true limits
COLD_WAIT: Final = timedelta(seconds=2)  # it is on its way
# Then one more step now and then, in case the first were all lost in a crash: 100 a quarter, Strava's least limit.
COLD_TRICKLE: Final = timedelta(seconds=20)
COLD_STEP: Final = 2
PROBE_EVERY: Final = timedelta(minutes=15)  # of an app that Strava calls inactive


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests allowed per window and meter."""

    overall_quarter: int
    overall_day: int
    read_quarter: int
    read_day: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Window lengths in seconds; Strava's are 900 and 86,400."""

    quarter_seconds: int = 900
    day_seconds: int = 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of one fixed window; `index` counts windows since the epoch on Strava's clock."""

    index: int = 0
    charged: int = 0
    charged_ahead: int = 0  # of requests near the boundary, also charged to the window after this one
    shown: int = 0  # ours, answered with a reading of this window
    silent: int = 0  # ours, answered without one
    silent_seen: int = 0  # of those, surely contained in the highest reading
    overall_usage: int = 0  # the highest readings
    read_usage: int = 0
    spent: bool = False  # a 429 said so, whatever the numbers say

    def usage(self, meter_usage: int) -> int:
        """Return the most that Strava can have counted, once all that is in flight has arrived."""
        return self.charged + max(0, meter_usage - self.shown - self.silent_seen)

    def room(self, overall_limit: int, read_limit: int) -> int:
        """Return how many more requests fit, in the window after this one as well: fewer are charged there."""
        if self.spent:
            return 0
        return min(overall_limit - self.usage(self.overall_usage), read_limit - self.usage(self.read_usage))


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole state: one row per Strava app. `offset_*` bound Strava's clock minus ours, in seconds."""

    limits: Limits
    limits_learned: bool = False
    quarter: Window = Window()
    day: Window = Window()
    offset_low_seconds: float | None = None
    offset_high_seconds: float | None = None
    offset_at: datetime | None = None
    inactive_until: datetime | None = None
    cold_at: datetime | None = None  # when a permit was last given without knowing the true limits


@dataclass(frozen=True, slots=True)
class Charge:
    """Where one grant was charged: window `index`, and the next one too if `ahead`."""

    index: int
    ahead: bool
    silent: int  # answers without a reading that had come when it was admitted


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` permits, each to be sent before `send_before` on the ledger's clock."""

    count: int
    admitted_at: datetime
    send_before: datetime
    quarter: Charge
    day: Charge


@dataclass(frozen=True, slots=True)
class Wait:
    """No permit before `until`; `inactive` tells a refused app from a spent window."""

    until: datetime
    reason: str
    inactive: bool = False


@dataclass(frozen=True, slots=True)
class MeterUsage:
    """One meter in one window, for people: what is used, by us and in all, and when it starts anew."""

    window: str
    meter: str
    limit: int
    used: int
    used_by_us: int
    resets_at: datetime


def offset_bounds(ledger: Ledger, now: datetime, lengths: Lengths) -> tuple[float, float]:
    """Return the least and the greatest that Strava's clock may be ahead of ours now, in seconds."""
    unknown = min(UNKNOWN_OFFSET_SECONDS, UNKNOWN_OFFSET_SHARE * lengths.quarter_seconds)
    low, high, at = ledger.offset_low_seconds, ledger.offset_high_seconds, ledger.offset_at
    if low is None or high is None or at is None:
        return -unknown, unknown
    drift = min(CLOCK_DRIFT * max(0.0, (now - at).total_seconds()), unknown)
    return low - drift, high + drift


def roll(ledger: Ledger, now: datetime, lengths: Lengths) -> Ledger:
    """Turn each window that has ended for sure."""
    low, _ = offset_bounds(ledger, now, lengths)
    strava_seconds = now.timestamp() + low
    return replace(
        ledger,
        quarter=_turned(ledger.quarter, int(strava_seconds // lengths.quarter_seconds)),
        day=_turned(ledger.day, int(strava_seconds // lengths.day_seconds)),
    )


def _turned(window: Window, index: int) -> Window:
    if index <= window.index:
        return window
    charged = window.charged_ahead if index == window.index + 1 else 0
    return Window(index=index, charged=charged)


def admit(ledger: Ledger, count: int, now: datetime, lengths: Lengths) -> tuple[Ledger, Grant] | Wait:
    """Decide on `count` permits at once: charge them all, or none and say until when."""
    ledger = roll(ledger, now, lengths)
    if ledger.inactive_until is not None:
        if now < ledger.inactive_until:
            return Wait(ledger.inactive_until, "Strava says that the app is inactive", inactive=True)
        ledger = replace(ledger, inactive_until=now + PROBE_EVERY)  # this one is the probe
    low, high = offset_bounds(ledger, now, lengths)
    latest = now.timestamp() + high + SEND_WITHIN_SECONDS + TRANSIT_SECONDS
    quarter_ahead = latest >= (ledger.quarter.index + 1) * lengths.quarter_seconds
    day_ahead = latest >= (ledger.day.index + 1) * lengths.day_seconds
    limits = ledger.limits
    if count > ledger.day.room(limits.overall_day, limits.read_day):
        return Wait(_turn_at(ledger.day.index + 1, lengths.day_seconds, now, low), "today's requests are spent")
    turn_at = _turn_at(ledger.quarter.index + 1, lengths.quarter_seconds, now, low)
    if count > ledger.quarter.room(limits.overall_quarter, limits.read_quarter):
        return Wait(turn_at, "this quarter's requests are spent")
    if not ledger.limits_learned:
        is_over = ledger.quarter.charged + count > COLD_PERMITS
        is_soon = ledger.cold_at is not None and now < ledger.cold_at + COLD_TRICKLE
        if is_over and (is_soon or count > COLD_STEP):
            return Wait(
                min(turn_at, now + COLD_WAIT), "Strava has not shown the limits yet: its first answer is due"
            )
        ledger = replace(ledger, cold_at=now)
    charged = replace(
        ledger,
        quarter=_charged(ledger.quarter, count, ahead=quarter_ahead),
        day=_charged(ledger.day, count, ahead=day_ahead),
    )
    grant = Grant(
        count=count,
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
    return charged, grant


def _charged(window: Window, count: int, *, ahead: bool) -> Window:
    return replace(
        window,
        charged=window.charged + count,
        charged_ahead=window.charged_ahead + (count if ahead else 0),
    )


def _turn_at(index: int, length_seconds: int, now: datetime, offset_low: float) -> datetime:
    """Return when, on our clock, window `index` will have begun for sure; knowledge wears off until then."""
    seconds = (index * length_seconds - now.timestamp() - offset_low) / (1.0 - CLOCK_DRIFT)
    return now + timedelta(milliseconds=math.ceil(1000.0 * seconds))


def _safe_until(index: int, length_seconds: int, offset_high: float, *, ahead: bool) -> datetime:
    """Return until when a request may still be sent and be counted in a window that it was charged to."""
    windows = 2 if ahead else 1
    drift = CLOCK_DRIFT * windows * length_seconds
    return datetime.fromtimestamp((index + windows) * length_seconds - offset_high - drift - TRANSIT_SECONDS, UTC)


def observe(ledger: Ledger, grant: Grant, answer: Answered, now: datetime, lengths: Lengths) -> Ledger:
    """Take in the answer to one of the grant's permits, received at `now` on the ledger's clock."""
    quarter_index, day_index = None, None
    if answer.dated_at is not None:
        ledger = _clock_learned(ledger, grant.admitted_at, answer.dated_at, now, lengths)
        # The last whole second in which it may have been answered, by Strava's own clock.
        answered_seconds = int(answer.dated_at.timestamp() + DATE_SLACK_SECONDS)
        quarter_index = answered_seconds // lengths.quarter_seconds
        day_index = answered_seconds // lengths.day_seconds
    ledger = roll(ledger, now, lengths)
    pair = _both(answer.reading)
    if pair is not None:
        counted_today = grant.day.index == day_index == ledger.day.index
        limits = _limits_shown(ledger, *pair, counted_today=counted_today)
        ledger = replace(ledger, limits=limits, limits_learned=True)
    ledger = replace(
        ledger,
        quarter=_answered(
            ledger.quarter, grant.quarter, quarter_index, pair and (pair[0].quarter_usage, pair[1].quarter_usage)
        ),
        day=_answered(ledger.day, grant.day, day_index, pair and (pair[0].day_usage, pair[1].day_usage)),
    )
    if answer.outcome is Outcome.APP_INACTIVE:
        return replace(ledger, inactive_until=now + PROBE_EVERY)
    if answer.outcome is Outcome.RATE_LIMITED:
        return _exhausted(ledger, grant)
    if ledger.inactive_until is not None and grant.admitted_at < ledger.inactive_until - PROBE_EVERY:
        return ledger  # on its way before the app was refused: it proves nothing
    return replace(ledger, inactive_until=None)


def _clock_learned(
    ledger: Ledger, sent_at: datetime, dated_at: datetime, received_at: datetime, lengths: Lengths
) -> Ledger:
    """Narrow the offset: when Strava wrote this `Date`, our clock stood between sending and receiving."""
    low = dated_at.timestamp() - received_at.timestamp() - DATE_SLACK_SECONDS
    high = dated_at.timestamp() + 1.0 - sent_at.timestamp() + DATE_SLACK_SECONDS  # whole seconds, cut off
    old_low, old_high = offset_bounds(ledger, received_at, lengths)
    both_low, both_high = max(low, old_low), min(high, old_high)
    if both_low <= both_high:
        low, high = both_low, both_high
    # else a clock was set: the old knowledge is void
    return replace(ledger, offset_low_seconds=low, offset_high_seconds=high, offset_at=received_at)


def _answered(window: Window, charge: Charge, answered_index: int | None, meters: tuple[int, int] | None) -> Window:
    if answered_index is not None and charge.ahead and answered_index <= charge.index:
        # Answered before the boundary, so counted before it: the charge to the next window was needless.
        if window.index == charge.index:
            window = replace(window, charged_ahead=window.charged_ahead - 1)
        elif window.index == charge.index + 1:
            return replace(window, charged=window.charged - 1)
    if window.index != charge.index:
        if charge.ahead and window.index == charge.index + 1:
            # It may have been counted on either side, and its reading may tell of either.
            return replace(window, silent=window.silent + 1)
        return window  # a late answer of a window that is over
    if meters is None:
        return replace(window, silent=window.silent + 1)
    # Beyond the boundary it shows the window after this one. That is safe: a request counted there is charged here
    # for nothing, and if it shows others' use, nothing more is sent until the turn is sure.
    overall, read = meters
    return replace(
        window,
        shown=window.shown + 1,
        silent_seen=max(window.silent_seen, min(charge.silent, window.silent)),
        overall_usage=max(window.overall_usage, overall),
        read_usage=max(window.read_usage, read),
    )


def _both(reading: Reading | None) -> tuple[MeterReading, MeterReading] | None:
    """Return both meters; an app with one meter shows one, which then stands for both."""
    if reading is None:
        return None
    overall, read = reading.overall or reading.read, reading.read or reading.overall
    return (overall, read) if overall is not None and read is not None else None


def _limits_shown(ledger: Ledger, overall: MeterReading, read: MeterReading, *, counted_today: bool) -> Limits:
    """Return the newest limits: answers overtake each other, but the day's counter tells which was counted last."""
    shown = Limits(overall.quarter_limit, overall.day_limit, read.quarter_limit, read.day_limit)
    if not ledger.limits_learned:
        return shown
    if not counted_today:  # of another day, perhaps, where usage tells nothing: believe only what is lower
        known = ledger.limits
        return Limits(*(min(getattr(known, name), getattr(shown, name)) for name in Limits.__dataclass_fields__))
    is_newest = overall.day_usage >= ledger.day.overall_usage and read.day_usage >= ledger.day.read_usage
    return shown if is_newest else ledger.limits


def _exhausted(ledger: Ledger, grant: Grant) -> Ledger:
    """Hold the window that a 429 called spent; one that has turned since the permit was given is let go."""
    limits, quarter, day = ledger.limits, ledger.quarter, ledger.day
    day_is_spent = day.overall_usage >= limits.overall_day or day.read_usage >= limits.read_day
    if day_is_spent:
        return replace(ledger, day=replace(day, spent=True))
    if grant.quarter.index == quarter.index:
        return replace(ledger, quarter=replace(quarter, spent=True))
    return ledger


def shut_until(ledger: Ledger, now: datetime, lengths: Lengths) -> Wait | None:
    """Tell whether a single permit would be refused now, without taking one."""
    decision = admit(ledger, 1, now, lengths)
    return decision if isinstance(decision, Wait) else None


def usage(ledger: Ledger, now: datetime, lengths: Lengths) -> tuple[MeterUsage, ...]:
    """Show all four counters for people."""
    ledger = roll(ledger, now, lengths)
    low, _ = offset_bounds(ledger, now, lengths)
    quarter, day, limits = ledger.quarter, ledger.day, ledger.limits
    quarter_turns_at = _turn_at(quarter.index + 1, lengths.quarter_seconds, now, low)
    day_turns_at = _turn_at(day.index + 1, lengths.day_seconds, now, low)
    rows = (
        ("quarter", "overall", limits.overall_quarter, quarter, quarter.overall_usage, quarter_turns_at),
        ("quarter", "read", limits.read_quarter, quarter, quarter.read_usage, quarter_turns_at),
        ("day", "overall", limits.overall_day, day, day.overall_usage, day_turns_at),
        ("day", "read", limits.read_day, day, day.read_usage, day_turns_at),
    )
    return tuple(
        MeterUsage(name, meter, limit, limit if window.spent else window.usage(shown), window.charged, turns_at)
        for name, meter, limit, window, shown, turns_at in rows
    )

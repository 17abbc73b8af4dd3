"""Taking answers in: Strava's clock, others' use, new limits, and refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from daemon.core.admission import Answered, MeterReading, Outcome, Reading
from daemon.core.quota.admission import PROBE_EVERY
from daemon.core.quota.ledger import (
    CLOCK_DRIFT,
    Charge,
    Grant,
    Ledger,
    Lengths,
    Limits,
    Window,
    offset_bounds,
    roll,
)

DATE_SLACK_SECONDS: Final = 1.0  # a `Date` may be an edge server's, whose clock is off by so much either way


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
        return exhaust(ledger, grant)
    if ledger.inactive_until is not None and grant.admitted_at < ledger.inactive_until - PROBE_EVERY:
        return ledger  # on its way before the app was refused: it proves nothing
    return replace(ledger, inactive_until=None)


def _clock_learned(
    ledger: Ledger, sent_at: datetime, dated_at: datetime, received_at: datetime, lengths: Lengths
) -> Ledger:
    """Narrow the offset: when Strava wrote this `Date`, our clock stood between sending and receiving."""
    # The clocks may have drifted since it was written, by as much as they do while it was under way.
    slack = DATE_SLACK_SECONDS + CLOCK_DRIFT * max(0.0, (received_at - sent_at).total_seconds())
    low = dated_at.timestamp() - received_at.timestamp() - slack
    high = dated_at.timestamp() + 1.0 - sent_at.timestamp() + slack  # whole seconds, cut off
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
    elif charge.ahead and window.index == charge.index:
        window = replace(window, silent_ahead=window.silent_ahead + 1)
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


def exhaust(ledger: Ledger, grant: Grant) -> Ledger:
    """Hold the window that a 429 called spent until it turns; one that has turned since the permit is let go."""
    limits, quarter, day = ledger.limits, ledger.quarter, ledger.day
    day_is_spent = day.overall_usage >= limits.overall_day or day.read_usage >= limits.read_day
    if day_is_spent:
        return replace(ledger, day=replace(day, spent=True))
    if grant.quarter.index == quarter.index:
        return replace(ledger, quarter=replace(quarter, spent=True))
    return ledger

"""What each lane needs at this hour of the week, and what the lanes below must leave for it.

Two rules meet. The lanes above get what they have been needing at this hour of the week: whoever comes below leaves
so much. And interactive and scheduled work each has a small share of every window that no flood can take, neither
from above nor from below. What was kept in vain is let go evenly until shortly before the window ends, early enough
to be used.

It refuses to decide on a permit: that is `admission`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from daemon.core.admission import LANES, Lane
from daemon.core.quota.ledger import Ledger, Lengths, Limits, PerLane, Window, offset_bounds

HOURS: Final = 168
HOUR_SECONDS: Final = 3600
WEEK_SECONDS: Final = HOURS * HOUR_SECONDS
_MONDAY: Final = 4 * 24 * HOUR_SECONDS  # the epoch was a Thursday: the first Monday came four days later

WEEKLY_WEIGHT: Final = 0.7  # what a week ago tells, against this one
TYPICAL_SECONDS: Final = HOUR_SECONDS  # how much the hours of the whole week count beside this hour's own past
TYPICAL_CALLS: Final = 4.0  # but no more than two steps' worth: hours of a week differ by as much as they have
UNKNOWN_SECONDS: Final = 24 * HOUR_SECONDS  # how long nothing is known: the guess weighs as much as a day of facts
UNKNOWN_LIVE_SHARE: Final = 0.1  # of the day's limit: what we guess live traffic needs
# A look takes two calls, so calls come in pairs: their variance is twice their mean. Three standard deviations,
# and a quarter more, since no two Sundays are alike. It melts like the rest, so being generous loses nothing.
SAFETY: Final = 3.0
CALLS_AT_ONCE: Final = 2.0
VARIES_BY: Final = 0.25
MELTED_SHARE: Final = 1 / 30  # of a quarter, before a window's end: 30 s, in which the rest is used
# A quarter may end with room in it if the later ones can take what the day has left, even if each keeps so much.
SPARE_SHARE: Final = 0.25
LAST_CALLS: Final = 4  # then this much is kept for a late webhook until the very end,
UNLIKELY_CALLS: Final = 0.1  # unless hardly any is to be expected

Rates: TypeAlias = tuple[float, ...]  # calls a second for each of LANES

# What nobody else can take, of every window. Live has no share: it has the reserve. Backfill has what is left.
SHARES: Final = {Lane.LIVE: 0.0, Lane.INTERACTIVE: 0.05, Lane.SCHEDULED: 0.1, Lane.BACKFILL: 0.0}


@dataclass(frozen=True, slots=True)
class PastHour:
    """The calls of one hour that is over; `seconds` of it are recorded."""

    began_at: datetime
    seconds: float
    by_lane: PerLane


@dataclass(frozen=True, slots=True)
class Demand:
    """What each lane needs, in calls a second for 168 hours of the week (UTC, Monday 0 h first), and the shares."""

    rates: tuple[Rates, ...]
    shares: Mapping[Lane, float] = field(default_factory=lambda: SHARES)

    def expected(self, lane: Lane, from_seconds: float, seconds: float) -> float:
        """Return how many calls a lane will need in the `seconds` after an instant (seconds since the epoch)."""
        place = LANES.index(lane)
        weeks, rest = divmod(seconds, WEEK_SECONDS)
        calls = weeks * HOUR_SECONDS * sum(rates[place] for rates in self.rates) if weeks else 0.0
        at, end = from_seconds, from_seconds + rest
        while at < end:
            hour = (at - _MONDAY) // HOUR_SECONDS
            until = min(end, (hour + 1) * HOUR_SECONDS + _MONDAY)
            calls += self.rates[int(hour) % HOURS][place] * (until - at)
            at = until
        return calls


NO_DEMAND: Final = Demand(rates=((0.0,) * len(LANES),) * HOURS, shares=dict.fromkeys(LANES, 0.0))


def learned(past: Iterable[PastHour], now: datetime, limits: Limits, lengths: Lengths) -> Demand:
    """Learn from past hours: each hour of the week from its own past, newer weeks first, leaning on the whole week.

    Where little is known yet, live traffic is guessed at a tenth of the day's limit.
    """
    sums = [[0.0] * len(LANES) for _ in range(HOURS)]
    seconds = [0.0] * HOURS
    all_calls, all_seconds = [0.0] * len(LANES), 0.0
    for hour in past:
        began = hour.began_at.timestamp()
        weight = WEEKLY_WEIGHT ** ((now.timestamp() - began) // WEEK_SECONDS)
        slot = int((began - _MONDAY) // HOUR_SECONDS) % HOURS
        seconds[slot] += weight * hour.seconds
        all_seconds += weight * hour.seconds
        for place, calls in enumerate(hour.by_lane):
            sums[slot][place] += weight * calls
            all_calls[place] += weight * calls
    guess = [UNKNOWN_LIVE_SHARE * limits.day / lengths.day_seconds if lane is Lane.LIVE else 0.0 for lane in LANES]
    typical = [
        (calls + UNKNOWN_SECONDS * rate) / (all_seconds + UNKNOWN_SECONDS)
        for calls, rate in zip(all_calls, guess, strict=True)
    ]
    weights = [min(TYPICAL_SECONDS, TYPICAL_CALLS / rate) if rate > 0 else TYPICAL_SECONDS for rate in typical]
    return Demand(
        rates=tuple(
            tuple(
                (calls + weight * rate) / (known + weight)
                for calls, rate, weight in zip(slot, typical, weights, strict=True)
            )
            for slot, known in zip(sums, seconds, strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """How many requests of a window one lane must leave to others, and when nothing of it will be left."""

    count: int
    melted_at: datetime


def kept_from(
    lane: Lane, count: int, ledger: Ledger, now: datetime, lengths: Lengths, demand: Demand
) -> tuple[Kept, Kept]:
    """Return what a lane that asks for `count` must leave to others in this quarter, and in this day."""
    _, high = offset_bounds(ledger, now, lengths)  # rather too late than too early: it must melt in time
    strava_seconds, quarter_seconds = now.timestamp() + high, lengths.quarter_seconds
    melted_seconds = MELTED_SHARE * quarter_seconds
    limits = ledger.limits

    def kept(window: Window, limit: int, length_seconds: int, *, melts: bool) -> Kept:
        ends = (window.index + 1) * length_seconds - strava_seconds
        # What does not melt is kept until the turn is sure.
        seconds = max(0.0, ends - melted_seconds) if melts else max(0.0, ends) + melted_seconds
        share_left = limit * min(1.0, seconds / length_seconds)
        kept = {other: demand.shares[other] * share_left for other in LANES if other is not lane}
        needs = 0.0
        if window.by_lane[LANES.index(lane)] + count > demand.shares[lane] * limit:
            for other in LANES[: LANES.index(lane)]:
                need = _need(demand.expected(other, strava_seconds, seconds))
                needs, kept[other] = needs + need, max(kept[other], need)
        calls = sum(kept.values())
        if melts:  # more than a quarter allows cannot be needed in it, and would be left over at the end of a day
            calls = min(calls, limits.quarter * seconds / quarter_seconds)
        elif needs > UNLIKELY_CALLS:
            calls = max(calls, min(LAST_CALLS, SPARE_SHARE * limit))
        return Kept(math.floor(calls), now + timedelta(seconds=seconds))

    return (
        kept(ledger.quarter, limits.quarter, quarter_seconds, melts=not _day_binds(ledger, lengths)),
        kept(ledger.day, limits.day, lengths.day_seconds, melts=True),
    )


def _day_binds(ledger: Ledger, lengths: Lengths) -> bool:
    """Tell whether the day's rest will all be used by its later quarters, so that this one need not be filled."""
    ends = (ledger.day.index + 1) * lengths.day_seconds
    quarters_left = ends // lengths.quarter_seconds - ledger.quarter.index - 1
    room = ledger.day.room(ledger.limits.overall_day, ledger.limits.read_day)
    return room <= (1.0 - SPARE_SHARE) * quarters_left * ledger.limits.quarter


def _need(calls: float) -> float:
    return (1.0 + VARIES_BY) * calls + SAFETY * math.sqrt(CALLS_AT_ONCE * calls)

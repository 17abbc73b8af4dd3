"""What people want to know of the quota: how much is used by whom, kept for whom, and how long work will take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.core.admission import LANES, Lane
from daemon.core.quota.demand import NO_DEMAND, Demand, kept_from
from daemon.core.quota.ledger import Ledger, Lengths, PerLane, offset_bounds, roll, turn_at

LONGEST_DAYS = 3650  # beyond this an estimate is no use


@dataclass(frozen=True, slots=True)
class MeterUsage:
    """One meter in one window: requests used, by us and by others, and kept from the lowest lane.

    `used_by_others` is what answers have shown beyond ours; while some are on their way it may be too high.
    `by_lane` counts permits given in this window, for each of LANES.
    """

    window: str
    meter: str
    limit: int
    used: int
    used_by_us: int
    used_by_others: int
    reserved: int
    by_lane: PerLane
    resets_at: datetime

    @property
    def left(self) -> int:
        """Return how many requests still fit."""
        return max(0, self.limit - self.used)


def usage(ledger: Ledger, now: datetime, lengths: Lengths, demand: Demand = NO_DEMAND) -> tuple[MeterUsage, ...]:
    """Show all four counters: both meters this quarter, then both this day."""
    ledger = roll(ledger, now, lengths)
    low, _ = offset_bounds(ledger, now, lengths)
    kept = kept_from(Lane.BACKFILL, 1, ledger, now, lengths, demand)
    limits = ledger.limits
    rows = []
    for name, window, length_seconds, reserve in (
        ("quarter", ledger.quarter, lengths.quarter_seconds, kept[0].count),
        ("day", ledger.day, lengths.day_seconds, kept[1].count),
    ):
        turns_at = turn_at(window.index + 1, length_seconds, now, low)
        for meter, shown in (("overall", window.overall_usage), ("read", window.read_usage)):
            limit: int = getattr(limits, f"{meter}_{name}")
            rows.append(
                MeterUsage(
                    window=name,
                    meter=meter,
                    limit=limit,
                    used=limit if window.spent else window.usage(shown),
                    used_by_us=window.charged,
                    used_by_others=window.others(shown),
                    reserved=reserve,
                    by_lane=window.by_lane,
                    resets_at=turns_at,
                )
            )
    return tuple(rows)


def left_today(ledger: Ledger, lane: Lane, now: datetime, lengths: Lengths, demand: Demand = NO_DEMAND) -> int:
    """Return how many requests a lane may still make this day, what it must leave to others taken off."""
    ledger = roll(ledger, now, lengths)
    _, in_day = kept_from(lane, 1, ledger, now, lengths, demand)
    return max(0, ledger.day.room(ledger.limits.overall_day, ledger.limits.read_day) - in_day.count)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the day's requests will be spent if we go on as in the last hour; None: not today."""

    calls_an_hour: float
    day_ends_at: datetime | None


def forecast(ledger: Ledger, calls_last_hour: int, now: datetime, lengths: Lengths) -> Forecast:
    """Tell when the day's budget ends at the pace of the last hour, somebody else's use left aside."""
    ledger = roll(ledger, now, lengths)
    low, _ = offset_bounds(ledger, now, lengths)
    room = max(0, ledger.day.room(ledger.limits.overall_day, ledger.limits.read_day))
    if room == 0:
        return Forecast(calls_last_hour, now)
    if calls_last_hour <= 0:
        return Forecast(0.0, None)
    ends_at = now + timedelta(hours=min(room / calls_last_hour, 1e4))
    turns_at = turn_at(ledger.day.index + 1, lengths.day_seconds, now, low)
    return Forecast(calls_last_hour, ends_at if ends_at < turns_at else None)


def drained_at(
    ledger: Ledger, calls: int, lane: Lane, now: datetime, lengths: Lengths, demand: Demand = NO_DEMAND
) -> datetime | None:
    """Estimate when `calls` of a lane will all have been made, others taking what they have been needing.

    Walks the windows: each quarter and each day leaves its limit less what the lanes above are expected to need.
    Work ahead in the same lane belongs into `calls`. Returns None beyond ten years.
    """
    ledger = roll(ledger, now, lengths)
    _, high = offset_bounds(ledger, now, lengths)
    limits, above = ledger.limits, LANES[: LANES.index(lane)]
    at = now.timestamp() + high
    quarter_room = max(0, ledger.quarter.room(limits.overall_quarter, limits.read_quarter))
    day_room = max(0, ledger.day.room(limits.overall_day, limits.read_day))
    if calls <= 0:
        return now
    last_day = ledger.day.index + LONGEST_DAYS
    day_index, quarter_index = ledger.day.index, ledger.quarter.index
    while day_index <= last_day:
        day_ends = (day_index + 1) * lengths.day_seconds
        free = day_room - sum(demand.expected(other, at, max(0.0, day_ends - at)) for other in above)
        while at < day_ends and calls > 0 and free > 0:
            quarter_ends = (quarter_index + 1) * lengths.quarter_seconds
            need = sum(demand.expected(other, at, max(0.0, quarter_ends - at)) for other in above)
            fit = max(0.0, min(quarter_room - need, free))
            if fit >= calls:
                # Spread over the quarter: a safe guess, since the pace decides within it.
                at += (quarter_ends - at) * calls / max(fit, 1.0)
                return now + timedelta(seconds=math.ceil(at - now.timestamp() - high))
            calls, free = calls - math.floor(fit), free - fit
            at, quarter_index, quarter_room = quarter_ends, quarter_index + 1, limits.quarter
        day_index, day_room = day_index + 1, limits.day
        at = max(at, float(day_ends))
        quarter_index, quarter_room = int(at // lengths.quarter_seconds), limits.quarter
    return None

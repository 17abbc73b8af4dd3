"""What is known of Strava's windows, and where Strava's clock may stand.

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
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from daemon.core.admission import LANES

SEND_WITHIN_SECONDS: Final = 3.0  # from the permit to the request's last byte on the wire
CONNECT_SECONDS: Final = 2.0  # of which a connection may take to come about
TRANSIT_SECONDS: Final = 3.0  # from there to Strava's counter
UNKNOWN_OFFSET_SECONDS: Final = 120.0  # how far apart the clocks may be before the first answer
UNKNOWN_OFFSET_SHARE: Final = 0.25  # of a shortened quarter: a sandbox's clock is ours, more or less
CLOCK_DRIFT: Final = 1e-4  # how fast knowledge of the offset wears off, seconds per second

PerLane: TypeAlias = tuple[int, ...]  # one number for each of LANES, in their order
NO_LANES: Final[PerLane] = (0,) * len(LANES)


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests allowed per window and meter."""

    overall_quarter: int
    overall_day: int
    read_quarter: int
    read_day: int

    @property
    def quarter(self) -> int:
        """Return the limit that binds in a quarter: all our requests count on both meters."""
        return min(self.overall_quarter, self.read_quarter)

    @property
    def day(self) -> int:
        """Return the limit that binds in a day."""
        return min(self.overall_day, self.read_day)


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
    silent_ahead: int = 0  # of `charged_ahead`, answered: silent in the window after this one
    overall_usage: int = 0  # the highest readings
    read_usage: int = 0
    spent: bool = False  # a 429 said so, whatever the numbers say
    by_lane: PerLane = NO_LANES  # permits given in this window

    def usage(self, meter_usage: int) -> int:
        """Return the most that Strava can have counted, once all that is in flight has arrived."""
        return self.charged + self.others(meter_usage)

    def others(self, meter_usage: int) -> int:
        """Return how much of a reading cannot be ours, as far as answers have told."""
        return max(0, meter_usage - self.shown - self.silent_seen)

    def room(self, overall_limit: int, read_limit: int) -> int:
        """Return how many more requests fit, in the window after this one as well: fewer are charged there."""
        if self.spent:
            return 0
        return min(overall_limit - self.usage(self.overall_usage), read_limit - self.usage(self.read_usage))

    @property
    def unanswered(self) -> int:
        """Return how many permits of this window have told nothing yet: in flight, or lost."""
        return self.charged - self.shown - self.silent


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole state: one row per Strava app. `offset_*` bound Strava's clock minus ours, in seconds."""

    limits: Limits
    limits_learned: bool = False
    quarter: Window = Window()
    day: Window = Window()
    offset_low_seconds: float | None = None
    offset_high_seconds: float | None = None
    offset_at: datetime | None = None  # of the newest answer that carried a date
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
    """No permit before `until`; `inactive` tells a refused app, `spent` a window that is used up."""

    until: datetime
    reason: str
    inactive: bool = False
    spent: bool = False


def offset_bounds(ledger: Ledger, now: datetime, lengths: Lengths) -> tuple[float, float]:
    """Return the least and the greatest that Strava's clock may be ahead of ours now, in seconds."""
    unknown = min(UNKNOWN_OFFSET_SECONDS, UNKNOWN_OFFSET_SHARE * lengths.quarter_seconds)
    low, high, at = ledger.offset_low_seconds, ledger.offset_high_seconds, ledger.offset_at
    if low is None or high is None or at is None:
        return -unknown, unknown
    drift = min(CLOCK_DRIFT * max(0.0, (now - at).total_seconds()), unknown)
    return low - drift, high + drift


@dataclass(frozen=True, slots=True)
class PastQuarter:
    """What remains of a quarter that is over: permits given by lane, and what others used as far as seen."""

    began_at: datetime
    seconds: int
    by_lane: PerLane
    others: int


def past_quarter(before: Ledger, after: Ledger, lengths: Lengths) -> PastQuarter | None:
    """Return the quarter that ended between two states of the ledger; None where none did, or nothing was used."""
    window = before.quarter
    if after.quarter.index <= window.index or window.charged == 0:
        return None
    return PastQuarter(
        began_at=datetime.fromtimestamp(window.index * lengths.quarter_seconds, UTC),
        seconds=lengths.quarter_seconds,
        by_lane=window.by_lane,
        others=max(window.others(window.overall_usage), window.others(window.read_usage)),
    )


def roll(ledger: Ledger, now: datetime, lengths: Lengths) -> Ledger:
    """Turn each window that has ended for sure."""
    low, _ = offset_bounds(ledger, now, lengths)
    strava_seconds = now.timestamp() + low
    quarter = _turned(ledger.quarter, int(strava_seconds // lengths.quarter_seconds))
    day = _turned(ledger.day, int(strava_seconds // lengths.day_seconds))
    if quarter is ledger.quarter and day is ledger.day:
        return ledger  # nearly always
    return replace(ledger, quarter=quarter, day=day)


def _turned(window: Window, index: int) -> Window:
    if index <= window.index:
        return window
    if index > window.index + 1:
        return Window(index=index)
    return Window(index=index, charged=window.charged_ahead, silent=window.silent_ahead)


def turn_at(index: int, length_seconds: int, now: datetime, offset_low: float) -> datetime:
    """Return when, on our clock, window `index` will have begun for sure; knowledge wears off until then."""
    seconds = (index * length_seconds - now.timestamp() - offset_low) / (1.0 - CLOCK_DRIFT)
    return now + timedelta(milliseconds=math.ceil(1000.0 * seconds))

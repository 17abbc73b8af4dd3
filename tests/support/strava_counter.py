"""Strava's counting as a pure model: fixed windows on its own clock, two meters, nothing forgiven.

It knows who asked, us or somebody else with the same app, so that a ledger can be held against the truth.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from daemon.core.admission import MeterReading, Outcome, Reading
from daemon.core.quota import Lengths, Limits


@dataclass(frozen=True, slots=True)
class Counted:
    """One request of ours at the moment of counting; `foreign` has the overall and the read count of others."""

    order: int
    quarter_index: int
    day_index: int
    limits: Limits
    reading: Reading
    outcome: Outcome
    foreign_quarter: tuple[int, int]
    foreign_day: tuple[int, int]


class StravaCounter:
    """Counts requests at instants of Strava's clock, in seconds since the epoch."""

    def __init__(self, limits: Limits, lengths: Lengths) -> None:
        self.limits = limits
        self.lengths = lengths
        self.ours: Counter[tuple[str, int]] = Counter()
        self.foreign_overall: Counter[tuple[str, int]] = Counter()
        self.foreign_read: Counter[tuple[str, int]] = Counter()
        self.over_limit = 0  # requests of ours
        self._order = 0

    def count(self, at: float) -> Counted:
        """Count one read of ours; over a limit it is refused, and counts all the same."""
        quarter, day = self._windows(at)
        self.ours[quarter] += 1
        self.ours[day] += 1
        self._order += 1
        limits = self.limits
        overall = MeterReading(
            limits.overall_quarter,
            limits.overall_day,
            self.ours[quarter] + self.foreign_overall[quarter],
            self.ours[day] + self.foreign_overall[day],
        )
        read = MeterReading(
            limits.read_quarter,
            limits.read_day,
            self.ours[quarter] + self.foreign_read[quarter],
            self.ours[day] + self.foreign_read[day],
        )
        refused = any(
            meter.quarter_usage > meter.quarter_limit or meter.day_usage > meter.day_limit
            for meter in (overall, read)
        )
        self.over_limit += refused
        return Counted(
            order=self._order,
            quarter_index=quarter[1],
            day_index=day[1],
            limits=limits,
            reading=Reading(overall, read),
            outcome=Outcome.RATE_LIMITED if refused else Outcome.COUNTED,
            foreign_quarter=(self.foreign_overall[quarter], self.foreign_read[quarter]),
            foreign_day=(self.foreign_overall[day], self.foreign_read[day]),
        )

    def count_foreign(self, at: float, requests: int, *, reads: bool) -> None:
        """Count what somebody else asked in this app's name; an upload counts on the overall meter only."""
        for window in self._windows(at):
            self.foreign_overall[window] += requests
            self.foreign_read[window] += requests if reads else 0

    def _windows(self, at: float) -> tuple[tuple[str, int], tuple[str, int]]:
        return ("quarter", int(at // self.lengths.quarter_seconds)), ("day", int(at // self.lengths.day_seconds))


def date_header(strava_at: float, edge_seconds: float = 0.0) -> datetime:
    """Return the `Date` of an answer given at `strava_at` by an edge server whose clock is off by so much."""
    return datetime.fromtimestamp(int(strava_at + edge_seconds), UTC)

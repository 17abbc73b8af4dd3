"""What is simulated, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from bench.lives import Floats, Outage


@dataclass(frozen=True, slots=True)
class Setting:
    """One run: a fleet, a quota, what befalls events, and how many days are measured."""

    athletes: int
    days: int
    dropped: float = 0.0
    outages: tuple[Outage, ...] = ()
    calls_a_day: int = 30_000
    calls_a_quarter: int = 600
    seed: int = 1
    to_the_end: bool = True  # live on until nothing is hidden, to count what is missed forever


@dataclass(slots=True)
class Score:
    """What a run came to; freshness in minutes, calls of the measured days only."""

    freshness: Floats
    hidden: Floats  # minutes from the end of the outage, for what it hid; from being visible, for what was dropped
    found: int
    calls: int
    looks: int
    idle_calls: float  # per athlete-day without news
    waiting: int  # activities not known at the end of the measured days
    missed_forever: int
    longest_blind_hours: float
    decisions: int
    why: Counter[str]
    athlete_days: int

    @property
    def calls_per_activity(self) -> float:
        """Return calls a new activity."""
        return self.calls / max(1, self.found)

    @property
    def calls_per_athlete_day(self) -> float:
        """Return calls an athlete and day."""
        return self.calls / self.athlete_days

    def percentile(self, share: float) -> float:
        """Return a percentile of freshness, in minutes."""
        return float(np.percentile(self.freshness, share)) if self.freshness.size else 0.0


@dataclass(slots=True)
class Quota:
    """Strava's two windows, as calls spent."""

    a_day: int
    a_quarter: int
    today: int = 0
    now: int = 0

    def left(self, reserve_day: float = 0.0, reserve_quarter: float = 0.0) -> int:
        """Return the calls that fit both windows, less what is kept."""
        return int(min(self.a_day - self.today - reserve_day, self.a_quarter - self.now - reserve_quarter))

    def spend(self, calls: int) -> None:
        """Count calls."""
        self.today += calls
        self.now += calls


@dataclass(slots=True)
class Meter:
    """What is counted on the way."""

    calls: int = 0
    looks: int = 0
    decisions: int = 0
    why: Counter[str] = field(default_factory=Counter)
    longest_blind: timedelta = timedelta(0)

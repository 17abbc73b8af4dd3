"""How an athlete lives: which sports on which days at which hour, how seriously, and what he wears.

All of it from the world's seed and the athlete's number, by shares that are written down here. Refuses dates:
`seasons` lays habits onto the calendar.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

MONDAY_TO_SUNDAY = 7
TASTES = ("ride", "ride_estimated", "indoor", "run", "swim", "strength", "manual", "walk", "hike")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """The laws of one world; the defaults are those of the command line."""

    seed: int = 1
    season_swing: float = 0.04  # fitness and fatigue together move thresholds by this share at most
    never_hard_share: float = 0.1  # of those who are not casual; the casual never go hard
    corruption_scale: float = 1.0  # times the rates in `corruptions`


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of athlete: sessions a week, and how often which kind of session, in the season and out of it."""

    share: float
    weekly: tuple[float, float]
    summer: dict[str, float]
    winter: dict[str, float]
    tested: tuple[str, ...]  # what he goes all out in, in turn
    every_weeks: tuple[int, ...] = ()  # from one all-out day to the next
    double_share: float = 0.0
    estimated_share: float = 0.0  # of his rides: no meter on this bicycle


# The order matters: the n-th athlete's place in it is n times the golden ratio, so that five are a mixed team.
PROFILES: dict[str, Profile] = {
    "cyclist": Profile(
        share=0.34, weekly=(3.5, 6.0), tested=("ride",), every_weeks=(4, 4, 5, 5),
        summer={"ride": 78, "ride_estimated": 8, "indoor": 4, "run": 4, "strength": 4, "manual": 2},
        winter={"ride": 40, "ride_estimated": 6, "indoor": 34, "run": 8, "strength": 10, "manual": 2},
    ),
    "runner": Profile(
        share=0.24, weekly=(3.5, 6.0), tested=("run",), every_weeks=(4, 4, 5, 5),
        summer={"run": 86, "ride_estimated": 5, "hike": 2, "strength": 6, "manual": 1},
        winter={"run": 80, "indoor": 3, "hike": 1, "strength": 15, "manual": 1},
    ),
    "meterless cyclist": Profile(
        share=0.10, weekly=(3.0, 5.0), tested=("ride",), every_weeks=(5, 6), estimated_share=1.0,
        summer={"ride": 88, "run": 5, "strength": 4, "manual": 3},
        winter={"ride": 66, "run": 12, "strength": 18, "manual": 4},
    ),
    "swimmer": Profile(
        share=0.04, weekly=(3.0, 5.5), tested=("swim",), every_weeks=(4, 5),
        summer={"swim": 80, "run": 10, "strength": 8, "manual": 2},
        winter={"swim": 80, "run": 5, "strength": 14, "manual": 1},
    ),
    "triathlete": Profile(
        share=0.16, weekly=(5.0, 7.0), tested=("ride", "run"), every_weeks=(3,), double_share=0.2,
        summer={"ride": 38, "run": 34, "swim": 20, "strength": 4, "indoor": 4},
        winter={"ride": 20, "run": 36, "swim": 22, "strength": 8, "indoor": 14},
    ),
    "casual": Profile(
        share=0.12, weekly=(1.0, 2.5), tested=(), estimated_share=1.0,
        summer={"ride": 35, "run": 25, "walk": 18, "hike": 14, "swim": 4, "manual": 4},
        winter={"ride": 14, "run": 26, "walk": 34, "hike": 12, "strength": 10, "manual": 4},
    ),
}  # fmt: skip
GOLDEN = 0.6180339887498949
NO_STRAP_SHARE = 0.03
NO_STRAP_SHARE_CASUAL = 0.35
EARLY_BIRD_SHARE = 0.35


def profile_of(number: int) -> str:
    """Return the profile of the n-th athlete of any world; the first is a cyclist with a power meter."""
    place, seen = number * GOLDEN % 1.0, 0.0
    for name, profile in PROFILES.items():
        seen += profile.share
        if place < seen:
            return name
    return next(reversed(PROFILES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """One athlete's habits; hours are local, minutes a factor on what is usual."""

    profile: str
    goes_hard: bool
    has_meter: bool
    has_strap: bool
    weekday_shares: tuple[float, ...]  # Monday to Sunday: how likely he trains
    weekday_hour: float
    weekend_hour: float
    length: float
    summer: tuple[float, ...]  # weights in the order of TASTES, in the middle of his season
    winter: tuple[float, ...]  # and half a year away from it
    peak_day: int  # of the year: the middle of his season
    swing: float  # his own part of the world's season_swing, 0.25 to 1
    tested: tuple[str, ...]
    hard_every_weeks: int
    hard_phase: int
    double_share: float
    estimated_share: float

    def likely(self, weekday: int, hour: float) -> float:
        """Say how likely he is at it on this weekday (Monday is 0) at this local hour: 0 to 1."""
        usual = self.weekend_hour if weekday >= 5 else self.weekday_hour
        apart = min(abs(hour - usual), 24 - abs(hour - usual))
        return self.weekday_shares[weekday] * (0.02 + max(0.0, 1.0 - (apart / 3.5) ** 2))


@lru_cache(maxsize=4096)
def habits_of(nature: Nature, number: int, *, southern: bool) -> Habits:
    """Return the habits of the n-th athlete of a world; on the southern half the season is half a year off."""
    name = profile_of(number)
    profile = PROFILES[name]
    draw = random.Random(f"{nature.seed}/habits/{number}")
    lot = draw.random()  # drawn for everybody: a share that changes leaves all else alone
    goes_hard = bool(profile.tested) and lot >= nature.never_hard_share
    casual = not profile.tested
    weekly = draw.uniform(*profile.weekly)
    rest_days = set(draw.sample(range(5), draw.choice((1, 2))))
    raw = [
        0.25 if day in rest_days else (1.35 if day >= 5 else 1.0) * draw.uniform(0.8, 1.2)
        for day in range(MONDAY_TO_SUNDAY)
    ]
    early = draw.random() < EARLY_BIRD_SHARE
    peak = draw.gauss(196, 22) + (182 if southern else 0)
    return Habits(
        profile=name,
        goes_hard=goes_hard,
        has_meter=name in {"cyclist", "triathlete"},
        has_strap=draw.random() >= (NO_STRAP_SHARE_CASUAL if casual else NO_STRAP_SHARE),
        weekday_shares=tuple(min(0.97, share * weekly / sum(raw)) for share in raw),
        weekday_hour=draw.uniform(5.8, 7.5) if early else draw.choice((12.2, 17.3, 18.2)) + draw.uniform(-0.5, 0.8),
        weekend_hour=draw.uniform(8.0, 10.5),
        length=draw.uniform(0.7, 1.0) if casual else draw.uniform(0.8, 1.3),
        summer=_own_taste(draw, profile.summer),
        winter=_own_taste(draw, profile.winter),
        peak_day=round(peak) % 365,
        swing=draw.uniform(0.25, 1.0),
        tested=profile.tested,
        hard_every_weeks=draw.choice(profile.every_weeks) if goes_hard else 0,
        hard_phase=draw.randrange(60),
        double_share=profile.double_share,
        estimated_share=profile.estimated_share,
    )


def _own_taste(draw: random.Random, weights: dict[str, float]) -> tuple[float, ...]:
    return tuple(weights.get(taste, 0.0) * draw.uniform(0.6, 1.5) for taste in TASTES)

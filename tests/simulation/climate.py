"""The world of one simulated month, drawn from a seed: limits, clocks, daemons, traffic, and what goes wrong.

A seed's last digit chooses the kind of month, so that every ten seeds in a row have seen all kinds.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from daemon.core.admission import LANES, Lane
from daemon.core.quota import Limits

MONDAY: Final = 1_767_571_200.0  # 2026-01-05, in seconds since the epoch
HOUR, DAY = 3600.0, 86_400.0

SMALL: Final = Limits(
    20, 500, 20, 500
)  # a grown app's limits, through a glass that shows a sixtieth or a thirtieth
MIDDLE: Final = Limits(60, 1500, 60, 1500)
NEW_APP: Final = Limits(200, 2000, 100, 1000)  # what Strava gives to who begins
GROWN: Final = Limits(600, 30_000, 600, 30_000)
QUARTERS_BIND: Final = Limits(60, 10_000, 60, 10_000)  # a day has room for more than its quarters allow

KINDS: Final = (
    "calm", "kills", "foreign", "changing", "flood", "storm", "calm", "storm", "quarters", "grown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Climate:
    """All that chance does not decide while the month runs; rates are steps an hour, instants after its start."""

    seed: int
    kind: str
    days: float
    limits: Limits
    begins_at: float
    offset_seconds: float  # Strava's clock minus ours
    drift: float
    daemons: int
    workers: int
    live_an_hour: tuple[float, ...]  # for each hour of the week
    interactive_an_hour: float
    poll_every_hours: int
    polls: int  # scheduled steps that come due at once
    endless: frozenset[Lane]  # lanes that always want more
    calls: dict[Lane, tuple[int, ...]]  # of a step: one of these
    latency_seconds: float
    lost_share: float  # of the requests whose answer never comes
    learn_every_seconds: float
    kills_a_day: float
    foreign_bursts_a_day: float
    limits_from: tuple[tuple[float, Limits], ...]
    inactive: tuple[tuple[float, float], ...]  # spells: from, until

    @property
    def ends_at(self) -> float:
        return self.begins_at + self.days * DAY

    @property
    def is_alone(self) -> bool:
        """Nobody else uses the app, and its limits stay: then whatever is refused is our own doing."""
        return self.foreign_bursts_a_day == 0 and not self.limits_from and not self.inactive

    @property
    def is_calm(self) -> bool:
        return self.is_alone and self.kills_a_day == 0

    @property
    def live_fits(self) -> bool:
        """Live steps need less than half of the day, and in the busiest hour less than half of a quarter.

        And the day is what binds: where quarters do, their last half minute is used by whoever comes.
        """
        limits, calls = self.limits, [2 * steps for steps in self.live_an_hour]
        fits = sum(calls) / 7 < limits.day / 2 and max(calls) / 4 < limits.quarter / 2
        return self.is_calm and fits and limits.day < 48 * limits.quarter


def climate(seed: int, days: float | None = None) -> Climate:
    """Draw the world of a seed; `days` only shortens or lengthens it."""
    chance = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    limits = chance.choice([SMALL, SMALL, NEW_APP, MIDDLE])
    # A share of less than one step is none: a flood needs limits that are not too small.
    limits = {"grown": GROWN, "quarters": QUARTERS_BIND, "flood": MIDDLE}.get(kind, limits)
    days = days or {"grown": 1.1, "quarters": 3, "flood": 4}.get(kind, 30)
    wild = kind == "storm"
    pair = (1,) if kind == "quarters" else (1, 2, 2, 2)
    live_share = 1.5 if kind == "flood" else chance.uniform(0.05, 0.25)
    return Climate(
        seed=seed,
        kind=kind,
        days=days,
        limits=limits,
        # A whole day of a grown app is 30,000 calls: not much more than that.
        begins_at=MONDAY + (-HOUR if kind == "grown" else chance.uniform(0, DAY)),
        offset_seconds=chance.choice([0.0, 0.4, -3.0, chance.uniform(-118, 118), -118, 118]),
        drift=chance.choice([0.0, 2e-5, -2e-5]),
        daemons=(daemons := chance.randint(1, 8)),
        # Small limits are a model of large ones: what is in flight at once stays a part of a quarter.
        workers=max(1, min(chance.randint(2, 8), limits.quarter // (3 * daemons))),
        live_an_hour=_week(live_share * min(limits.day, 96 * limits.quarter) / 24 / 1.75, flat=kind == "flood"),
        interactive_an_hour=chance.choice([0.0, 0.2, 1.0]) * limits.quarter / 60,
        poll_every_hours=chance.choice([1, 3, 6]),
        polls=chance.randint(1, max(2, limits.quarter // 8)),
        endless=frozenset(
            {Lane.INTERACTIVE, Lane.SCHEDULED, Lane.BACKFILL} if kind == "flood" else {Lane.BACKFILL}
        ),
        calls={lane: (1,) if lane is Lane.SCHEDULED else pair for lane in LANES},
        latency_seconds=chance.choice([0.3, 0.8, 2.0]),
        lost_share=chance.choice([0.0, 0.001, 0.01]),
        learn_every_seconds=300.0 if days <= 4 else 7200.0,
        kills_a_day=chance.uniform(1, 8) if wild or kind == "kills" else 0.0,
        foreign_bursts_a_day=chance.uniform(2, 30) if wild or kind == "foreign" else 0.0,
        limits_from=_relimits(chance, limits, days) if wild or kind == "changing" else (),
        inactive=_spells(chance, days) if wild or kind == "changing" else (),
    )


def _week(mean: float, *, flat: bool) -> tuple[float, ...]:
    """Two peaks a day, after the morning's ride and after work; at the weekend one broad one at noon."""
    if flat:
        return (mean,) * 168

    def weight(hour_of_week: int) -> float:
        day, hour = divmod(hour_of_week, 24)
        peaks = ((12.0, 4.0, 2.5),) if day >= 5 else ((8.0, 1.5, 1.0), (18.5, 2.0, 2.0))
        return 0.15 + sum(height * math.exp(-(((hour - at) / width) ** 2)) for at, width, height in peaks)

    weights = [weight(hour) for hour in range(168)]
    return tuple(mean * 168 * each / sum(weights) for each in weights)


def _relimits(chance: random.Random, limits: Limits, days: float) -> tuple[tuple[float, Limits], ...]:
    def scaled(by: float) -> Limits:
        return Limits(*(max(10, int(by * getattr(limits, name))) for name in Limits.__dataclass_fields__))

    at = sorted(chance.uniform(0, days * DAY) for _ in range(max(1, int(days / 4))))
    return tuple((when, scaled(chance.choice([0.3, 0.5, 1.0, 1.5]))) for when in at)


def _spells(chance: random.Random, days: float) -> tuple[tuple[float, float], ...]:
    began = [chance.uniform(0, days * DAY) for _ in range(max(1, int(days / 15)))]
    return tuple((at, at + chance.uniform(600, 8 * HOUR)) for at in began)

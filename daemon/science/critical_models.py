"""What a line of best efforts is on a bicycle and on foot: which durations, how many, what is credible.

Refuses to fit: `critical` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.science.arrays import IntArray
from daemon.science.curves import DURATIONS


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of reserve / critical before any effort is seen, and how far each point is trusted.

    Seconds; `point_error` as a share. Neighbouring points come from the same effort, so that many of them count
    as no more than `effective_points`.
    """

    mean_seconds: float
    spread_seconds: float
    point_error: float
    effective_points: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the two parameters of a line are called and measured in."""

    name: str
    unit: str
    decimals: int
    reserve_name: str
    reserve_unit: str

    def words(self, critical: float, error: float) -> str:
        """Write a critical value with its error."""
        return f"{critical:.{self.decimals}f} ± {error:.{self.decimals}f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Model:
    """How one sport's line is found. Durations in seconds; shares of 1."""

    quantity: Quantity
    durations: IntArray
    least_points: int
    least_spread: float  # the longest duration over the shortest
    reserve_seconds: tuple[float, float]  # what is credible of reserve / critical
    reserve_moved: float  # one activity may move the reserve by that share
    prior: Prior | None


# Every duration of the grid from 3 to 20 minutes. On half a minute's steps an effort that ended between two of
# them reads up to 15 % too short, and W′ 6 % too low; below 3 minutes W′ is not yet spent.
POWER: Final = Model(
    quantity=Quantity("Critical power", "W", 0, "W′", "J"),
    durations=DURATIONS[(DURATIONS >= 180) & (DURATIONS <= 1200)],
    least_points=4,
    least_spread=3.0,
    reserve_seconds=(40.0, 150.0),  # at less the short efforts were not all out: never-hard riders read 8 % low
    reserve_moved=0.35,
    prior=None,
)
# The satellites' noise would be picked up by a finer grid. Half an hour's races are common on foot.
SPEED: Final = Model(
    quantity=Quantity("Critical speed", "m/s", 2, "D′", "m"),
    durations=np.array([*range(180, 601, 30), *range(660, 1201, 60), *range(1320, 1801, 120)], dtype=np.int64),
    least_points=3,
    least_spread=1.0,
    reserve_seconds=(0.0, np.inf),  # the prior keeps it credible
    reserve_moved=np.inf,
    prior=Prior(mean_seconds=50.0, spread_seconds=18.0, point_error=0.01, effective_points=4.0),
)

"""Normalized values and the training stress of power.

Normalizing serves power and speed alike. Whether power may be used at all is `load`'s to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.science.arrays import BoolArray, FloatArray

ROLLING_SECONDS: Final = 30
_KNOWN_AT_LEAST: Final = 15


@dataclass(frozen=True, slots=True)
class FourthPowers:
    """The sum over an activity's seconds of r30⁴, and how many seconds it sums."""

    total: float
    count: int

    @property
    def normalized(self) -> float | None:
        """The fourth root of the mean, in the unit that was summed; None over no seconds."""
        return (self.total / self.count) ** 0.25 if self.count else None


def fourth_powers(values: FloatArray, paused: BoolArray) -> FourthPowers:
    """Sum r30⁴ over the seconds outside pauses [Coggan 2003].

    r30 is the mean of the known seconds among the last 30: a pause counts as 0, an unknown second not at
    all. Where fewer than 15 are known, also in the first 14 seconds of an activity, there is none.
    """
    known = ~np.isnan(values)
    sums = _rolling_sums(np.where(known & ~paused, values, 0.0))
    counts = _rolling_sums((known | paused).astype(np.float64))
    counted = (counts >= _KNOWN_AT_LEAST) & ~paused
    squares = np.square(sums[counted] / counts[counted])
    return FourthPowers(total=float(np.dot(squares, squares)), count=int(np.count_nonzero(counted)))


def training_stress(normalized_watts: float, seconds: int, ftp_watts: float) -> float:
    """Return s · NP · IF / (FTP · 3600) · 100: an hour at FTP is 100 [Coggan 2003]."""
    intensity = normalized_watts / ftp_watts
    return seconds * normalized_watts * intensity / (ftp_watts * 3600) * 100


def _rolling_sums(values: FloatArray) -> FloatArray:
    running = np.cumsum(values)
    running[ROLLING_SECONDS:] -= running[:-ROLLING_SECONDS].copy()
    return running

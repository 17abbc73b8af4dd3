"""Best swim times over the classic distances, and the training stress of a swim.

The clock of a best time runs on through rests: it is what the pool clock would show.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from daemon.science.arrays import FloatArray, IntArray

DISTANCES_M: Final = (100, 200, 400, 800, 1500)

# Nobody has swum 100 m at 2.5 m/s without fins: a quicker best is a jump of the position, not a swim.
FASTEST_M_PER_S: Final = 3.0
_TOLERANCE_M: Final = 1e-6


def best_seconds(distance_m: FloatArray) -> FloatArray:
    """Return the shortest time over each of DISTANCES_M, exact on the line through the known seconds.

    `distance_m` never falls. NaN where the distance was not reached, or where the best is quicker than
    anybody swims.
    """
    best = np.full(len(DISTANCES_M), np.nan)
    seconds = np.flatnonzero(~np.isnan(distance_m))
    covered = distance_m[seconds]
    if covered.size == 0:
        return best
    for index, wanted in enumerate(DISTANCES_M):
        # On such a line the quickest stretch starts or ends at one of its corners.
        quickest = min(_from_each(seconds, covered, wanted), _to_each(seconds, covered, wanted))
        if wanted / FASTEST_M_PER_S <= quickest < np.inf:
            best[index] = quickest
    return best


def training_stress(distance_m: float, seconds: float, critical_m_per_s: float) -> float:
    """Return (v / CSS)³ · hours · 100: an hour at critical swim speed is 100 [McGregor; Fitzgerald 2008].

    The cube, for the drag of water grows with the square of the speed.
    """
    return (distance_m / seconds / critical_m_per_s) ** 3 * seconds / 3600 * 100


def _from_each(seconds: IntArray, covered: FloatArray, wanted: int) -> float:
    """Start at every known second, arrive as early as the distance is reached."""
    goals = covered + wanted
    arrivals = np.searchsorted(covered, goals - _TOLERANCE_M, side="left")
    reached = arrivals < covered.size
    arrivals, goals = arrivals[reached], goals[reached]
    spans = _crossing(seconds, covered, arrivals - 1, goals) - seconds[reached]
    return float(np.min(spans, initial=np.inf))


def _to_each(seconds: IntArray, covered: FloatArray, wanted: int) -> float:
    """Arrive at every known second, start as late as still leaves the distance."""
    origins = covered - wanted
    departures = np.searchsorted(covered, origins + _TOLERANCE_M, side="right") - 1
    reached = departures >= 0
    departures, origins = departures[reached], origins[reached]
    spans = seconds[reached] - _crossing(seconds, covered, departures, origins)
    return float(np.min(spans, initial=np.inf))


def _crossing(seconds: IntArray, covered: FloatArray, before: IntArray, distance_m: FloatArray) -> FloatArray:
    """Return when the line passes `distance_m` between the corner `before` and the next one."""
    rise = covered[before + 1] - covered[before]
    share = np.clip((distance_m - covered[before]) / rise, 0.0, 1.0)
    start, end = seconds[before].astype(np.float64), seconds[before + 1].astype(np.float64)
    return start + share * (end - start)

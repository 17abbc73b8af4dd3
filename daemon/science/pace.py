"""Grade, what it costs to run on it, graded speed and its training stress.

Two models of that cost stand side by side; a setting picks, the table by default. Where the grade is unknown
the graded speed is unknown too: it is never taken for flat ground.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np

from daemon.science.arrays import FloatArray

# Unsmoothed grade inflates graded speed by up to 13 %.
WINDOW_M: Final = 50.0
STEEPEST: Final = 0.45


class GradeModel(StrEnum):
    """Whose cost of grade turns speed into graded speed."""

    STRAVA = "strava"
    MINETTI = "minetti"


_FLAT_COST: Final = 3.6
# Joules per kg and metre by grade as a fraction, highest power first [Minetti 2002, J Appl Physiol 93].
# The linear term is +19.5: a copy with −165 is in circulation and wrong.
_MINETTI: Final = (155.4, -30.4, -43.3, 46.3, 19.5, _FLAT_COST)

# Strava's own grade adjustment, grade in % to factor.
_STRAVA_GRADES: Final = np.array(
    [-45, -30, -25, -20, -15, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 15, 20, 25, 30, 45], dtype=np.float64
)
_STRAVA_FACTORS: Final = np.array(
    [
        *(2.096, 1.495, 1.273, 1.081, 0.941, 0.876, 0.876, 0.891, 0.918, 0.960, 1.0),
        *(1.055, 1.135, 1.228, 1.337, 1.459, 1.846, 2.297, 2.727, 3.158, 4.286),
    ]
)


def grades(distance_m: FloatArray, altitude_m: FloatArray) -> FloatArray:
    """Return the grade of each second as a fraction, over the 50 m of distance centred on it.

    Near both ends of the activity the window is the part of those 50 m that was covered. Clamped to ±0.45;
    NaN where distance or altitude is unknown, and everywhere in an activity shorter than half a window.
    """
    grade = np.full(distance_m.size, np.nan)
    known = ~(np.isnan(distance_m) | np.isnan(altitude_m))
    at = distance_m[known]
    if at.size == 0 or at[-1] - at[0] < WINDOW_M / 2:
        return grade
    leaving = np.append(np.diff(at) > 0, True)  # of a stop, only its last second: interp needs a rising axis
    axis, heights = at[leaving], altitude_m[known][leaving]
    behind = np.maximum(at - WINDOW_M / 2, axis[0])
    ahead = np.minimum(at + WINDOW_M / 2, axis[-1])
    rise = np.interp(ahead, axis, heights) - np.interp(behind, axis, heights)
    grade[known] = np.clip(rise / (ahead - behind), -STEEPEST, STEEPEST)
    return grade


def minetti_cost(grade: FloatArray) -> FloatArray:
    """Return the energy cost of running at `grade` (a fraction), in J/kg/m."""
    cost = np.full_like(grade, _MINETTI[0])
    for coefficient in _MINETTI[1:]:
        cost = cost * grade + coefficient
    return cost


def minetti_factor(grade: FloatArray) -> FloatArray:
    """Return how much faster than `grade` flat ground would be run at the same cost."""
    return minetti_cost(grade) / _FLAT_COST


def strava_factor(grade: FloatArray) -> FloatArray:
    """Return Strava's factor for `grade` (a fraction), linear between the points of its table."""
    return np.asarray(np.interp(grade * 100, _STRAVA_GRADES, _STRAVA_FACTORS), dtype=np.float64)


def training_stress(graded_m_per_s: float, seconds: int, critical_m_per_s: float) -> float:
    """Return s / 3600 · (NGS / CS)² · 100: an hour at critical speed is 100; NGS is the normalized graded speed.

    The faster speed stands above: the ratio upside down, as one known system has it, makes easy runs the hardest.
    """
    return seconds / 3600 * (graded_m_per_s / critical_m_per_s) ** 2 * 100

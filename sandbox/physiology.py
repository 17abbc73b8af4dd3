"""What a body can do and how its heart answers: the laws that every drawn second obeys.

numpy in, numpy out. Refuses sports and plans: it is told efforts as shares of a threshold.
"""

from __future__ import annotations

import numpy as np

from sandbox.noise import Array, Random, coarse_means, flutter, spread_out

# The cost of a slope against level ground, by grade in percent, linear between: Strava's own adjustment.
GRADES = (-45, -30, -25, -20, -15, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 15, 20)
FACTORS = (
    2.096, 1.495, 1.273, 1.081, 0.941, 0.876, 0.876, 0.891, 0.918, 0.960, 1.0, 1.055, 1.135, 1.228, 1.337, 1.459,
    1.846, 2.297,
)  # fmt: skip

LAG_SECONDS = (30.0, 50.0)
DRIFT_PER_HOUR = (0.015, 0.035)  # of the reserve below threshold
DRIFT_PIVOT_SECONDS = 3_000  # so far into a session the heart beats as the truth says
HEART_OF_THE_DAY_BPM = 1.0  # spread from day to day, cut at twice that
HEART_FLUTTER_BPM = 1.2
ABOVE_THRESHOLD = 0.4  # so much over threshold, and the heart nears its maximum
STEP_SECONDS = 15


def keep_within_reserve(work_rate: Array, critical: float, reserve: float) -> Array:
    """Return an effort that nobody at this critical power (or speed) with this reserve would find impossible.

    The mean over every window of t seconds is at most critical + reserve / t. That is one condition: no run of
    seconds spends more than the reserve above the critical rate. Where one does, all that is above the critical
    rate is scaled down, which can only lower the cost of every other window too.
    """
    spent = np.cumsum(work_rate - critical)
    lowest = np.minimum(np.minimum.accumulate(spent), 0.0)
    # The reserve is spent between the lowest point before a second and that second.
    most = float((spent[1:] - lowest[:-1]).max(initial=float(spent[0])))
    if most <= reserve:
        return work_rate
    share = reserve / most
    return np.where(work_rate > critical, critical + (work_rate - critical) * share, work_rate)


def slope_cost(slope: Array) -> Array:
    """Return how many times the level effort a slope (a fraction) takes on foot."""
    cost: Array = np.interp(slope * 100, GRADES, FACTORS)
    return cost


def heart_rate(random: Random, effort: Array, resting_bpm: float, threshold_bpm: float, max_bpm: float) -> Array:
    """Return the heart's answer to an effort (1 is threshold): it lags, drifts upward and flutters.

    Steady below threshold: 30 % of the way from rest to threshold with no effort, linear from there. Above it
    nears the maximum. A first-order lag of 30 to 50 s; a drift of 1.5 to 3.5 % of the reserve per hour.
    """
    lag, drift = random.uniform(*LAG_SECONDS), random.uniform(*DRIFT_PER_HOUR)
    day = HEART_OF_THE_DAY_BPM * min(max(random.standard_normal(), -2.0), 2.0)
    coarse = coarse_means(effort, STEP_SECONDS)
    reserve = threshold_bpm - resting_bpm
    hours = (np.arange(coarse.size) * STEP_SECONDS - DRIFT_PIVOT_SECONDS) / 3600
    below = resting_bpm + reserve * (0.3 + 0.7 * np.minimum(coarse, 1.0)) * (1 + drift * np.minimum(hours, 3.0))
    above = (max_bpm - threshold_bpm) * np.clip((coarse - 1) / ABOVE_THRESHOLD, 0, 1)
    target = np.minimum(below + above + day, max_bpm - 1)
    beat, gain = resting_bpm + 0.25 * reserve, 1 - float(np.exp(-STEP_SECONDS / lag))
    beats = [beat]
    for aim in target.tolist():
        beat += gain * (aim - beat)
        beats.append(beat)
    drawn = spread_out(np.array(beats), STEP_SECONDS, effort.size)
    drawn += flutter(random, effort.size, HEART_FLUTTER_BPM, 12)
    return np.clip(drawn, resting_bpm, max_bpm, out=drawn)

"""Cheap noise of a given spread and memory, second by second.

An hour must cost microseconds: noise of each kind is made once, a day and a half of it, and a session takes a
piece from a place that its generator picks. So a seed gives the same again. Refuses meaning.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Random = np.random.Generator

BANK_SECONDS = 2**17
# Lines between independent knots spread less than the knots themselves.
LINES_SHRINK = float(np.sqrt(2 / 3))


def spread_out(knots: Array, step: int, count: int) -> Array:
    """Return `count` seconds through knots that lie `step` seconds apart, joined by lines, the last one held."""
    if knots.size * step < count + step:
        knots = np.append(knots, knots[-1])
    # Faster than np.interp by far, which looks for a place that is known here.
    lines = knots[:-1, None] + np.diff(knots)[:, None] * (np.arange(step) / step)
    drawn: Array = lines.ravel()[:count]
    return drawn


def coarse_means(values: Array, step: int) -> Array:
    """Return the means over steps of so many seconds; what is left at the end stands for itself."""
    sums: Array = np.add.reduceat(values, np.arange(0, values.size, step))
    sums[:-1] /= step
    sums[-1] /= (values.size - 1) % step + 1
    return sums


@cache
def _slow(seconds: int) -> Array:
    """Make noise of spread 1 that goes in lines from knot to knot."""
    knots = np.random.default_rng(seconds).standard_normal(BANK_SECONDS // seconds + 2) / LINES_SHRINK
    return spread_out(knots, seconds, BANK_SECONDS)


@cache
def _quick(seconds: int) -> Array:
    """Make noise of spread 1 that is the moving sum of white noise."""
    sums = np.cumsum(np.random.default_rng(seconds).standard_normal(BANK_SECONDS + seconds))
    drawn: Array = (sums[seconds:] - sums[:-seconds]) / np.sqrt(seconds)
    return drawn


def _piece(random: Random, bank: Array, count: int) -> Array:
    if count >= BANK_SECONDS:  # no session is as long
        return np.resize(bank, count)
    place = int(random.integers(0, BANK_SECONDS - count))
    return bank[place : place + count]


def wander(random: Random, count: int, spread: float, seconds: int) -> Array:
    """Return slow noise of zero mean that forgets itself within some `seconds`."""
    return _piece(random, _slow(seconds), count) * spread


def flutter(random: Random, count: int, spread: float, seconds: int) -> Array:
    """Return quick noise of zero mean that forgets itself within `seconds`."""
    return _piece(random, _quick(seconds), count) * spread


def smooth(values: Array, seconds: int) -> Array:
    """Return the mean over a centred window, edges held."""
    before = seconds // 2
    padded = np.concatenate(
        [[0.0], np.full(before, values[0]), values, np.full(seconds - 1 - before, values[-1])], dtype=np.float64
    )
    sums = np.cumsum(padded)
    mean: Array = (sums[seconds:] - sums[:-seconds]) / seconds
    return mean


def dropouts(random: Random, count: int, per_hour: float) -> Mask:
    """Return a mask, True where a sensor lost contact for 2 to 12 s."""
    lost = np.zeros(count, dtype=np.bool_)
    for place in random.integers(0, count, int(random.poisson(per_hour * count / 3600))).tolist():
        lost[place : place + int(random.integers(2, 13))] = True
    return lost

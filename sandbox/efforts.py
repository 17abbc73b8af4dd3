"""How an athlete's effort, heart, speed and place run over a session, second by second.

numpy in, numpy out; every draw comes from the given generator, so that a seed gives the same session again.
Refuses sports and athletes: it is told numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Random = np.random.Generator

AIR_DENSITY = 1.2
DRAG_AREA = 0.34
ROLLING = 0.005
BIKE_KG = 9.0
DRIVETRAIN = 0.97
GRAVITY = 9.81
METRES_PER_DEGREE = 111_320.0


def wander(random: Random, count: int, spread: float, seconds: float) -> Array:
    """Return noise of zero mean and the given spread that forgets itself within `seconds`."""
    kernel = np.exp(-np.arange(max(1, int(5 * seconds))) / seconds)
    kernel /= np.sqrt(np.sum(kernel**2))
    white = random.standard_normal(count + kernel.size - 1)
    # Long kernels by the frequency domain: a direct convolution of an hour takes tens of milliseconds.
    size = 1 << (white.size + kernel.size - 2).bit_length()
    drawn = np.fft.irfft(np.fft.rfft(white, size) * np.fft.rfft(kernel, size), size)
    return np.asarray(spread * drawn[kernel.size - 1 : kernel.size - 1 + count], dtype=np.float64)


def smooth(values: Array, seconds: int) -> Array:
    """Return the mean over a centred window, edges held."""
    padded = np.pad(values, (seconds // 2, seconds - 1 - seconds // 2), mode="edge")
    kernel: Array = np.full(seconds, 1 / seconds)
    mean: Array = np.convolve(padded, kernel, mode="valid")
    return mean


def _blocks(work: tuple[float, float], rest: tuple[float, float], total: float) -> Iterable[tuple[float, float]]:
    left = total
    while left > 0:
        yield from (work, rest)
        left -= work[0] + rest[0]


def plan(random: Random, count: int, shape: str) -> Array:
    """Return the planned effort as a fraction of threshold: warm-up, the session's shape, cool-down.

    Shapes: steady, tempo, threshold, intervals. Hard work stays within what an athlete with W′ of 70 s at
    threshold can repeat: 4 minutes at 1.08, or up to 15 minutes at 0.97.
    """
    warm, cool = int(count * 0.15), int(count * 0.1)
    main = count - warm - cool
    if shape == "intervals":
        length = float(random.integers(120, 241))
        blocks = _blocks((length, random.uniform(1.04, 1.08)), (length, 0.5), main)
    elif shape == "threshold":
        blocks = _blocks((float(random.integers(480, 901)), random.uniform(0.92, 0.97)), (240, 0.52), main)
    elif shape == "tempo":
        blocks = _blocks((float(random.integers(600, 1201)), random.uniform(0.8, 0.87)), (300, 0.6), main)
    else:
        blocks = [(main, random.uniform(0.62, 0.73))]
    levels = np.concatenate([np.full(int(seconds), level) for seconds, level in blocks])[:main]
    whole = np.concatenate([np.linspace(0.45, 0.68, warm), levels, np.linspace(0.6, 0.42, cool)])
    return smooth(whole, 7)


def pauses(random: Random, moving_seconds: int, per_hour: float) -> Mask:
    """Return a mask over the elapsed seconds, True while moving: stops of half a minute to five minutes."""
    stops = int(random.poisson(per_hour * moving_seconds / 3600))
    places = np.sort(random.integers(int(moving_seconds * 0.1), max(int(moving_seconds * 0.9), 2), stops))
    lengths = random.integers(30, 301, stops)
    moving = np.ones(moving_seconds + int(lengths.sum()), dtype=np.bool_)
    shift = 0
    for place, length in zip(places, lengths, strict=True):
        moving[place + shift : place + shift + length] = False
        shift += int(length)
    return moving


def heart_rate(random: Random, effort: Array, resting_bpm: float, threshold_bpm: float, max_bpm: float) -> Array:
    """Return the heart's answer to an effort (fraction of threshold): it lags, drifts upward and flutters.

    A first-order lag of 30 to 60 s; a drift of 2 to 5 % of the reserve per hour.
    """
    lag_seconds, drift_per_hour = random.uniform(30, 60), random.uniform(0.02, 0.05)
    reserve = threshold_bpm - resting_bpm
    drift = 1 + drift_per_hour * np.arange(effort.size) / 3600
    target = np.minimum(resting_bpm + reserve * (0.3 + 0.7 * effort) * drift, max_bpm - 1)
    beats, beat, gain = [], resting_bpm + 0.25 * reserve, 1 / lag_seconds
    for aim in target.tolist():
        beat += gain * (aim - beat)
        beats.append(beat)
    return np.clip(np.array(beats) + wander(random, effort.size, 1.2, 12), resting_bpm, max_bpm)


def grade(random: Random, count: int, steepness: float) -> Array:
    """Return the slope of the road as a fraction, level in the mean."""
    slope = wander(random, count, steepness, 90)
    level: Array = np.clip(slope - slope.mean(), -0.1, 0.1)
    return level


def riding_speed(power: Array, slope: Array, weight_kg: float) -> Array:
    """Return the speed that a power keeps up against air, rolling and slope, smoothed by inertia."""
    force = (weight_kg + BIKE_KG) * GRAVITY * (ROLLING + slope)
    drag = 0.5 * AIR_DENSITY * DRAG_AREA
    speed = np.full(power.size, 8.0)
    for _ in range(12):
        excess = drag * speed**3 + force * speed - DRIVETRAIN * power
        speed = np.clip(speed - excess / np.maximum(3 * drag * speed**2 + force, 2.0), 1.5, 19.0)
    return smooth(speed.astype(np.float64), 15)


def power_at_legs(random: Random, effort: Array, slope: Array, ftp_watts: float) -> Array:
    """Return watts around a planned effort: surges, a little more uphill, feet still on descents."""
    lively = effort * (1 + np.clip(1.2 * slope, -0.1, 0.1)) * (1 + wander(random, effort.size, 0.07, 6))
    coasting = (slope < -0.025) & (wander(random, effort.size, 1.0, 10) > 0.2)
    return np.where(coasting, 0.0, np.clip(lively, 0.05, None)) * ftp_watts


def loop(random: Random, metres_per_second: Array, latitude: float, longitude: float) -> list[list[float]]:
    """Return positions of a round course that ends where it began, with a GPS receiver's noise."""
    count = metres_per_second.size
    turn = np.linspace(0, 2 * np.pi, count) * float(random.choice([-1, 1])) + random.uniform(0, 2 * np.pi)
    heading = turn + wander(random, count, 0.5, 150)
    east, north = np.cumsum(metres_per_second * np.sin(heading)), np.cumsum(metres_per_second * np.cos(heading))
    way = np.linspace(0, 1, count)
    east, north = east - way * east[-1], north - way * north[-1]
    east, north = east + wander(random, count, 2.0, 20), north + wander(random, count, 2.0, 20)
    latitudes = np.round(latitude + north / METRES_PER_DEGREE, 6)
    longitudes = np.round(longitude + east / (METRES_PER_DEGREE * np.cos(np.radians(latitude))), 6)
    return np.stack([latitudes, longitudes], axis=1).tolist()  # type: ignore[no-any-return]


def dropouts(random: Random, count: int, per_hour: float) -> Mask:
    """Return a mask, True where a sensor lost contact for 2 to 12 s."""
    lost = np.zeros(count, dtype=np.bool_)
    for place in random.integers(0, count, int(random.poisson(per_hour * count / 3600))):
        lost[place : place + int(random.integers(2, 13))] = True
    return lost

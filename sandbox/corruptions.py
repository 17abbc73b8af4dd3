"""What goes wrong in recordings, at stated rates: sensors, satellites, clocks.

A rate is a share of the activities that have the channel in question, and one activity has one of these at
most; the command line scales them all. Short dropouts, counted per hour, belong to every recording and are no
corruption. Refuses to choose: which activity is struck follows from the plan, so that the truth can be told
without drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator
Channels = dict[str, NDArray[Any]]

RATES: dict[str, float] = {
    "power_spike": 0.02,  # one to three seconds of 2,600 to 25,000 W
    "power_lost": 0.005,  # the meter's battery is empty: no watts from some moment on
    "power_miscalibrated": 0.0005,  # every watt 1.3 times too high
    "heart_absent": 0.03,  # the strap stayed at home
    "heart_late": 0.02,  # dry electrodes: the first three to six minutes are stuck at a wrong value
    "heart_cadence_lock": 0.01,  # on foot the optical sensor counts steps for three to ten minutes
    "position_jump": 0.01,  # the receiver is 300 to 900 m off for some seconds, and the distance grows by it
    "record_gap": 0.02,  # nothing is recorded for 20 to 60 s, though the athlete moves
    "clock_jump": 0.0005,  # the clock of the last records is wrong by two years
}
"""Kinds of corruption and how often they happen."""

NEEDED_CHANNELS: dict[str, tuple[str, ...]] = {
    "power_spike": ("watts",),
    "power_lost": ("watts",),
    "power_miscalibrated": ("watts",),
    "heart_absent": ("heartrate",),
    "heart_late": ("heartrate",),
    "heart_cadence_lock": ("heartrate", "cadence"),
    "position_jump": ("latlng", "distance"),
    "record_gap": ("distance",),
    "clock_jump": ("time",),
}
MISCALIBRATED = 1.3
CLOCK_JUMP_SECONDS = 68_000_000
SHORTEST_SECONDS = 900  # what is shorter is left alone

# What matters here of the channels; steps are counted on foot only.
CHANNELS_OF_KIND: dict[str, tuple[str, ...]] = {
    "ride": ("watts", "heartrate", "latlng", "distance", "time"),
    "ride_estimated": ("latlng", "distance", "time"),
    "ride_meterless": ("heartrate", "latlng", "distance", "time"),
    "indoor": ("watts", "heartrate", "time"),
    "run": ("heartrate", "cadence", "latlng", "distance", "time"),
    "strength": ("heartrate",),
}


def possible(kind: str, *, strap: bool) -> tuple[str, ...]:
    """Return the corruptions that can befall a kind of session, always in the same order."""
    held = {channel for channel in CHANNELS_OF_KIND.get(kind, ()) if strap or channel != "heartrate"}
    return tuple(name for name in RATES if held.issuperset(NEEDED_CHANNELS[name]))


def _place(random: Random, count: int, length: int) -> int:
    """Return where something that long begins, away from both ends."""
    return int(random.integers(count // 10, max(count // 10 + 1, count - count // 10 - length)))


def _power_spike(random: Random, channels: Channels) -> None:
    watts = channels["watts"]
    length = int(random.integers(1, 4))
    start = _place(random, watts.size, length)
    watts[start : start + length] = np.rint(random.uniform(2_600, 25_000, length))


def _power_lost(random: Random, channels: Channels) -> None:
    watts = channels["watts"]
    watts[_place(random, watts.size, watts.size // 5) :] = np.nan


def _power_miscalibrated(_random: Random, channels: Channels) -> None:
    channels["watts"] = np.rint(channels["watts"] * MISCALIBRATED)


def _heart_absent(_random: Random, channels: Channels) -> None:
    del channels["heartrate"]


def _heart_late(random: Random, channels: Channels) -> None:
    beats = channels["heartrate"]
    beats[: int(random.integers(180, 361))] = float(random.integers(70, 110))


def _heart_cadence_lock(random: Random, channels: Channels) -> None:
    beats, cadence = channels["heartrate"], channels["cadence"]
    length = int(random.integers(180, 601))
    start = _place(random, beats.size, length)
    # Strava's cadence counts one leg, the sensor feels both.
    beats[start : start + length] = np.minimum(2 * cadence[start : start + length], 225)


def _position_jump(random: Random, channels: Channels) -> None:
    distance, places = channels["distance"], channels["latlng"]
    length = int(random.integers(2, 8))
    start = _place(random, distance.size, length)
    metres = float(random.uniform(300, 900))
    places[start : start + length, 0] = np.round(places[start : start + length, 0] + metres / 111_320, 6)
    distance[start:] = np.round(distance[start:] + metres, 1)


def _record_gap(random: Random, channels: Channels) -> None:
    length = int(random.integers(20, 61))
    start = _place(random, channels["time"].size, length)
    for key, values in channels.items():
        channels[key] = np.delete(values, slice(start, start + length), axis=0)


def _clock_jump(random: Random, channels: Channels) -> None:
    channels["time"][-int(random.integers(5, 15)) :] += CLOCK_JUMP_SECONDS


STRIKES: dict[str, Callable[[Random, Channels], None]] = {
    "power_spike": _power_spike,
    "power_lost": _power_lost,
    "power_miscalibrated": _power_miscalibrated,
    "heart_absent": _heart_absent,
    "heart_late": _heart_late,
    "heart_cadence_lock": _heart_cadence_lock,
    "position_jump": _position_jump,
    "record_gap": _record_gap,
    "clock_jump": _clock_jump,
}


def corrupt(random: Random, channels: Channels, corruption: str) -> None:
    """Do it to the channels of a recording, in place; one that lacks the channel is left alone."""
    if channels.keys() >= set(NEEDED_CHANNELS[corruption]) and channels["time"].size >= SHORTEST_SECONDS:
        STRIKES[corruption](random, channels)

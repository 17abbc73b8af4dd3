"""What a device recorded of one activity: the common ground of FIT files, JSON files and invented sessions.

Refuses to know ids, athletes and privacy: the world adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STREAM_KEYS = (
    "time",
    "distance",
    "latlng",
    "altitude",
    "velocity_smooth",
    "heartrate",
    "cadence",
    "watts",
    "temp",
    "moving",
    "grade_smooth",
)

WHOLE_NUMBERS = frozenset({"time", "heartrate", "cadence", "watts", "temp"})

Streams = Mapping[str, Sequence[Any]]
"""Strava's keys to equally long lists; a value that was not measured is None."""


class Channels(Mapping[str, Sequence[Any]]):
    """Streams that are kept as arrays, a missing value as NaN, and become lists only when they are served.

    Lists of an hour take ten times the memory of its arrays, and most drawings are asked for their sums alone.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.arrays = arrays

    def __getitem__(self, key: str) -> list[Any]:
        values = self.arrays[key]
        if key not in WHOLE_NUMBERS:
            plain: list[Any] = values.tolist()
            return plain
        missing = np.flatnonzero(np.isnan(values)).tolist()
        if missing:
            values = values.copy()
            values[missing] = 0
        listed: list[Any] = values.astype(np.int64).tolist()
        for place in missing:
            listed[place] = None
        return listed

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def known(streams: Streams, key: str) -> Array:
    """Return the values of a stream that were measured; none for a stream that is not there."""
    if isinstance(streams, Channels):
        values = streams.arrays.get(key, np.zeros(0))
    else:
        values = np.array(streams.get(key, ()), dtype=np.float64)
    measured: Array = values[~np.isnan(values)]
    return measured


# Sport types that Strava's older `type` field cannot say.
OLDER_TYPES = {
    "MountainBikeRide": "Ride",
    "GravelRide": "Ride",
    "TrackRide": "Ride",
    "TrailRun": "Run",
    "VirtualRun": "VirtualRun",
    "EMountainBikeRide": "EBikeRide",
    "HighIntensityIntervalTraining": "Workout",
    "Pilates": "Workout",
}


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone as an activity shows it: Strava's label, and the offset in force at the start."""

    label: str
    utc_offset_seconds: int

    @classmethod
    def named(cls, name: str, at: int) -> Zone:
        """Return a zone of the tz database; the label carries the standard offset, also in summer.

        On a machine without the tz database everybody lives in UTC.
        """
        try:
            instant = datetime.fromtimestamp(at, UTC).astimezone(_zone_info(name))
        except ZoneInfoNotFoundError:
            return cls.fixed(0)
        offset, saving = instant.utcoffset(), instant.dst()
        total = int(offset.total_seconds()) if offset else 0
        standard = total - (int(saving.total_seconds()) if saving else 0)
        return cls(f"(GMT{_clock_text(standard)}) {name}", total)

    @classmethod
    def fixed(cls, utc_offset_seconds: int) -> Zone:
        """Return a zone that is nothing but an offset, in the tz database's upside-down names."""
        hours = round(utc_offset_seconds / 3600)
        name = f"Etc/GMT{-hours:+d}" if hours else "UTC"
        return cls(f"(GMT{_clock_text(hours * 3600)}) {name}", hours * 3600)


def instant_of(zone: str, local_seconds: int) -> int:
    """Return the instant at which a wall clock in a zone shows `local_seconds` since 1970 in its own time."""
    try:
        wall = datetime(1970, 1, 1, tzinfo=_zone_info(zone)) + timedelta(seconds=local_seconds)
    except ZoneInfoNotFoundError:
        return local_seconds
    offset = wall.utcoffset()
    return local_seconds - (int(offset.total_seconds()) if offset else 0)


@cache
def _zone_info(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _clock_text(seconds: int) -> str:
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3600:02d}:{abs(seconds) % 3600 // 60:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One activity: SI units, instants in seconds since 1970 (UTC); no streams means entered by hand."""

    name: str
    sport_type: str
    start_at: int
    zone: Zone
    elapsed_seconds: int
    moving_seconds: int
    distance_metres: float = 0.0
    ascent_metres: float = 0.0
    calories: float | None = None
    streams: Streams = field(default_factory=dict)
    device_watts: bool = True
    trainer: bool = False
    device_name: str | None = None

    @property
    def manual(self) -> bool:
        """Whether a person typed it in."""
        return not self.streams

    @property
    def older_type(self) -> str:
        """The sport in the older `type` field."""
        return OLDER_TYPES.get(self.sport_type, self.sport_type)

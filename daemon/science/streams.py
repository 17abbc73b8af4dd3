"""Raw Strava streams become one cleaned grid of whole seconds, with a record of what was repaired.

Its bounds are absolute, never an athlete's own values: a grid need not be cleaned again when a threshold
moves. It never fills a value forward, never takes a null for 0, never splits an activity, and never raises
on what a stream holds: a channel that cannot be read is refused with a reason, a hopeless activity rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Final

import numpy as np

from daemon.science import pace
from daemon.science.arrays import BoolArray, FloatArray, IntArray
from daemon.science.sports import Family

LONGEST_SECONDS: Final = 48 * 3600
GRACE_SECONDS: Final = 60
DROPPED_SHARE: Final = 0.05
JOINED_SECONDS: Final = 10
BRIDGED_SECONDS: Final = 60
BRIDGED_M_PER_S: Final = 1.0

FASTEST_ON_FOOT_M_PER_S: Final = 12.5
FASTEST_M_PER_S: Final = 100.0  # beyond any sport that Strava lists; keeps fourth powers finite

# Strava's key, lowest and highest credible value.
_CHANNELS: Final[Mapping[str, tuple[str, float, float]]] = {
    "power": ("watts", 0, 2500),
    "heart_rate": ("heartrate", 30, 240),
    "speed": ("velocity_smooth", 0, FASTEST_M_PER_S),
    "distance": ("distance", 0, FASTEST_M_PER_S * LONGEST_SECONDS),
    "altitude": ("altitude", -1000, 10_000),
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """Streams from which nothing can be kept, and why, in a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Grid:
    """One value for each second from the first record to the last; unknown and paused seconds are NaN.

    A channel that is absent or was refused is None. Power in W, heart rate in bpm, speed in m/s, distance
    and altitude in m, grade as a fraction (on foot and outdoors only). `quality` holds the counts of what was
    repaired and can be written as JSON; `sentences` tell an athlete the same.
    """

    family: Family
    first_second: int
    paused: BoolArray
    power: FloatArray | None
    heart_rate: FloatArray | None
    speed: FloatArray | None
    distance: FloatArray | None
    altitude: FloatArray | None
    grade: FloatArray | None
    quality: Mapping[str, object]
    sentences: tuple[str, ...]

    @property
    def counted_seconds(self) -> int:
        """The seconds outside pauses: `s` of every formula."""
        return int(np.count_nonzero(~self.paused))


@dataclass(frozen=True, slots=True)
class _Records:
    """Which raw entries are kept, in order of time: `order` points at them, `offsets` counts from the first."""

    read: int
    dropped: int
    repeated: int
    first_second: int
    order: IntArray
    offsets: IntArray

    @property
    def seconds(self) -> int:
        return int(self.offsets[-1]) + 1


@dataclass(slots=True)
class _Findings:
    """What one cleaning repaired and refused."""

    set_aside: dict[str, int] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)


def clean(
    raw: Mapping[str, object], *, elapsed_seconds: float, family: Family, trainer: bool = False
) -> Grid | Rejected:
    """Read Strava's streams, each a plain list with possible nulls, onto one grid.

    `trainer` also stands for a treadmill: there is no grade indoors. Cleaning a grid again changes nothing.
    """
    if not 0 <= elapsed_seconds <= LONGEST_SECONDS:
        return Rejected(f"an elapsed time of {elapsed_seconds:.0f} s is not within 48 hours")
    records = _read_records(raw.get("time"), elapsed_seconds)
    if isinstance(records, Rejected):
        return records
    findings = _Findings()
    placed = _read_channels(raw, records, family, findings)
    paused, bridged = _gaps(records, placed.get("distance"))
    _bridge(placed, records, bridged, _fastest(family))
    grid = {name: _join(name, values, paused, findings) for name, values in placed.items()}
    _derive_speed(grid, paused, family, findings)
    return Grid(
        family=family,
        first_second=records.first_second,
        paused=paused,
        power=grid.get("power"),
        heart_rate=grid.get("heart_rate"),
        speed=grid.get("speed"),
        distance=grid.get("distance"),
        altitude=grid.get("altitude"),
        grade=_grade(grid, family, findings, trainer=trainer),
        quality=_quality(records, paused, bridged, findings),
        sentences=tuple(_sentences(records, bridged, findings)),
    )


def _numbers(values: object) -> FloatArray | str:
    """Return a list of numbers and nulls as floats, null and non-finite as NaN; or what is wrong with it."""
    if not isinstance(values, list):
        return "is not a list"
    # Without this numpy would read "12" and True as numbers, and nested lists as a table.
    strangers = set(map(type, values)) - {int, float, NoneType}
    if strangers:
        return f"holds more than numbers: {', '.join(sorted(kind.__name__ for kind in strangers))}"
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return "holds a number without end"
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _read_records(values: object, elapsed_seconds: float) -> _Records | Rejected:
    """Sort the timestamps, drop those outside the activity; of equal ones the last stays."""
    times = _numbers(values)
    if isinstance(times, str):
        return Rejected(f"the time stream {times}")
    if times.size == 0:
        return Rejected("the time stream is empty")
    kept = np.flatnonzero((times >= 0) & (times <= elapsed_seconds + GRACE_SECONDS))
    dropped = times.size - kept.size
    if dropped > DROPPED_SHARE * times.size:
        return Rejected(f"{dropped} of {times.size} records lie outside the activity's time")
    seconds = np.rint(times[kept]).astype(np.int64)
    by_time = np.argsort(seconds, kind="stable")
    seconds = seconds[by_time]
    last = np.append(seconds[1:] != seconds[:-1], True)
    seconds = seconds[last]
    return _Records(
        read=times.size,
        dropped=dropped,
        repeated=kept.size - seconds.size,
        first_second=int(seconds[0]),
        order=kept[by_time][last],
        offsets=seconds - seconds[0],
    )


def _read_channels(
    raw: Mapping[str, object], records: _Records, family: Family, findings: _Findings
) -> dict[str, FloatArray]:
    """Return the credible recorded samples of each channel, at their seconds."""
    placed = {}
    for name, (key, lowest, highest) in _CHANNELS.items():
        if raw.get(key) is None:
            continue
        numbers = _numbers(raw[key])
        if isinstance(numbers, str):
            findings.refused[name] = f"the stream {key} {numbers}"
            continue
        if numbers.size != records.read:
            findings.refused[name] = f"the stream {key} has {numbers.size} values for {records.read} times"
            continue
        samples = numbers[records.order]
        ceiling = _fastest(family) if name == "speed" else highest
        incredible = (samples < lowest) | (samples > ceiling)
        samples[incredible] = np.nan
        set_aside = int(np.count_nonzero(incredible))
        if name == "distance":
            set_aside += _mend_distance(samples, records.offsets, _fastest(family))
        findings.set_aside[name] = set_aside
        if np.isnan(samples).all():
            findings.refused[name] = f"the stream {key} holds no credible value"
            continue
        placed[name] = np.full(records.seconds, np.nan)
        placed[name][records.offsets] = samples
    return placed


def _fastest(family: Family) -> float:
    return FASTEST_ON_FOOT_M_PER_S if family in {Family.RUN, Family.WALK} else FASTEST_M_PER_S


def _mend_distance(distance: FloatArray, offsets: IntArray, fastest_m_per_s: float) -> int:
    """Take out, in place, the steps that go backwards or faster than anybody moves; return their count.

    What follows a jump keeps its own steps: grade and swim times need differences, not positions.
    """
    known = np.flatnonzero(~np.isnan(distance))
    steps = np.diff(distance[known])
    credible_m = np.diff(offsets[known]) * (fastest_m_per_s * (1 + 1e-9))
    jumps = (steps < 0) | (steps > credible_m)
    if jumps.any():
        steps[jumps] = 0.0
        distance[known[1:]] = distance[known[0]] + np.cumsum(steps)
    return int(np.count_nonzero(jumps))


def _gaps(records: _Records, distance: FloatArray | None) -> tuple[BoolArray, BoolArray]:
    """Tell the paused seconds, and those that a sparing recorder skipped while the distance grew."""
    paused = np.zeros(records.seconds, dtype=np.bool_)
    bridged = np.zeros(records.seconds, dtype=np.bool_)
    steps = np.diff(records.offsets)
    long = steps > JOINED_SECONDS
    if long.any():
        moving = np.zeros(steps.size, dtype=np.bool_)
        if distance is not None:
            growth = np.diff(distance[records.offsets])
            moving = long & (steps <= BRIDGED_SECONDS) & (growth >= BRIDGED_M_PER_S * steps)
        paused[:-1] = np.repeat(long & ~moving, steps)
        bridged[:-1] = np.repeat(moving, steps)
        paused[records.offsets] = False
        bridged[records.offsets] = False
    return paused, bridged


def _bridge(placed: dict[str, FloatArray], records: _Records, bridged: BoolArray, fastest_m_per_s: float) -> None:
    """Draw distance, altitude and speed through the bridged seconds, in place; power and pulse stay unknown.

    It comes before the joining of neighbours, which then sees the same known seconds at a second cleaning.
    """
    if not bridged.any():
        return
    seconds = np.flatnonzero(bridged)
    right = np.searchsorted(records.offsets, seconds)
    before, after = records.offsets[right - 1], records.offsets[right]
    share = (seconds - before) / (after - before)
    growth = (placed["distance"][after] - placed["distance"][before]) / (after - before)
    for name in ("distance", "altitude"):
        if name in placed:
            start, end = placed[name][before], placed[name][after]
            placed[name][seconds] = start + share * (end - start)
    if "speed" in placed:
        placed["speed"][seconds] = np.minimum(growth, fastest_m_per_s)


def _join(name: str, placed: FloatArray, paused: BoolArray, findings: _Findings) -> FloatArray:
    """Draw a line between known neighbours at most 10 s apart; longer runs without a value stay unknown."""
    known = np.flatnonzero(~np.isnan(placed))
    apart = np.diff(known)
    short = np.flatnonzero(np.repeat((apart > 1) & (apart <= JOINED_SECONDS), apart)) + known[0]
    joined = short[np.isnan(placed[short])]
    if joined.size:
        placed[joined] = np.interp(joined, known, placed[known])
    findings.joined[name] = joined.size
    findings.unknown[name] = int(np.count_nonzero(np.isnan(placed) & ~paused))
    return placed


def _derive_speed(grid: dict[str, FloatArray], paused: BoolArray, family: Family, findings: _Findings) -> None:
    """Where there is no stream of speed, take it from the distance: what was covered in each second."""
    if "speed" in grid or "distance" not in grid:
        return
    steps = np.diff(grid["distance"])
    speed = np.concatenate([[np.nan], steps])
    starting = np.isnan(speed[:-1])  # after a pause only the second that follows tells the speed
    speed[:-1][starting] = steps[starting]
    if np.isnan(speed).all():
        return
    findings.derived.append("speed")
    findings.unknown["speed"] = int(np.count_nonzero(np.isnan(speed) & ~paused))
    grid["speed"] = np.minimum(speed, _fastest(family))


def _grade(grid: dict[str, FloatArray], family: Family, findings: _Findings, *, trainer: bool) -> FloatArray | None:
    if family not in {Family.RUN, Family.WALK}:
        return None
    if trainer:
        findings.refused["grade"] = "indoors there is no grade"
        return None
    if "distance" not in grid or "altitude" not in grid:
        findings.refused["grade"] = "without distance and altitude there is no grade"
        return None
    return pace.grades(grid["distance"], grid["altitude"])


def _quality(records: _Records, paused: BoolArray, bridged: BoolArray, findings: _Findings) -> dict[str, object]:
    return {
        "records": records.read,
        "dropped_records": records.dropped,
        "repeated_records": records.repeated,
        "paused_seconds": int(np.count_nonzero(paused)),
        "bridged_seconds": int(np.count_nonzero(bridged)),
        "impossible_values": findings.set_aside,
        "interpolated_seconds": findings.joined,
        "unknown_seconds": findings.unknown,
        "derived": findings.derived,
        "refused": findings.refused,
    }


def _sentences(records: _Records, bridged: BoolArray, findings: _Findings) -> Iterator[str]:
    """Tell each thing that an athlete may ask about; nothing where all was well."""
    if records.dropped:
        yield f"Records outside the activity's time, dropped: {records.dropped} of {records.read}."
    if records.repeated:
        yield f"Records that repeated a second, of each the last was kept: {records.repeated}."
    if bridged.any():
        yield f"Seconds without records that count as moving, for the distance grew: {bridged.sum()}."
    for name, count in findings.set_aside.items():
        if count:
            yield f"Impossible values of {_word(name)}, set aside: {count}."
    for name, count in findings.unknown.items():
        if count:
            yield f"Seconds of unknown {_word(name)}: {count}."
    for name in findings.derived:
        yield f"{_word(name).capitalize()} was taken from the distance."
    for name, reason in findings.refused.items():
        yield f"{_word(name).capitalize()} was refused: {reason}."


def _word(name: str) -> str:
    return name.replace("_", " ")

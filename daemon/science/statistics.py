"""What is kept of an activity once its streams are gone: enough to compute any load under any thresholds.

No threshold and no setting enters here. Another grade model or another way to normalize is what these
numbers cannot give: that needs the streams again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from daemon.science import curves, heart, pace, power, sports, streams, swim
from daemon.science.arrays import FloatArray, IntArray
from daemon.science.versions import STATISTICS_VERSION


@dataclass(frozen=True, slots=True)
class ActivityFacts:
    """What the activity itself tells, without its streams. Seconds, metres; exertion on the CR10 scale."""

    sport_type: str
    elapsed_seconds: int
    moving_seconds: int
    distance_m: float
    device_watts: bool | None
    trainer: bool
    perceived_exertion: float | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a load is computed from; each field is a column of `activity_statistics`.

    `counted_seconds` are the seconds outside pauses, `…_known_seconds` those with a value. `…_sum4` is Σ r30⁴
    and `…_count` its seconds; power in W, speeds in m/s. `heart_rate_seconds` is the histogram of `heart`, None
    where there is no heart rate.
    """

    version: int
    family: str
    elapsed_seconds: int
    moving_seconds: int
    counted_seconds: int
    distance_m: float
    device_watts: bool | None
    trainer: bool
    perceived_exertion: float | None
    power_known_seconds: int
    heart_rate_known_seconds: int
    speed_known_seconds: int
    power_sum4: float
    power_count: int
    speed_sum4: float
    speed_count: int
    graded_minetti_sum4: float
    graded_minetti_count: int
    graded_strava_sum4: float
    graded_strava_count: int
    heart_rate_seconds: IntArray | None

    def columns(self) -> dict[str, object]:
        """Return every field by the name of its column."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Self:
        """Read the columns of this class as stored: arrays come as lists, in which None stands for NaN."""
        values = dict(columns)
        for name in _ARRAYS:
            if values.get(name) is not None:
                values[name] = np.array(values[name], dtype=np.float64)  # None becomes NaN
        if values["heart_rate_seconds"] is not None:
            values["heart_rate_seconds"] = np.array(values["heart_rate_seconds"], dtype=np.int64)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Statistics(Totals):
    """The sufficient statistics of one activity: the totals, and the curves that thresholds are fitted to.

    Curves lie on `curves.DURATIONS`, cut at the activity's length; power in W, speeds in m/s, heart rate in bpm;
    a channel that is absent or was refused has no curve. The heart rates at best efforts lie on
    `curves.HEART_RATE_WINDOWS`, the swim times on `swim.DISTANCES_M`; NaN is unknown.
    """

    power_curve: FloatArray | None
    speed_curve: FloatArray | None
    graded_minetti_curve: FloatArray | None
    graded_strava_curve: FloatArray | None
    heart_rate_curve: FloatArray | None
    heart_rate_at_best_power: FloatArray | None
    heart_rate_at_best_graded_minetti: FloatArray | None
    heart_rate_at_best_graded_strava: FloatArray | None
    best_swim_seconds: FloatArray | None
    quality: Mapping[str, object]


_ARRAYS: Final = (
    "power_curve", "speed_curve", "graded_minetti_curve", "graded_strava_curve", "heart_rate_curve",
    "heart_rate_at_best_power", "heart_rate_at_best_graded_minetti", "heart_rate_at_best_graded_strava",
    "best_swim_seconds",
)  # fmt: skip


def summarize(raw: Mapping[str, object] | None, facts: ActivityFacts) -> Statistics:
    """Return the statistics of an activity from its raw streams.

    Without streams, or where they are rejected, only the facts remain and `quality` says why.
    """
    family = sports.family_of(facts.sport_type)
    if not raw:
        quality = {"streams": "no streams", "sentences": ["There are no streams of this activity."]}
        return _from_facts(facts, family, quality)
    grid = streams.clean(
        raw,
        elapsed_seconds=facts.elapsed_seconds,
        family=family,
        trainer=facts.trainer or facts.sport_type in sports.INDOOR_SPORTS,
    )
    if isinstance(grid, streams.Rejected):
        sentence = f"The streams were rejected: {grid.reason}."
        return _from_facts(facts, family, {"rejected": grid.reason, "sentences": [sentence]})
    return _from_grid(grid, facts)


def _from_facts(facts: ActivityFacts, family: sports.Family, quality: Mapping[str, object]) -> Statistics:
    return Statistics(
        version=STATISTICS_VERSION,
        family=family.value,
        elapsed_seconds=facts.elapsed_seconds,
        moving_seconds=facts.moving_seconds,
        counted_seconds=0,
        distance_m=facts.distance_m,
        device_watts=facts.device_watts,
        trainer=facts.trainer,
        perceived_exertion=facts.perceived_exertion,
        power_known_seconds=0,
        heart_rate_known_seconds=0,
        speed_known_seconds=0,
        power_sum4=0.0,
        power_count=0,
        speed_sum4=0.0,
        speed_count=0,
        graded_minetti_sum4=0.0,
        graded_minetti_count=0,
        graded_strava_sum4=0.0,
        graded_strava_count=0,
        heart_rate_seconds=None,
        power_curve=None,
        speed_curve=None,
        graded_minetti_curve=None,
        graded_strava_curve=None,
        heart_rate_curve=None,
        heart_rate_at_best_power=None,
        heart_rate_at_best_graded_minetti=None,
        heart_rate_at_best_graded_strava=None,
        best_swim_seconds=None,
        quality=quality,
    )


def _from_grid(grid: streams.Grid, facts: ActivityFacts) -> Statistics:
    statistics = replace(
        _from_facts(facts, grid.family, _quality(grid, facts)), counted_seconds=grid.counted_seconds
    )
    if grid.power is not None:
        statistics = _with_power(statistics, grid, grid.power)
    if grid.speed is not None:
        statistics = _with_speed(statistics, grid, grid.speed)
    if grid.heart_rate is not None:
        statistics = replace(
            statistics,
            heart_rate_known_seconds=_known_seconds(grid.heart_rate),
            heart_rate_seconds=heart.histogram(grid.heart_rate),
            heart_rate_curve=curves.mean_maximal(curves.prefix_sums(grid.heart_rate)),
        )
    if grid.family is sports.Family.SWIM and grid.distance is not None:
        statistics = replace(statistics, best_swim_seconds=swim.best_seconds(grid.distance))
    return statistics


def _with_power(statistics: Statistics, grid: streams.Grid, watts: FloatArray) -> Statistics:
    sums = power.fourth_powers(watts, grid.paused)
    statistics = replace(
        statistics,
        power_known_seconds=_known_seconds(watts),
        power_sum4=sums.total,
        power_count=sums.count,
    )
    if statistics.device_watts is not True:  # what Strava estimates never enters a curve
        return statistics
    curve, heart_rate_at_best = _efforts(watts, grid)
    return replace(statistics, power_curve=curve, heart_rate_at_best_power=heart_rate_at_best)


def _with_speed(statistics: Statistics, grid: streams.Grid, speed: FloatArray) -> Statistics:
    sums = power.fourth_powers(speed, grid.paused)
    statistics = replace(
        statistics,
        speed_known_seconds=_known_seconds(speed),
        speed_sum4=sums.total,
        speed_count=sums.count,
        speed_curve=curves.mean_maximal(curves.prefix_sums(speed)),
    )
    if grid.grade is None:
        return statistics
    minetti = speed * pace.minetti_factor(grid.grade)
    strava = speed * pace.strava_factor(grid.grade)
    minetti_sums = power.fourth_powers(minetti, grid.paused)
    strava_sums = power.fourth_powers(strava, grid.paused)
    minetti_curve, heart_rate_at_best_minetti = _efforts(minetti, grid)
    strava_curve, heart_rate_at_best_strava = _efforts(strava, grid)
    return replace(
        statistics,
        graded_minetti_sum4=minetti_sums.total,
        graded_minetti_count=minetti_sums.count,
        graded_minetti_curve=minetti_curve,
        heart_rate_at_best_graded_minetti=heart_rate_at_best_minetti,
        graded_strava_sum4=strava_sums.total,
        graded_strava_count=strava_sums.count,
        graded_strava_curve=strava_curve,
        heart_rate_at_best_graded_strava=heart_rate_at_best_strava,
    )


def _efforts(values: FloatArray, grid: streams.Grid) -> tuple[FloatArray, FloatArray | None]:
    """Return the mean-maximal curve, and the mean heart rate inside each best effort's window."""
    sums = curves.prefix_sums(values)
    curve = curves.mean_maximal(sums)
    if grid.heart_rate is None:
        return curve, None
    starts = curves.best_starts(sums, curves.HEART_RATE_WINDOWS)
    return curve, curves.means_within(grid.heart_rate, starts, curves.HEART_RATE_WINDOWS)


def _known_seconds(values: FloatArray) -> int:
    return int(np.count_nonzero(~np.isnan(values)))


def _quality(grid: streams.Grid, facts: ActivityFacts) -> Mapping[str, object]:
    sentences = list(grid.sentences)
    if grid.power is not None and facts.device_watts is not True:
        sentences.append("Power was not measured by a device: it enters no curve and no load.")
    return {**grid.quality, "sentences": sentences}

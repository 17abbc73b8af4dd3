"""What must hold of loads whatever was ridden or run: of parts and wholes, of faster and harder."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.sports import Family
from daemon.science.statistics import ActivityFacts, Totals, summarize
from daemon.science.streams import Grid, clean

KNOWN = Thresholds(
    ftp_watts=Threshold(250.0, "manual", 1),
    critical_speed_m_per_s=Threshold(4.0, "manual", 2),
    lthr_bpm=Threshold(165.0, "manual", 3),
    sex="M",
)


def facts(sport_type: str, *, indoors: bool = False) -> ActivityFacts:
    return ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=90_000,
        moving_seconds=90_000,
        distance_m=0.0,
        device_watts=True,
        trainer=indoors,
        perceived_exertion=None,
    )


def scored(
    raw: dict[str, object], sport_type: str, thresholds: Thresholds = KNOWN, *, indoors: bool = False
) -> Load:
    statistics = summarize(raw, facts(sport_type, indoors=indoors))
    return score(statistics, thresholds, sport_type, GradeModel.STRAVA)


def raw_load(load: Load, method: str) -> float:
    assert load.method == method
    assert load.raw is not None
    return load.raw


def recorded(**channels: Any) -> dict[str, object]:
    seconds = len(next(iter(channels.values())))
    return {"time": list(range(seconds)), **{name: list(values) for name, values in channels.items()}}


def hilly_run(seed: int, seconds: int) -> dict[str, object]:
    """Uneven speed over rolling ground: altitude is a matter of the place, not of the time."""
    chance = np.random.default_rng(seed)
    speed = np.repeat(chance.choice([0.5, 2.0, 2.8, 3.3, 4.0, 5.5], size=200), chance.integers(10, 300, size=200))
    distance = np.cumsum(speed[:seconds])
    altitude = 300 + 25 * np.sin(distance / 310) + 8 * np.sin(distance / 47)
    return recorded(
        velocity_smooth=speed[:seconds].tolist(), distance=distance.tolist(), altitude=altitude.tolist()
    )


def between(raw: dict[str, object], first: int, last: int) -> dict[str, object]:
    return {key: values[first:last] for key, values in raw.items()}  # type: ignore[index]


def test_a_run_is_at_least_99_percent_of_its_parts_where_each_lasts_twenty_minutes() -> None:
    for seed in range(40):
        whole = hilly_run(seed, 3000)
        cut = int(np.random.default_rng(seed).integers(1200, 1801))
        parts = [
            raw_load(scored(part, "Run"), "pace") for part in (between(whole, 0, cut), between(whole, cut, 3000))
        ]
        assert raw_load(scored(whole, "Run"), "pace") >= 0.99 * sum(parts)


@settings(max_examples=30, deadline=None)
@given(*[st.lists(st.integers(30, 240), min_size=1, max_size=300)] * 2)
def test_the_heart_rate_loads_of_the_parts_add_up_exactly(first: list[int], second: list[int]) -> None:
    whole, *parts = (
        raw_load(scored(recorded(heartrate=pulse), "Workout"), "heart_rate")
        for pulse in (first + second, first, second)
    )
    assert whole == pytest.approx(sum(parts), rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 7), st.floats(0, 5)), min_size=60, max_size=300))
def test_a_faster_run_is_never_less(seconds: list[tuple[float, float]]) -> None:
    slower = np.array([speed for speed, _ in seconds])
    faster = slower + np.array([more for _, more in seconds])
    on_treadmill = [
        raw_load(scored(recorded(velocity_smooth=speed.tolist()), "Run", indoors=True), "pace")
        for speed in (slower, faster)
    ]
    assert on_treadmill[1] >= on_treadmill[0] * (1 - 1e-12)
    on_flat_ground = [
        raw_load(
            scored(
                recorded(
                    velocity_smooth=speed.tolist(),
                    distance=np.cumsum(speed).tolist(),
                    altitude=[80.0] * speed.size,
                ),
                "Run",
            ),
            "pace",
        )
        for speed in (slower, faster)
    ]
    assert on_flat_ground == pytest.approx(on_treadmill)


def test_the_same_hills_run_faster_are_more_although_they_take_less_time() -> None:
    def course(speed: float) -> dict[str, object]:
        distance = np.arange(0, 10_000, speed)
        altitude = 300 + 25 * np.sin(distance / 310)
        return recorded(
            velocity_smooth=[speed] * distance.size, distance=distance.tolist(), altitude=altitude.tolist()
        )

    loads = [raw_load(scored(course(speed), "Run"), "pace") for speed in (2.5, 2.6, 3.0, 3.5, 4.0)]
    assert loads == sorted(loads)
    assert loads[-1] / loads[0] == pytest.approx(4.0 / 2.5, rel=0.01)


@given(st.floats(2, 6), st.floats(0.5, 2.0))
@settings(max_examples=20, deadline=None)
def test_critical_speed_scales_the_load_by_the_inverse_square(critical: float, scale: float) -> None:
    run = recorded(velocity_smooth=[3.0] * 60)

    def at(value: float) -> float:
        thresholds = dataclasses.replace(KNOWN, critical_speed_m_per_s=Threshold(value, "manual", 1))
        return raw_load(scored(run, "Run", thresholds, indoors=True), "pace")

    assert at(critical * scale) == pytest.approx(at(critical) / scale**2)


def test_a_sparing_recording_written_out_second_by_second_is_the_same_load() -> None:
    run = hilly_run(7, 3000)
    pulse = [120 + second % 50 for second in range(3000)]
    kept = sorted({0, 2999, *np.random.default_rng(7).integers(0, 3000, size=900).tolist()})
    sparing: dict[str, object] = {
        key: [values[index] for index in kept]  # type: ignore[index]
        for key, values in {**run, "heartrate": pulse}.items()
    }
    grid = clean(sparing, elapsed_seconds=90_000, family=Family.RUN)
    assert isinstance(grid, Grid)
    written = {
        "heartrate": grid.heart_rate,
        "velocity_smooth": grid.speed,
        "distance": grid.distance,
        "altitude": grid.altitude,
    }
    known = np.flatnonzero(~grid.paused)
    again: dict[str, object] = {"time": known.tolist()}
    for key, values in written.items():
        assert values is not None
        again[key] = [None if np.isnan(value) else value for value in values[known].tolist()]
    for thresholds in (KNOWN, dataclasses.replace(KNOWN, critical_speed_m_per_s=None)):
        assert scored(again, "Run", thresholds) == scored(sparing, "Run", thresholds)


def test_a_load_needs_no_curves() -> None:
    statistics = summarize({**hilly_run(3, 2000), "heartrate": [150] * 2000}, facts("Run"))
    columns = {name: value for name, value in statistics.columns().items() if name in Totals.__dataclass_fields__}
    totals = Totals.from_columns(columns)
    for thresholds in (KNOWN, Thresholds()):
        assert score(totals, thresholds, "Run", GradeModel.STRAVA) == score(
            statistics, thresholds, "Run", GradeModel.STRAVA
        )

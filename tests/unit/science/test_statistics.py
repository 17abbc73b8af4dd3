"""The sufficient statistics of whole activities, made up and hostile."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import curves
from daemon.science.statistics import ActivityFacts, Statistics, summarize
from daemon.science.versions import STATISTICS_VERSION


def facts(sport_type: str = "Ride", *, elapsed: int = 3600, **changes: Any) -> ActivityFacts:
    plain = ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=elapsed,
        moving_seconds=elapsed,
        distance_m=1000.0,
        device_watts=True,
        trainer=False,
        perceived_exertion=None,
    )
    return dataclasses.replace(plain, **changes)


def hilly(seconds: int) -> dict[str, object]:
    """An even effort at 3 m/s over a hill, the pulse rising."""
    return {
        "time": list(range(seconds)),
        "watts": [200] * seconds,
        "heartrate": [120 + second // 60 for second in range(seconds)],
        "velocity_smooth": [3.0] * seconds,
        "distance": [3.0 * second for second in range(seconds)],
        "altitude": [50 * math.sin(second / 300) for second in range(seconds)],
    }


def assert_sound(statistics: Statistics) -> None:
    """Whatever went in: counts agree with each other, nothing is infinite, the quality is JSON."""
    known = (
        statistics.power_known_seconds,
        statistics.heart_rate_known_seconds,
        statistics.speed_known_seconds,
    )
    assert all(0 <= seconds <= statistics.counted_seconds for seconds in known)
    for field in dataclasses.fields(statistics):
        value = getattr(statistics, field.name)
        if field.name.endswith("_sum4"):
            assert math.isfinite(value)
            assert value >= 0
        elif isinstance(value, np.ndarray):
            assert not np.isinf(value).any(), field.name
        if field.name.endswith("_curve") and value is not None:
            assert np.isfinite(value).all(), field.name
            assert value.size <= curves.DURATIONS.size
    if statistics.heart_rate_seconds is not None:
        assert statistics.heart_rate_seconds.sum() == statistics.heart_rate_known_seconds
    assert orjson.loads(orjson.dumps(statistics.quality))["sentences"] is not None


@pytest.mark.parametrize("raw", [None, {}])
def test_without_streams_only_the_facts_remain(raw: dict[str, object] | None) -> None:
    statistics = summarize(raw, facts(perceived_exertion=6.0))
    assert statistics.version == STATISTICS_VERSION
    assert statistics.family == "ride"
    assert statistics.counted_seconds == 0
    assert statistics.power_curve is None
    assert statistics.perceived_exertion == 6.0
    assert statistics.quality["streams"] == "no streams"


def test_rejected_streams_leave_the_facts_and_the_reason() -> None:
    statistics = summarize({"time": [10**8] * 10, "watts": [200] * 10}, facts())
    assert statistics.counted_seconds == 0
    assert statistics.quality["rejected"] == "10 of 10 records lie outside the activity's time"


def test_a_ride_keeps_power_speed_and_pulse_and_no_graded_speed() -> None:
    statistics = summarize(hilly(3600), facts())
    assert_sound(statistics)
    assert statistics.counted_seconds == 3600
    assert statistics.power_known_seconds == 3600
    assert statistics.power_sum4 / statistics.power_count == pytest.approx(200**4)
    assert statistics.power_curve is not None
    assert statistics.power_curve == pytest.approx(np.full(statistics.power_curve.size, 200.0))
    assert statistics.heart_rate_at_best_power is not None
    assert statistics.heart_rate_at_best_power[0] == pytest.approx(121.0)
    assert statistics.heart_rate_at_best_power[-1] == pytest.approx(149.5)
    assert statistics.graded_strava_curve is None
    assert statistics.best_swim_seconds is None


def test_a_run_keeps_graded_speed_under_both_models() -> None:
    statistics = summarize(hilly(3600), facts("TrailRun"))
    assert_sound(statistics)
    flat = statistics.speed_sum4 / statistics.speed_count
    assert flat == pytest.approx(81.0)
    assert statistics.graded_minetti_count == statistics.graded_strava_count == statistics.speed_count
    assert statistics.graded_minetti_sum4 > statistics.speed_sum4
    assert statistics.graded_strava_sum4 > statistics.speed_sum4
    assert statistics.heart_rate_at_best_graded_minetti is not None
    assert statistics.heart_rate_at_best_graded_strava is not None
    assert statistics.speed_curve is not None
    assert statistics.graded_minetti_curve is not None
    assert (statistics.graded_minetti_curve >= 2.2).all()


@pytest.mark.parametrize("treadmill", [facts("Run", trainer=True), facts("VirtualRun")])
def test_a_treadmill_has_speed_but_no_graded_speed(treadmill: ActivityFacts) -> None:
    statistics = summarize(hilly(600), treadmill)
    assert statistics.speed_count > 0
    assert statistics.graded_strava_count == 0
    assert statistics.graded_strava_curve is None


@pytest.mark.parametrize("measured", [False, None])
def test_estimated_power_enters_no_curve(measured: bool | None) -> None:
    statistics = summarize(hilly(600), facts(device_watts=measured))
    assert statistics.power_curve is None
    assert statistics.heart_rate_at_best_power is None
    assert statistics.power_known_seconds == 600
    assert any("not measured" in sentence for sentence in statistics.quality["sentences"])  # type: ignore[attr-defined]


def test_a_pause_and_unknown_seconds_count_as_zero_in_the_power_curve() -> None:
    times = [*range(100), *range(400, 500)]
    watts = [300] * 100 + [None] * 50 + [300] * 50
    statistics = summarize({"time": times, "watts": watts}, facts(elapsed=500))
    assert statistics.counted_seconds == 200
    assert statistics.power_known_seconds == 150
    assert statistics.power_curve is not None
    longest = statistics.power_curve.size - 1
    assert curves.DURATIONS[longest] <= 500
    assert statistics.power_curve[longest] <= 300 * 150 / curves.DURATIONS[longest]
    assert statistics.power_curve[59] == 300


def test_a_swim_keeps_its_best_times() -> None:
    seconds = 700
    raw = {"time": list(range(seconds)), "distance": [1.0 * second for second in range(seconds)]}
    statistics = summarize(raw, facts("Swim", elapsed=seconds))
    assert statistics.best_swim_seconds is not None
    assert statistics.best_swim_seconds[:3] == pytest.approx([100, 200, 400])
    assert np.isnan(statistics.best_swim_seconds[3:]).all()


def test_an_unknown_sport_keeps_what_it_has() -> None:
    statistics = summarize(hilly(600), facts("Curling2030"))
    assert_sound(statistics)
    assert statistics.family == "other"
    assert statistics.heart_rate_known_seconds == 600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
KEYS = ["time", "watts", "heartrate", "velocity_smooth", "distance", "altitude", "moving", "latlng"]
numbers = st.none() | st.integers(-(10**400), 10**400) | st.floats() | st.integers(0, 300)
channels = st.lists(numbers, max_size=12) | st.lists(json_values, max_size=5) | json_values
sports = st.sampled_from(["Ride", "Run", "Swim", "Walk", "VirtualRun", "Yoga", ""])


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), channels), st.integers(-10, 200_000), sports)
def test_no_stream_whatsoever_raises(raw: dict[str, object], elapsed: int, sport_type: str) -> None:
    assert_sound(summarize(raw, facts(sport_type, elapsed=elapsed)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), *[numbers] * 5), min_size=1, max_size=30),
    sports,
)
def test_no_number_whatsoever_raises(records: list[tuple[Any, ...]], sport_type: str) -> None:
    columns = [list(column) for column in zip(*records, strict=True)]
    raw: dict[str, object] = dict(zip(KEYS[:6], columns, strict=True))
    assert_sound(summarize(raw, facts(sport_type, elapsed=400)))


LONG = 48 * 3600


@pytest.mark.parametrize(
    "raw",
    [
        {"time": list(range(LONG)), "watts": [None] * LONG, "heartrate": [150, None] * (LONG // 2)},
        {"time": [0, LONG], "watts": [100, 100], "distance": [0, 1e300], "altitude": [-1e300, 1e300]},
        {"time": list(range(0, LONG, 11)), "distance": [float(s) for s in range(0, LONG, 11)]},
        {"time": [0] * 500_000, "watts": [10**18] * 500_000},
        {"time": [10**30] * 100_000},
        {"time": [[[[]]]] * 200_000},
        {"time": [True] * 200_000},
        {"time": list(range(100)), "watts": ["9" * 1000] * 1000, "heartrate": [[0] * 500] * 100},
    ],
)
def test_a_megabyte_of_malice_neither_raises_nor_fills_the_memory(raw: dict[str, object]) -> None:
    tracemalloc.start()
    statistics = summarize(raw, facts("Run", elapsed=LONG))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_sound(statistics)
    assert peak_bytes < 64 * 2**20


def test_a_spike_of_any_height_is_as_good_as_unknown() -> None:
    watts: list[float | None] = [200 + second % 60 for second in range(600)]
    without = summarize({"time": list(range(600)), "watts": [*watts[:300], None, *watts[301:]]}, facts())
    for spike in (2501, 21_733, 1e9, 1e308, -1):
        with_spike = summarize({"time": list(range(600)), "watts": [*watts[:300], spike, *watts[301:]]}, facts())
        assert with_spike.power_sum4 == without.power_sum4
        assert with_spike.power_count == without.power_count

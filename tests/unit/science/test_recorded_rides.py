"""Real activities against what their own devices and Strava wrote about them."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.science import curves, pace
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.power import FourthPowers
from daemon.science.sports import Family
from daemon.science.statistics import ActivityFacts, Statistics, summarize
from daemon.science.streams import Grid, clean
from tests.support.fit import FitActivity, read_fit

RIDES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "rides"

pytestmark = pytest.mark.skipif(not RIDES.is_dir(), reason="the recorded rides are not in ../shared/data/rides")

THRESHOLDS = Thresholds(ftp_watts=Threshold(315.0, "manual", 1), sex="M")


@functools.cache
def recorded(name: str) -> FitActivity:
    return read_fit(RIDES / f"{name}.fit")


def summarized(name: str, sport_type: str = "Ride", **streams: object) -> Statistics:
    ride = recorded(name)
    facts = ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=int(ride.session["total_elapsed_time"]),
        moving_seconds=int(ride.session["total_timer_time"]),
        distance_m=ride.session["total_distance"],
        device_watts=True,
        trainer=False,
        perceived_exertion=None,
    )
    return summarize({**ride.streams, **streams}, facts)


def scored(statistics: Statistics, thresholds: Thresholds) -> Load:
    return score(statistics, thresholds, "Ride", GradeModel.STRAVA)


def normalized(total: float, count: int) -> float:
    value = FourthPowers(total, count).normalized
    assert value is not None
    return value


def normalized_watts(statistics: Statistics) -> float:
    return normalized(statistics.power_sum4, statistics.power_count)


def mean_bpm(statistics: Statistics) -> float:
    assert statistics.heart_rate_seconds is not None
    return float(np.average(np.arange(30, 241), weights=statistics.heart_rate_seconds))


def test_the_edge_810_agrees_on_normalized_power_and_on_the_load() -> None:
    ride = summarized("ride-edge810-vector")
    assert normalized_watts(ride) == pytest.approx(301, rel=0.005)
    load = scored(ride, THRESHOLDS)
    assert load.method == "power"
    assert load.raw == pytest.approx(118.7, rel=0.01)


def test_the_karoo_agrees_on_normalized_power() -> None:
    assert normalized_watts(summarized("ride-karoo-2025")) == pytest.approx(195, rel=0.005)


def test_a_clock_that_jumped_two_years_loses_its_fourteen_records_and_nothing_else() -> None:
    ride = summarized("broken-clock-jump")
    assert ride.quality["records"] == 1816
    assert ride.quality["dropped_records"] == 14
    assert ride.counted_seconds == pytest.approx(6799, rel=0.005)
    assert mean_bpm(ride) == pytest.approx(129, abs=1)


def test_a_power_spike_is_removed_and_the_missing_power_stays_missing() -> None:
    ride = summarized("broken-power-spike")
    assert ride.quality["impossible_values"]["power"] == 4  # type: ignore[index]
    assert normalized_watts(ride) == pytest.approx(215, rel=0.005)
    assert ride.power_curve is not None
    assert ride.power_curve[0] == 446
    assert ride.power_known_seconds / ride.counted_seconds == pytest.approx(0.90, abs=0.005)
    assert scored(ride, THRESHOLDS).method == "power"


def test_a_smart_recorded_ride_keeps_its_seconds_and_its_pulse() -> None:
    ride = summarized("ride-smart-recording")
    session = recorded("ride-smart-recording").session
    assert ride.counted_seconds == pytest.approx(session["total_timer_time"], rel=0.01)
    assert ride.heart_rate_known_seconds / ride.counted_seconds > 0.99
    assert mean_bpm(ride) == pytest.approx(session["avg_heart_rate"], abs=1)
    assert ride.heart_rate_curve is not None
    assert ride.heart_rate_curve[0] == session["max_heart_rate"]
    load = scored(ride, THRESHOLDS)
    assert load.method == "heart_rate"
    assert load.refused["power"] == "No power was recorded."


def test_a_run_is_as_long_and_as_fast_as_its_watch_says() -> None:
    run = summarized("run-fr955-stryd", "Run")
    session = recorded("run-fr955-stryd").session
    assert mean_bpm(run) == pytest.approx(session["avg_heart_rate"], abs=0.5)
    assert run.speed_curve is not None
    assert run.speed_curve[-1] == pytest.approx(10_021.48 / 3118, rel=0.01)
    flat = normalized(run.speed_sum4, run.speed_count)
    for total, count in (
        (run.graded_minetti_sum4, run.graded_minetti_count),
        (run.graded_strava_sum4, run.graded_strava_count),
    ):
        # 93 m up and 94 m down in 10 km: hills cost a little.
        assert flat < normalized(total, count) < 1.03 * flat
    assert run.heart_rate_at_best_graded_strava is not None
    assert (np.diff(run.heart_rate_at_best_graded_strava[:6]) < 0).all()
    assert np.isnan(run.heart_rate_at_best_graded_strava[6])


def thinned(streams: dict[str, object], kept: list[int]) -> dict[str, Any]:
    return {key: [values[index] for index in kept] for key, values in streams.items()}  # type: ignore[index]


def test_smart_recording_moves_normalized_power_by_less_than_the_measured_bound() -> None:
    whole = summarized("ride-edge810-vector")
    ride = recorded("ride-edge810-vector")
    trimps = []
    for seed in range(5):
        chance = random.Random(seed)
        kept = [0]
        while kept[-1] < 4699:
            kept.append(min(kept[-1] + chance.choice([1, 2, 2, 3, 4, 5, 6, 7]), 4699))
        sparse = summarized("ride-edge810-vector", **thinned(ride.streams, kept))
        assert normalized_watts(sparse) == pytest.approx(normalized_watts(whole), rel=0.015)
        without_power = dataclasses.replace(THRESHOLDS, ftp_watts=None)
        trimps.append((scored(sparse, without_power).raw, scored(whole, without_power).raw))
    for sparse_raw, whole_raw in trimps:
        assert sparse_raw == pytest.approx(whole_raw, rel=0.019)


def test_dropouts_hardly_move_the_load() -> None:
    whole = scored(summarized("ride-edge810-vector"), THRESHOLDS).raw
    assert whole is not None
    watts = recorded("ride-edge810-vector").streams["watts"]
    assert isinstance(watts, list)
    moved = []
    for seed in range(10):
        chance = random.Random(seed)
        dropped = list(watts)
        lost = 0
        while lost < chance.choice([0.02, 0.1, 0.2]) * len(watts):
            length = chance.randint(3, 60)
            start = chance.randrange(len(watts) - length)
            dropped[start : start + length] = [None] * length
            lost += length
        raw = scored(summarized("ride-edge810-vector", watts=dropped), THRESHOLDS).raw
        assert raw is not None
        moved.append(abs(raw / whole - 1))
    assert np.mean(moved) < 0.004


@pytest.mark.parametrize("name", ["ride-edge810-vector", "ride-karoo-2025", "broken-power-spike"])
def test_the_whole_is_at_least_99_percent_of_its_parts(name: str) -> None:
    streams = recorded(name).streams
    whole = scored(summarized(name), THRESHOLDS).raw
    assert whole is not None
    times = streams["time"]
    assert isinstance(times, list)
    compared = 0
    for cut in range(600, len(times) - 600, 700):
        first = scored(summarized(name, **thinned(streams, list(range(cut)))), THRESHOLDS)
        second = scored(summarized(name, **thinned(streams, list(range(cut, len(times))))), THRESHOLDS)
        # A part of the broken ride may have too little power to be scored by it.
        if first.method == second.method == "power":
            assert first.raw is not None
            assert second.raw is not None
            assert whole >= 0.99 * (first.raw + second.raw)
            compared += 1
    assert compared >= 3


@functools.cache
def strava_ride() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RIDES / "strava-activity-6271393008.json").read_text())
    return content


def test_a_ride_from_strava_agrees_with_stravas_own_numbers() -> None:
    activity, streams = strava_ride()["activity"], strava_ride()["streams"]
    facts = ActivityFacts(
        sport_type=activity["type"],
        elapsed_seconds=activity["elapsed_time"],
        moving_seconds=activity["moving_time"],
        distance_m=activity["distance"],
        device_watts=activity["device_watts"],
        trainer=activity["trainer"],
        perceived_exertion=activity["perceived_exertion"],
    )
    ride = summarize(streams, facts)
    assert ride.quality["sentences"] == []
    assert ride.counted_seconds == activity["moving_time"] + 1  # both the first and the last second
    assert mean_bpm(ride) == pytest.approx(activity["average_heartrate"], abs=0.1)
    assert ride.heart_rate_curve is not None
    assert ride.heart_rate_curve[0] == activity["max_heartrate"]
    assert ride.power_curve is not None
    assert ride.power_curve[0] == activity["max_watts"]
    assert ride.power_curve[curves.DURATIONS.tolist().index(3600)] == pytest.approx(
        activity["average_watts"], rel=0.01
    )
    # Strava's weighted average is not NP; on a steady ride it is near.
    assert normalized_watts(ride) == pytest.approx(activity["weighted_average_watts"], rel=0.02)
    assert ride.speed_curve is not None
    assert ride.speed_curve[-1] == pytest.approx(activity["average_speed"], rel=0.03)


def test_stravas_table_gives_its_grade_adjusted_distance() -> None:
    streams = strava_ride()["streams"]
    grid = clean(streams, elapsed_seconds=3645, family=Family.RIDE)
    assert isinstance(grid, Grid)
    assert grid.distance is not None
    assert grid.altitude is not None
    factors = pace.strava_factor(pace.grades(grid.distance, grid.altitude))
    adjusted = float(np.sum(np.diff(grid.distance) * factors[1:]))
    assert adjusted == pytest.approx(streams["grade_adjusted_distance"][-1], rel=0.01)

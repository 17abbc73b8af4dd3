"""What a body can do and how its heart answers: the laws hold for every session that is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import drawing, physiology
from sandbox.drawing import draw
from sandbox.noise import Array
from sandbox.recording import Channels, Recording, known
from sandbox.sessions import SHAPES, Session
from sandbox.world import Body, Home

HOME = Home("Annecy", "France", 45.8992, 6.1294, "Europe/Paris")
BODY = Body(
    critical_power=250, w_prime=19_000, critical_speed=4.0, d_prime=200, swim_speed=1.2, swim_reserve=20,
    threshold_bpm=170, max_bpm=190, resting_bpm=50,
)  # fmt: skip
DURATIONS = (60, 120, 180, 300, 480, 720, 1_200, 1_800)
RACE = (2_000,)


def session(kind: str, shape: str, seed: int, efforts: tuple[int, ...] = (), seconds: int = 4_500) -> Session:
    return Session(
        seed=seed,
        kind=kind,
        sport_type="Run" if kind == "run" else "Ride",
        shape=shape,
        name="Test",
        start_at=1_720_000_000,
        moving_seconds=seconds,
        body=BODY,
        home=HOME,
        all_out_seconds=efforts,
    )


def values(recording: Recording, key: str) -> Array:
    assert isinstance(recording.streams, Channels)
    return np.asarray(recording.streams.arrays[key], dtype=np.float64)


def best(per_second: Array, seconds: int) -> float:
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(per_second))])
    return float((sums[seconds:] - sums[:-seconds]).max()) / seconds


def level_speed(recording: Recording) -> Array:
    slope = values(recording, "grade_smooth") / 100
    return values(recording, "velocity_smooth") * physiology.slope_cost(slope)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1_500), min_size=1, max_size=200),
    st.floats(100, 400),
    st.floats(200, 30_000),
)
def test_no_window_of_any_length_spends_more_than_the_reserve(
    watts: list[float], critical: float, reserve: float
) -> None:
    kept = physiology.keep_within_reserve(np.array(watts), critical, reserve)
    sums = np.concatenate([[0.0], np.cumsum(kept - critical)])
    spent = max(sums[end] - sums[start] for end in range(1, sums.size) for start in range(end))
    assert spent <= reserve * (1 + 1e-9) + 1e-6
    assert np.all(kept <= np.array(watts) + 1e-9)
    assert np.array_equal(kept < critical, np.array(watts) < critical)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_ride_is_above_the_days_curve_beyond_the_stated_noise(shape: str) -> None:
    for seed in range(25):
        efforts = ((180, 720), (300, 1_200), RACE)[seed % 3] if shape == "all_out" else ()
        watts = values(draw(session("ride", shape, seed, efforts, 5_400)), "watts")
        for seconds in DURATIONS:
            curve = BODY.critical_power + BODY.w_prime / seconds
            assert best(watts, seconds) <= curve * (1 + drawing.METER_ERROR) + 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_no_run_is_above_the_days_curve_beyond_the_stated_noise(shape: str) -> None:
    for seed in range(25):
        efforts = ((300, 1_200), RACE)[seed % 2] if shape == "all_out" else ()
        speed = level_speed(draw(session("run", shape, seed, efforts, 5_400)))
        for seconds in DURATIONS[2:]:
            curve = BODY.critical_speed + BODY.d_prime / seconds
            # Noise of 20 s memory: three spreads of its mean over the window, besides the error of the whole run.
            noise = 3 * drawing.PACE_NOISE * (40 / seconds) ** 0.5
            assert best(speed, seconds) <= curve * (1 + drawing.PACE_ERROR) + noise


@pytest.mark.parametrize("efforts", [(180, 720), (300, 1_200), RACE, (240, 840)])
def test_an_all_out_effort_touches_the_curve_at_its_own_length(efforts: tuple[int, ...]) -> None:
    for seed in range(10):
        ride = draw(session("indoor", "all_out", seed, efforts, 6_000))
        run = draw(session("run", "all_out", seed, efforts, 6_000))
        for seconds in efforts:
            power = BODY.critical_power + BODY.w_prime / seconds
            assert best(values(ride, "watts"), seconds) == pytest.approx(power, rel=0.025)
            speed = BODY.critical_speed + BODY.d_prime / seconds
            assert best(level_speed(run), seconds) == pytest.approx(speed, rel=0.025)


def test_an_all_out_swim_shows_the_critical_speed() -> None:
    recording = draw(replace(session("swim", "all_out", 1), sport_type="Swim"))
    clock, distance = values(recording, "time"), values(recording, "distance")

    def fastest(metres: int) -> float:
        lengths = int(metres / 25)
        return float((clock[lengths:] - clock[:-lengths]).min())

    assert distance[-1] > 1_500
    assert 200 / (fastest(400) - fastest(200)) == pytest.approx(BODY.swim_speed, rel=0.02)


@pytest.mark.parametrize("kind", ["indoor", "run"])
def test_the_threshold_heart_rate_is_found_in_half_an_hour_all_out(kind: str) -> None:
    means = []
    for seed in range(30):
        beats = values(draw(session(kind, "all_out", seed, RACE)), "heartrate")
        start = 1_080 + 100
        means.append(float(np.nanmean(beats[start : start + 1_800])))
    assert float(np.mean(means)) == pytest.approx(BODY.threshold_bpm, abs=2)
    assert max(abs(mean - BODY.threshold_bpm) for mean in means) < 5


def test_a_test_of_three_minutes_nearly_shows_the_maximum() -> None:
    for seed in range(10):
        beats = known(draw(session("indoor", "all_out", seed, (180, 720))).streams, "heartrate")
        assert BODY.max_bpm - 4 <= beats.max() <= BODY.max_bpm


def test_the_heart_drifts_upward_at_the_same_power() -> None:
    drifts = []
    for seed in range(20):
        effort = np.full(7_200, 0.65)
        beats = physiology.heart_rate(np.random.default_rng(seed), effort, 50, 170, 190)
        drifts.append(beats[-1_200:].mean() - beats[600:1_800].mean())
    assert 1 < float(np.mean(drifts)) < 8
    assert min(drifts) > -1


def test_a_harder_effort_is_a_faster_heart() -> None:
    held = [
        physiology.heart_rate(np.random.default_rng(3), np.full(1_800, effort), 50, 170, 190)[-600:].mean()
        for effort in (0.4, 0.6, 0.8, 0.95, 1.1, 1.3)
    ]
    assert held == sorted(held)
    assert held[-1] - held[0] > 50

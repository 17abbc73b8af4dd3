"""Invented activities are plausible, and the same for the same seed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.drawing import draw
from sandbox.habits import profile_of
from sandbox.recording import Recording, Zone
from sandbox.riders import invent_athletes
from sandbox.sessions import KINDS, SHAPES, SPORT_OF_KIND, Session
from sandbox.world import Body, Home

HOME = Home("Annecy", "France", 45.8992, 6.1294, "Europe/Paris")
BODY = Body(
    critical_power=250, w_prime=19_000, critical_speed=4.0, d_prime=200, weight_kg=70, threshold_bpm=170,
    max_bpm=190, resting_bpm=50,
)  # fmt: skip
START = 1_720_000_000  # in July: Paris is two hours ahead


def session(kind: str, seconds: int = 3_600, seed: int = 3, shape: str = "steady", body: Body = BODY) -> Session:
    return Session(
        seed=seed,
        kind=kind,
        sport_type=SPORT_OF_KIND[kind],
        shape=shape,
        name="Test",
        start_at=START,
        moving_seconds=seconds,
        body=body,
        home=HOME,
    )


def known(recording: Recording, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([v for v in recording.streams[key] if v is not None], dtype=np.float64)


def normalized(recording: Recording) -> float:
    mean30 = np.convolve(known(recording, "watts"), np.full(30, 1 / 30), mode="valid")
    return float(np.mean(mean30**4) ** 0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_recipe_gives_the_same_recording_to_the_last_value(kind: str) -> None:
    draw.cache_clear()
    first = draw(session(kind))
    draw.cache_clear()
    assert draw(session(kind)) == first
    if kind != "manual":
        assert draw(session(kind, seed=4)).streams != first.streams


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([kind for kind in KINDS if kind != "manual"]),
    st.sampled_from(SHAPES),
    st.integers(60, 7_200),
    st.integers(0, 2**40),
)
def test_every_session_keeps_its_books(kind: str, shape: str, seconds: int, seed: int) -> None:
    recording = draw(session(kind, seconds, seed, shape))
    clock = recording.streams["time"]
    assert all(later > earlier for earlier, later in itertools.pairwise(clock))
    assert {len(values) for values in recording.streams.values()} == {len(clock)}
    assert recording.elapsed_seconds == clock[-1]
    assert recording.moving_seconds <= recording.elapsed_seconds
    if "distance" in recording.streams:
        distance = recording.streams["distance"]
        assert all(later >= earlier for earlier, later in itertools.pairwise(distance))
        assert recording.distance_metres == distance[-1]
    if "heartrate" in recording.streams:
        beats = known(recording, "heartrate")
        assert beats.min() >= BODY.resting_bpm
        assert beats.max() <= BODY.max_bpm


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "all_out"])
def test_nobody_holds_more_than_his_threshold_for_an_hour(shape: str, seed: int) -> None:
    effort = normalized(draw(session("ride", 3_600, seed, shape)))
    assert 0.5 * BODY.critical_power < effort < BODY.critical_power


def test_harder_shapes_are_harder_and_the_heart_says_so_too() -> None:
    def means(shape: str) -> tuple[float, float]:
        rides = [draw(session("ride", 5_400, seed, shape)) for seed in range(4)]
        power = float(np.mean([normalized(ride) for ride in rides]))
        return power, float(np.mean([known(ride, "heartrate").mean() for ride in rides]))

    (easy_power, easy_heart), (hard_power, hard_heart) = means("steady"), means("threshold")
    assert hard_power > 1.1 * easy_power
    assert hard_heart > easy_heart + 8


def test_the_heart_lags_behind_the_power_by_half_a_minute_or_more() -> None:
    ride = draw(session("indoor", 5_400, 1, "intervals"))
    watts = np.array([0 if w is None else w for w in ride.streams["watts"]], dtype=float)
    beats = np.array([120 if b is None else b for b in ride.streams["heartrate"]], dtype=float)
    middle = slice(1_000, 4_500)
    lags = range(0, 121, 5)
    fits = [np.corrcoef(watts[middle], beats[1_000 + lag : 4_500 + lag])[0, 1] for lag in lags]
    assert 20 <= list(lags)[int(np.argmax(fits))] <= 80


def test_pauses_are_gaps_in_time_without_distance() -> None:
    recording = next(
        ride
        for seed in range(20)
        if (ride := draw(session("ride", 7_200, seed))).elapsed_seconds > ride.moving_seconds + 29
    )
    clock, distance = recording.streams["time"], recording.streams["distance"]
    gaps = [place for place in range(1, len(clock)) if clock[place] - clock[place - 1] > 1]
    assert gaps
    assert sum(clock[place] - clock[place - 1] - 1 for place in gaps) == (
        recording.elapsed_seconds - recording.moving_seconds
    )
    assert all(distance[place] - distance[place - 1] < 20 for place in gaps)


def test_sensors_drop_out_now_and_then_and_never_for_long() -> None:
    rides = [draw(session("ride", 7_200, seed)) for seed in range(10)]
    lost = sum(value is None for ride in rides for value in ride.streams["heartrate"])
    assert 0 < lost < 0.01 * 10 * 7_200


def test_the_positions_agree_with_the_distance_and_end_where_they_began() -> None:
    recording = draw(session("ride", 3_600, 5))
    latitude, longitude = np.radians(np.array(recording.streams["latlng"])).T
    east, north = np.diff(longitude) * np.cos(latitude[1:]) * 6_371_000, np.diff(latitude) * 6_371_000
    walked = np.hypot(east[::1], north[::1]).sum()
    assert walked == pytest.approx(recording.distance_metres, rel=0.15)
    first, last = recording.streams["latlng"][0], recording.streams["latlng"][-1]
    assert np.hypot(first[0] - last[0], first[1] - last[1]) < 0.001


def test_an_estimated_ride_has_watts_but_no_meter_and_no_heart_rate() -> None:
    recording = draw(session("ride_estimated"))
    assert recording.device_watts is False
    assert "watts" in recording.streams
    assert "heartrate" not in recording.streams


def test_an_indoor_ride_goes_nowhere_and_strength_has_only_a_heart() -> None:
    assert {"latlng", "altitude"}.isdisjoint(draw(session("indoor")).streams)
    assert set(draw(session("strength")).streams) == {"time", "heartrate"}


def test_walking_is_easier_than_running() -> None:
    run, walk = draw(session("run")), draw(replace(session("run"), sport_type="Walk"))
    assert walk.distance_metres < 0.6 * run.distance_metres
    assert known(walk, "heartrate").mean() < known(run, "heartrate").mean() - 15


def test_the_label_of_a_zone_keeps_the_standard_offset_in_summer() -> None:
    assert Zone.named("Europe/Paris", START) == Zone("(GMT+01:00) Europe/Paris", 7_200)
    assert Zone.named("America/Denver", START) == Zone("(GMT-07:00) America/Denver", -21_600)
    assert Zone.fixed(-14_400) == Zone("(GMT-04:00) Etc/GMT+4", -14_400)
    assert Zone.fixed(0) == Zone.named("Nowhere/AtAll", START) == Zone("(GMT+00:00) UTC", 0)


def test_a_seed_makes_a_world_and_more_athletes_leave_the_first_ones_alone() -> None:
    five, nine = list(invent_athletes(5, 1)), list(invent_athletes(9, 1))
    assert nine[:5] == five
    assert list(invent_athletes(5, 2)) != five
    assert len({(one.firstname, one.lastname) for one in invent_athletes(600, 1)}) == 600


def test_athletes_tell_the_thresholds_of_what_they_train_for_and_are_a_little_off() -> None:
    told: dict[str, set[str]] = {}
    for number, one in enumerate(invent_athletes(200, 1)):
        pairs = {
            "ftp": (one.ftp, one.body.critical_power),
            "critical_speed": (one.critical_speed, one.body.critical_speed),
            "css": (one.css, one.body.swim_speed),
        }
        for believed, truth in pairs.values():
            assert believed is None or believed == pytest.approx(truth, rel=0.04)
        told[profile_of(number)] = {name for name, (believed, _) in pairs.items() if believed is not None}
    assert told["cyclist"] == {"ftp"}
    assert told["runner"] == {"critical_speed"}
    assert told["swimmer"] == {"css"}
    assert told["triathlete"] == {"ftp", "critical_speed", "css"}
    assert told["casual"] == set()

"""Which method scores an activity, with what, and what it says of itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.in_force import UNITS, Threshold, Thresholds
from daemon.science.load import METHODS, Load, is_estimated, score
from daemon.science.pace import GradeModel
from daemon.science.statistics import ActivityFacts, Statistics, summarize

NOTHING_KNOWN = Thresholds()


def manual(value: float) -> Threshold:
    return Threshold(value=value, method="manual", threshold_id=7)


KNOWN = Thresholds(
    ftp_watts=manual(250.0),
    critical_speed_m_per_s=manual(4.0),
    css_m_per_s=manual(1.2),
    lthr_bpm=manual(165.0),
    max_hr_bpm=manual(190.0),
    resting_hr_bpm=manual(50.0),
    sex="F",
)


def activity(raw: dict[str, object] | None, sport_type: str = "Ride", **changes: Any) -> Statistics:
    facts = ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=7200,
        moving_seconds=7200,
        distance_m=0.0,
        device_watts=True,
        trainer=False,
        perceived_exertion=None,
    )
    return summarize(raw, dataclasses.replace(facts, **changes))


def hour(watts: int | None = None, pulse: int | None = None) -> dict[str, object]:
    raw: dict[str, object] = {"time": list(range(3600))}
    if watts is not None:
        raw["watts"] = [watts] * 3600
    if pulse is not None:
        raw["heartrate"] = [pulse] * 3600
    return raw


def scored(statistics: Statistics, thresholds: Thresholds, sport_type: str = "Ride") -> Load:
    return score(statistics, thresholds, sport_type, GradeModel.STRAVA)


def raw_load(load: Load) -> float:
    assert load.raw is not None
    return load.raw


def test_an_hour_at_ftp_is_one_hundred_by_power() -> None:
    load = scored(activity(hour(watts=250, pulse=150)), KNOWN)
    assert load.method == "power"
    assert load.raw == pytest.approx(100.0)
    assert load.inputs["normalized_watts"] == pytest.approx(250.0)
    assert load.inputs["intensity"] == pytest.approx(1.0)
    assert load.inputs["counted_seconds"] == 3600
    assert load.thresholds == {"ftp_watts": {"value": 250.0, "method": "manual", "threshold_id": 7}}
    assert load.refused == {}
    assert "250 W (manual)" in load.explanation


def test_an_hour_at_threshold_pulse_is_one_hundred_by_heart_rate() -> None:
    load = scored(activity(hour(pulse=165), "Run"), KNOWN, "Run")
    assert load.method == "heart_rate"
    assert load.raw == pytest.approx(100.0)
    assert load.inputs["exponents"] == "women"
    assert set(load.thresholds) == {"lthr_bpm", "max_hr_bpm", "resting_hr_bpm"}


@pytest.mark.parametrize("sport_type", ["Run", "Swim", "Rowing", "Curling2030"])
def test_power_of_another_sport_is_refused_and_the_pulse_counts(sport_type: str) -> None:
    load = scored(activity(hour(watts=300, pulse=150), sport_type), KNOWN, sport_type)
    assert load.method == "heart_rate"
    assert "rides only" in load.refused["power"]


@pytest.mark.parametrize("measured", [False, None])
def test_power_that_no_device_measured_is_refused(measured: bool | None) -> None:
    load = scored(activity(hour(watts=300, pulse=150), device_watts=measured), KNOWN)
    assert load.method == "heart_rate"
    assert "device" in load.refused["power"]


def test_without_an_ftp_power_is_refused() -> None:
    load = scored(activity(hour(watts=300, pulse=150)), dataclasses.replace(KNOWN, ftp_watts=None))
    assert load.method == "heart_rate"
    assert "no FTP is known" in load.refused["power"]


def test_power_counts_when_80_percent_of_it_is_known_and_not_below() -> None:
    enough: list[int | None] = [200] * 2880 + [None] * 720
    short: list[int | None] = [200] * 2879 + [None] * 721
    raw: dict[str, object] = {"time": list(range(3600)), "heartrate": [150] * 3600}
    assert scored(activity({**raw, "watts": enough}), KNOWN).method == "power"
    refused = scored(activity({**raw, "watts": short}), KNOWN)
    assert refused.method == "heart_rate"
    assert refused.refused["power"] == "Power is known for 79 % of the ride: 80 % is the least."


def test_ten_seconds_of_power_are_not_normalized() -> None:
    load = scored(activity({"time": list(range(10)), "watts": [200] * 10}), KNOWN)
    assert load.method == "estimated"
    assert "15 seconds" in load.refused["power"]


def test_unknown_thresholds_are_defaults_and_marked() -> None:
    load = scored(activity(hour(pulse=150)), NOTHING_KNOWN)
    assert load.thresholds == {
        "lthr_bpm": {"value": 60 + 0.85 * 130, "method": "default", "threshold_id": None},
        "max_hr_bpm": {"value": 190.0, "method": "default", "threshold_id": None},
        "resting_hr_bpm": {"value": 60.0, "method": "default", "threshold_id": None},
    }
    assert load.inputs["exponents"] == "men"
    assert "men's exponents" in load.explanation


def test_the_default_threshold_pulse_follows_the_reserve_that_is_known() -> None:
    load = scored(activity(hour(pulse=150)), dataclasses.replace(KNOWN, lthr_bpm=None))
    assert load.thresholds["lthr_bpm"] == {"value": 169.0, "method": "default", "threshold_id": None}


def test_heart_rates_that_contradict_each_other_are_refused() -> None:
    for wrong in (
        dataclasses.replace(KNOWN, max_hr_bpm=manual(50.0)),
        dataclasses.replace(KNOWN, lthr_bpm=manual(49.0)),
    ):
        load = scored(activity(hour(pulse=150)), wrong)
        assert load.method == "estimated"
        assert "contradict" in load.refused["heart_rate"]


def test_a_threshold_above_the_default_maximum_still_makes_a_load() -> None:
    thresholds = dataclasses.replace(NOTHING_KNOWN, lthr_bpm=manual(195.0))
    assert 0 < raw_load(scored(activity(hour(pulse=170)), thresholds)) < 100


def test_an_activity_of_which_nothing_is_known_but_its_length_is_estimated_and_says_why() -> None:
    load = scored(activity(None), KNOWN)
    assert load.method == "estimated"
    assert load.refused == {
        "power": "No power was recorded.",
        "pace": "Pace counts on foot only.",
        "swim": "Swimming speed counts in swims only.",
        "heart_rate": "No heart rate was recorded.",
        "perceived_exertion": "The athlete told no perceived exertion.",
    }
    assert load.thresholds == {}


def test_an_activity_without_a_length_has_no_load_and_says_why() -> None:
    load = scored(activity(None, elapsed_seconds=0, moving_seconds=0), KNOWN)
    assert load.method == "none"
    assert load.raw is None
    assert list(load.refused) == list(METHODS)
    assert load.explanation.startswith("No load could be computed. No power was recorded. ")
    assert load.explanation.endswith("Strava tells no credible duration.")


def test_what_is_unknown_of_a_pulse_counts_as_the_rest_of_it_and_is_told() -> None:
    raw: dict[str, object] = {"time": list(range(3600)), "heartrate": [150] * 1800 + [None] * 1800}
    load = scored(activity(raw), KNOWN)
    assert load.inputs["coverage"] == 0.5
    assert "known for 50 %" in load.explanation
    assert raw_load(load) == pytest.approx(raw_load(scored(activity(hour(pulse=150)), KNOWN)))


def test_a_pulse_that_is_known_for_less_than_half_of_the_time_is_refused() -> None:
    raw: dict[str, object] = {"time": list(range(3600)), "heartrate": [150] * 1799 + [None] * 1801}
    load = scored(activity(raw, perceived_exertion=5.0), KNOWN)
    assert load.method == "perceived_exertion"
    assert load.refused["heart_rate"] == "Heart rate is known for 49 % of the time: 50 % is the least."


def test_a_power_meter_that_shows_nothing_is_not_believed() -> None:
    load = scored(activity(hour(watts=0, pulse=150)), KNOWN)
    assert load.method == "heart_rate"
    assert load.refused["power"] == "The power meter showed 0 W throughout."


def test_a_load_can_be_written_as_json() -> None:
    for load in (
        scored(activity(hour(watts=250)), KNOWN),
        scored(activity(hour(pulse=140)), NOTHING_KNOWN),
        scored(activity(None), NOTHING_KNOWN),
    ):
        assert orjson.loads(orjson.dumps(dataclasses.asdict(load)))["method"] == load.method


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 1200), st.integers(0, 800)), min_size=60, max_size=300))
def test_a_harder_ride_is_never_less(seconds: list[tuple[int, int]]) -> None:
    times = list(range(len(seconds)))
    easier = activity({"time": times, "watts": [watts for watts, _ in seconds]})
    harder = activity({"time": times, "watts": [watts + more for watts, more in seconds]})
    assert raw_load(scored(harder, KNOWN)) >= raw_load(scored(easier, KNOWN)) * (1 - 1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(30, 240), st.integers(0, 60)), min_size=1, max_size=300))
def test_a_higher_pulse_is_never_less(seconds: list[tuple[int, int]]) -> None:
    times = list(range(len(seconds)))
    lower = activity({"time": times, "heartrate": [bpm for bpm, _ in seconds]})
    higher = activity({"time": times, "heartrate": [min(240, bpm + more) for bpm, more in seconds]})
    assert raw_load(scored(higher, KNOWN)) >= raw_load(scored(lower, KNOWN)) * (1 - 1e-12)


@given(st.floats(100, 450), st.floats(0.5, 2.0))
def test_ftp_scales_the_load_by_the_inverse_square(ftp: float, scale: float) -> None:
    ride = activity(hour(watts=210))
    at_ftp = scored(ride, dataclasses.replace(KNOWN, ftp_watts=manual(ftp)))
    scaled = scored(ride, dataclasses.replace(KNOWN, ftp_watts=manual(ftp * scale)))
    assert raw_load(scaled) == pytest.approx(raw_load(at_ftp) / scale**2)


def test_what_rests_on_no_measurement_or_on_a_rule_of_thumb_is_estimated() -> None:
    def estimated(load: Load, assumed: frozenset[int] = frozenset()) -> bool:
        kept: Any = orjson.loads(orjson.dumps(load.thresholds))  # as it comes from the database
        return is_estimated(load.method, kept, assumed)

    assert estimated(scored(activity(None), KNOWN))
    ride = scored(activity(hour(watts=200)), KNOWN)
    assert ride.method == "power"
    assert not estimated(ride)
    assert estimated(ride, frozenset({7}))
    by_heart = activity(hour(pulse=150))
    assert not estimated(scored(by_heart, KNOWN))
    assert estimated(scored(by_heart, dataclasses.replace(KNOWN, resting_hr_bpm=None)))


def test_every_threshold_that_a_load_may_name_has_a_unit() -> None:
    assert set(UNITS) == {field.name for field in dataclasses.fields(Thresholds)} - {"sex"}

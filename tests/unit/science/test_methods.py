"""Pace, swims, perceived exertion and estimates: each on the one scale, and each refusal in a sentence."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import estimates
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.sports import FAMILIES
from daemon.science.statistics import ActivityFacts, summarize

KNOWN = Thresholds(
    ftp_watts=Threshold(250.0, "manual", 1),
    critical_speed_m_per_s=Threshold(4.0, "manual", 2),
    css_m_per_s=Threshold(1.25, "imported", 3),
    lthr_bpm=Threshold(165.0, "manual", 4),
    sex="F",
)


def scored(
    raw: dict[str, object] | None,
    sport_type: str,
    thresholds: Thresholds = KNOWN,
    grade_model: GradeModel = GradeModel.STRAVA,
    **changes: Any,
) -> Load:
    facts = ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=3600,
        moving_seconds=3600,
        distance_m=0.0,
        device_watts=None,
        trainer=False,
        perceived_exertion=None,
    )
    facts = dataclasses.replace(facts, **changes)
    return score(summarize(raw, facts), thresholds, sport_type, grade_model)


def run(
    speed: float = 4.0, *, grade: float | None = 0.0, seconds: int = 3600, pulse: int | None = None
) -> dict[str, object]:
    """An even run up (or down) an even slope; without a grade there is no altitude."""
    raw: dict[str, object] = {
        "time": list(range(seconds)),
        "velocity_smooth": [speed] * seconds,
        "distance": [speed * second for second in range(seconds)],
    }
    if grade is not None:
        raw["altitude"] = [500 + grade * speed * second for second in range(seconds)]
    if pulse is not None:
        raw["heartrate"] = [pulse] * seconds
    return raw


def raw_load(load: Load) -> float:
    assert load.raw is not None
    return load.raw


# Pace


@pytest.mark.parametrize("sport_type", ["Run", "TrailRun", "VirtualRun", "Walk", "Hike", "Snowshoe"])
def test_an_hour_at_critical_speed_is_one_hundred_on_foot(sport_type: str) -> None:
    load = scored(run(pulse=150), sport_type)
    assert load.method == "pace"
    assert load.raw == pytest.approx(100.0)
    assert load.thresholds == {"critical_speed_m_per_s": {"value": 4.0, "method": "manual", "threshold_id": 2}}
    assert "4:10 /km (manual)" in load.explanation


def test_twice_the_speed_is_four_times_the_load_and_not_a_quarter() -> None:
    assert raw_load(scored(run(2.0), "Run")) == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("model", "grade", "factor"),
    [
        (GradeModel.STRAVA, 0.10, 1.459),
        (GradeModel.STRAVA, -0.10, 0.876),
        (GradeModel.MINETTI, 0.10, 5.9682 / 3.6),
        (GradeModel.MINETTI, -0.10, 2.1517 / 3.6),
    ],
)
def test_a_slope_counts_as_the_chosen_model_has_it(model: GradeModel, grade: float, factor: float) -> None:
    load = scored(run(2.5, grade=grade), "TrailRun", grade_model=model)
    assert load.inputs["grade_model"] == model.value
    assert load.inputs["normalized_graded_m_per_s"] == pytest.approx(2.5 * factor, rel=1e-3)
    assert load.raw == pytest.approx(100 * (2.5 * factor / 4.0) ** 2, rel=1e-3)


@pytest.mark.parametrize(("sport_type", "trainer"), [("Run", True), ("VirtualRun", False)])
def test_indoors_the_speed_counts_as_it_is_and_the_explanation_says_so(sport_type: str, trainer: bool) -> None:
    load = scored(run(grade=0.15), sport_type, trainer=trainer)
    assert load.raw == pytest.approx(100.0)
    assert load.inputs["grade_model"] is None
    assert "indoors there is no grade" in load.explanation


def holed(raw: dict[str, object], key: str, unknown: int) -> dict[str, object]:
    values = raw[key]
    assert isinstance(values, list)
    return {**raw, key: [*values[: len(values) - unknown], *[None] * unknown]}


def test_a_grade_that_is_unknown_is_not_taken_for_flat_ground() -> None:
    load = scored(run(pulse=150, grade=None), "Run")
    assert load.method == "heart_rate"
    assert load.refused["pace"] == "The grade is known for 0 % of the time: 80 % is the least."
    assert scored(holed(run(pulse=150), "altitude", 900), "Run").method == "heart_rate"
    assert scored(holed(run(pulse=150), "altitude", 600), "Run").method == "pace"


def test_speed_that_is_known_for_too_little_of_the_time_is_refused() -> None:
    load = scored(holed(run(pulse=150), "velocity_smooth", 900), "Run")
    assert load.method == "heart_rate"
    assert load.refused["pace"] == "Speed is known for 75 % of the time: 80 % is the least."


def test_a_treadmill_without_a_sensor_is_not_an_hour_of_rest() -> None:
    load = scored(run(0.0, pulse=150), "Run", trainer=True)
    assert load.method == "heart_rate"
    assert load.refused["pace"].startswith("Nothing moved")


@pytest.mark.parametrize(
    ("raw", "thresholds", "reason"),
    [
        (None, KNOWN, "No speed was recorded."),
        (run(), Thresholds(), "Pace cannot be scored: no critical speed is known."),
        (run(seconds=12), KNOWN, "Speed was recorded for less than 15 seconds."),
    ],
)
def test_pace_is_refused_with_a_reason(raw: dict[str, object] | None, thresholds: Thresholds, reason: str) -> None:
    load = scored(raw, "Run", thresholds)
    assert load.method == "estimated"
    assert load.refused["pace"] == reason


# Swims


def test_an_hour_at_critical_swim_speed_is_one_hundred() -> None:
    load = scored(None, "Swim", distance_m=4500.0)
    assert load.method == "swim"
    assert load.raw == pytest.approx(100.0)
    assert load.inputs["speed_m_per_s"] == 1.25
    assert load.thresholds == {"css_m_per_s": {"value": 1.25, "method": "imported", "threshold_id": 3}}
    assert load.explanation.startswith("4500 m in 1 h 0 min make 100")
    assert "1:20 /100 m (imported)" in load.explanation


def test_a_swim_counts_its_moving_time_whatever_its_streams_say() -> None:
    raw: dict[str, object] = {"time": [0, 1, 2], "distance": [0, 1, 2], "heartrate": [150, 150, 150]}
    load = scored(raw, "Swim", distance_m=2000.0, moving_seconds=2000)
    assert load.raw == pytest.approx(0.8**3 * 2000 / 3600 * 100)


@pytest.mark.parametrize(
    ("changes", "thresholds", "reason"),
    [
        ({"distance_m": 2000.0}, Thresholds(), "no critical swim speed is known"),
        ({"distance_m": 0.0}, KNOWN, "no credible distance"),
        ({"distance_m": 2000.0, "moving_seconds": 0}, KNOWN, "no credible distance and moving time"),
        ({"distance_m": 2000.0, "moving_seconds": 48 * 3600 + 1}, KNOWN, "no credible distance and moving time"),
        ({"distance_m": 20_000.0}, KNOWN, "Nobody swims 5.6 m/s"),
    ],
)
def test_a_swim_is_refused_with_a_reason(changes: dict[str, Any], thresholds: Thresholds, reason: str) -> None:
    load = scored(None, "Swim", thresholds, perceived_exertion=5.0, **changes)
    assert load.method == "perceived_exertion"
    assert reason in load.refused["swim"]


@given(st.floats(0.2, 2.4), st.integers(600, 7200), st.floats(1.0, 1.2))
def test_a_faster_or_a_longer_swim_is_never_less(speed: float, seconds: int, more: float) -> None:
    def swum(at_speed: float, moving: int) -> float:
        load = scored(None, "Swim", distance_m=at_speed * moving, moving_seconds=moving)
        assert load.method == "swim"
        return raw_load(load)

    assert swum(speed * more, seconds) >= swum(speed, seconds) * (1 - 1e-12)
    assert swum(speed, round(seconds * more)) >= swum(speed, seconds) * (1 - 1e-12)
    # The same distance in less time.
    assert swum(speed * more, round(seconds / more)) >= swum(speed, seconds) * (1 - 1e-3)


# Perceived exertion


def test_an_exertion_of_seven_for_an_hour_is_one_hundred_and_marked_as_felt() -> None:
    load = scored(None, "WeightTraining", perceived_exertion=7.0)
    assert load.method == "perceived_exertion"
    assert load.raw == pytest.approx(100.0)
    assert load.inputs == {"perceived_exertion": 7.0, "active_seconds": 3600}
    assert "felt, not measured" in load.explanation


def test_what_was_measured_is_believed_before_what_was_felt() -> None:
    assert scored(run(pulse=150), "Workout", perceived_exertion=10.0).method == "heart_rate"


@pytest.mark.parametrize("exertion", [0.0, -1.0, 10.5, 100.0])
def test_an_exertion_that_is_not_on_the_scale_is_refused(exertion: float) -> None:
    load = scored(None, "Workout", perceived_exertion=exertion)
    assert load.method == "estimated"
    assert "not on the scale" in load.refused["perceived_exertion"]


@given(st.floats(0.5, 10), st.floats(0.5, 10), st.integers(60, 86_400), st.integers(60, 86_400))
def test_a_harder_or_a_longer_feeling_is_never_less(one: float, other: float, brief: int, long: int) -> None:
    def felt(exertion: float, seconds: int) -> float:
        return raw_load(scored(None, "Workout", perceived_exertion=exertion, moving_seconds=seconds))

    assert felt(max(one, other), max(brief, long)) >= felt(min(one, other), min(brief, long))


# Estimates


@pytest.mark.parametrize("sport_type", FAMILIES)
def test_every_sport_that_strava_lists_has_an_estimate_between_rest_and_threshold(sport_type: str) -> None:
    load = scored(None, sport_type)
    assert load.method == "estimated"
    assert load.inputs["sport_is_known"] is True
    assert 0 < raw_load(load) < 100
    assert sport_type in load.explanation


def test_no_estimate_is_kept_of_a_sport_that_has_no_family() -> None:
    assert set(estimates.METS) == set(FAMILIES)


@pytest.mark.parametrize(
    ("sport_type", "load"),
    [("Run", 57), ("NordicSki", 57), ("Ride", 42), ("Swim", 46), ("Hike", 22), ("WeightTraining", 15), ("Yoga", 4)],
)
def test_a_typical_hour_of_the_commonest_sports(sport_type: str, load: float) -> None:
    assert estimates.load_per_hour(sport_type) == pytest.approx(load, abs=0.5)


def test_an_estimate_is_what_the_heart_of_a_typical_amateur_would_make() -> None:
    share = (8.0 - 1) / (45 / 3.5 - 1)
    by_hand = 100 * share * math.exp(1.92 * share) / (0.85 * math.exp(1.92 * 0.85))
    assert estimates.load_per_hour("Ride") == pytest.approx(by_hand)


def test_an_unknown_sport_falls_to_heart_rate_and_without_one_to_an_estimate() -> None:
    assert scored(run(pulse=165), "UnderwaterHockey2031").method == "heart_rate"
    load = scored(None, "UnderwaterHockey2031")
    assert load.method == "estimated"
    assert load.inputs["sport_is_known"] is False
    assert "not known here" in load.explanation


def test_an_hour_without_movement_counts_its_elapsed_time() -> None:
    assert raw_load(scored(None, "Yoga", moving_seconds=0)) == raw_load(scored(None, "Yoga"))


def test_a_watch_that_was_forgotten_for_days_makes_no_load() -> None:
    load = scored(None, "Ride", moving_seconds=0, elapsed_seconds=48 * 3600 + 1)
    assert load.method == "none"
    assert load.refused["estimated"] == "Strava tells no credible duration."


@settings(max_examples=60, deadline=None)
@given(
    st.none() | st.just(run(3.0, pulse=150, seconds=60)),
    st.sampled_from([*FAMILIES, "", "X"]),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, 1e12),
    st.none() | st.floats(allow_nan=False),
    st.sampled_from(GradeModel),
)
def test_whatever_strava_says_the_load_is_finite_or_none_and_can_be_written_as_json(
    raw: dict[str, object] | None,
    sport_type: str,
    elapsed: int,
    moving: int,
    distance_m: float,
    exertion: float | None,
    model: GradeModel,
) -> None:
    load = scored(
        raw,
        sport_type,
        grade_model=model,
        elapsed_seconds=elapsed,
        moving_seconds=moving,
        distance_m=distance_m,
        perceived_exertion=exertion,
    )
    assert (load.raw is None) == (load.method == "none")
    assert load.raw is None or (load.raw >= 0 and math.isfinite(load.raw))
    assert orjson.loads(orjson.dumps(dataclasses.asdict(load)))["explanation"] == load.explanation

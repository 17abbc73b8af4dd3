"""The modifier of a day: its windows, its arithmetic, its bounds, and the parts that it keeps."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from datetime import date, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.wellness import Modifier, Part, Reading, Weights, modifiers

TODAY = date(2026, 7, 15)
USUAL = Weights()


def day(back: int) -> date:
    return TODAY - timedelta(days=back)


def modifier(on: date, readings: dict[date, Reading], weights: Weights) -> Modifier:
    (only,) = modifiers(on, on, readings, weights)
    return only


def history(rmssd_ms: float = 60, resting_hr_bpm: float = 50, sleep_hours: float = 7.5) -> dict[date, Reading]:
    """67 days that vary a little around these values; the windows' means are exactly these."""
    signs = [1, -1, 0]
    readings = {}
    for back in range(67):
        # Three days of each week's seven cancel, as do all sixty of the baseline.
        sign = signs[back % 3] if back >= 7 else [1, -1, 0, 1, -1, 0, 0][back]
        readings[day(back)] = Reading(
            rmssd_ms * math.exp(0.1 * sign), resting_hr_bpm + 2 * sign, sleep_hours + 0.8 * sign
        )
    return readings


def week(readings: dict[date, Reading], **values: float | None) -> dict[date, Reading]:
    """The same past with another last week."""
    changed = {day(back): dataclasses.replace(readings[day(back)], **values) for back in range(7)}
    return {**readings, **changed}


def part(readings: dict[date, Reading], signal: str, weights: Weights = USUAL) -> Part:
    (found,) = (part for part in modifier(TODAY, readings, weights).parts if part.signal == signal)
    return found


def test_a_usual_week_changes_nothing_and_says_so() -> None:
    result = modifier(TODAY, history(), USUAL)
    assert result.value == 1.0
    assert result.explanation == "Wellness changes nothing: it is as usual."


def test_without_readings_nothing_changes_and_the_reason_is_told() -> None:
    result = modifier(TODAY, {}, USUAL)
    assert result.value == 1.0
    assert [part.effect for part in result.parts] == [None, None, None]
    assert result.explanation == "Wellness changes nothing: there are too few readings."


def test_the_windows_are_the_last_seven_days_and_the_sixty_before() -> None:
    readings = {day(back): Reading(resting_hr_bpm=40 + back) for back in range(-3, 90)}
    found = part(readings, "resting_hr")
    assert (found.recent_readings, found.baseline_readings) == (7, 60)
    assert found.recent_mean == statistics.fmean(range(40, 47))
    assert found.baseline_mean == statistics.fmean(range(47, 107))
    assert found.baseline_sd == pytest.approx(statistics.stdev(range(47, 107)))


# sd of the history below: 0.1 of ln rMSSD, 2 bpm and 0.8 h, each times this.
SPREAD = math.sqrt(40 / 59)


@pytest.mark.parametrize(
    ("signal", "value", "z", "effect", "adds"),
    [
        ("hrv", 60 * math.exp(-0.1 * SPREAD), -1.0, -0.5, +0.025),  # a tired heart: more load
        ("hrv", 60 * math.exp(0.14 * SPREAD), 1.4, 0.9, -0.045),
        ("hrv", 60 * math.exp(0.05 * SPREAD), 0.5, 0.0, 0.0),
        ("hrv", 20, -10.9861 / SPREAD, -1.0, 0.05),
        ("resting_hr", 50 + 2 * 1.5 * SPREAD, 1.5, 0.5, 0.015),
        ("resting_hr", 50 - 2 * 1.5 * SPREAD, -1.5, -0.5, -0.015),
        ("resting_hr", 50 + 2 * SPREAD, 1.0, 0.0, 0.0),
        ("resting_hr", 70, 10 / SPREAD, 1.0, 0.03),
        ("sleep", 7.5 - 0.8 * 1.75 * SPREAD, -1.75, -0.75, 0.015),
        ("sleep", 7.5 + 0.8 * 2.5 * SPREAD, 2.5, 1.0, -0.02),
    ],
)
def test_each_signal_moves_the_load_by_its_distance_beyond_everyday_life(
    signal: str, value: float, z: float, effect: float, adds: float
) -> None:
    field = {"hrv": "rmssd_ms", "resting_hr": "resting_hr_bpm", "sleep": "sleep_hours"}[signal]
    readings = week(history(), **{field: value})
    found = part(readings, signal)
    assert found.z == pytest.approx(z, abs=1e-4)
    assert found.effect == pytest.approx(effect, abs=1e-9)
    assert found.adds == pytest.approx(adds, abs=1e-9)
    assert modifier(TODAY, readings, USUAL).value == pytest.approx(1 + adds)


@pytest.mark.parametrize(
    ("field", "signal", "value", "least"),
    [
        ("rmssd_ms", "hrv", 60.0, 0.05),
        ("resting_hr_bpm", "resting_hr", 50.0, 1.5),
        ("sleep_hours", "sleep", 7.5, 0.5),
    ],
)
def test_a_past_without_any_spread_is_given_the_least_one(
    field: str, signal: str, value: float, least: float
) -> None:
    readings = {day(back): Reading(**{field: value}) for back in range(67)}
    readings = week(readings, **{field: value * 1.1})
    change = math.log(1.1) if signal == "hrv" else 0.1 * value
    found = part(readings, signal)
    assert found.baseline_sd == pytest.approx(0.0, abs=1e-12)
    assert found.z == pytest.approx(change / least)


def test_two_readings_in_the_week_or_nineteen_before_it_are_too_few() -> None:
    changed = week(history(), resting_hr_bpm=70)
    for gone in (range(2, 7), range(26, 67)):
        readings = dict(changed)
        for back in gone:
            del readings[day(back)]
        found = part(readings, "resting_hr")
        assert (found.z, found.effect, found.adds) == (None, None, 0.0)
    for gone in (range(3, 7), range(27, 67)):
        readings = dict(changed)
        for back in gone:
            del readings[day(back)]
        assert part(readings, "resting_hr").adds == pytest.approx(0.03)


@pytest.mark.parametrize(
    "absurd",
    [
        Reading(0, 0, 0),
        Reading(-5, -5, -5),
        Reading(math.nan, math.nan, math.nan),
        Reading(math.inf, math.inf, math.inf),
        Reading(1e9, 300, 25),
        Reading(),
    ],
)
def test_readings_of_no_living_body_count_as_missing(absurd: Reading) -> None:
    assert modifier(TODAY, {day(back): absurd for back in range(67)}, USUAL) == modifier(TODAY, {}, USUAL)


def test_the_whole_range_is_ten_percent_to_either_side_and_never_more() -> None:
    worst = modifier(TODAY, week(history(), rmssd_ms=20, resting_hr_bpm=80, sleep_hours=3), USUAL)
    best = modifier(TODAY, week(history(), rmssd_ms=200, resting_hr_bpm=35, sleep_hours=12), USUAL)
    assert worst.value == pytest.approx(1.10)
    assert best.value == pytest.approx(0.90)
    assert worst.value <= 1.10
    assert best.value >= 0.90


value = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(1, 200)
readings_of_days = st.dictionaries(st.integers(-2, 70), st.builds(Reading, value, value, value), max_size=71)
weights = st.builds(
    lambda a, b, c, total: Weights(*(total * share / max(a + b + c, 1) for share in (a, b, c))),
    *[st.floats(0, 10)] * 3,
    st.floats(0, 0.1),
)


@settings(max_examples=60, deadline=None)
@given(readings_of_days, weights)
def test_whatever_was_measured_the_modifier_is_within_bounds_and_the_sum_of_its_parts(
    days: dict[int, Reading], weighed: Weights
) -> None:
    result = modifier(TODAY, {day(back): reading for back, reading in days.items()}, weighed)
    assert 0.90 <= result.value <= 1.10
    assert result.value == pytest.approx(1 + sum(part.adds for part in result.parts))
    assert all(abs(part.adds) <= part.weight for part in result.parts)
    assert orjson.loads(orjson.dumps(result))["parts"][0]["signal"] == "hrv"


def test_weights_decide_how_much_a_signal_counts() -> None:
    readings = week(history(), sleep_hours=3)
    assert part(readings, "sleep", Weights(hrv=0, resting_hr=0, sleep=0.1)).adds == pytest.approx(0.1)
    assert modifier(TODAY, readings, Weights(hrv=0.05, resting_hr=0.03, sleep=0)).value == 1.0


@pytest.mark.parametrize("wrong", [(0.05, 0.03, 0.03), (-0.01, 0.03, 0.02), (math.nan, 0.03, 0.02)])
def test_weights_that_could_leave_the_bounds_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"0\.10 together at most"):
        Weights(*wrong)


def test_each_of_several_days_is_as_if_it_were_computed_alone() -> None:
    chance = random.Random(1)
    readings = {
        day(back): Reading(chance.gauss(50, 12), chance.gauss(48, 4), chance.gauss(7, 1.5))
        for back in range(200)
        if chance.random() < 0.8
    }
    found = modifiers(day(89), TODAY, readings, USUAL)
    assert found == [modifier(day(back), readings, USUAL) for back in range(89, -1, -1)]
    assert len({one.value for one in found}) > 5
    assert modifiers(TODAY, day(1), readings, USUAL) == []


def test_the_explanation_tells_each_signal() -> None:
    readings = week(history(), rmssd_ms=60 * math.exp(-0.1 * SPREAD), sleep_hours=None)
    assert modifier(TODAY, readings, USUAL).explanation == (
        "Wellness makes it 1.025 times as much. Heart rate variability of the week is 1.0 standard deviations "
        "below that of the two months before: +2.5 %. Resting heart rate is as usual. Sleep: too few readings."
    )

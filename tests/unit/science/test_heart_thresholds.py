"""Threshold, highest and resting heart rate, each method at its edges."""

from __future__ import annotations

import pytest

from daemon.science.evidence import Activity, Estimate, Outcome, Pulse, RestingReading, Unknown
from daemon.science.heart_thresholds import lthr, max_hr, resting_hr
from tests.support.efforts import TODAY, activity, curve, days_ago

PULSE = Pulse(50.0, 190.0, max_known=True)


def estimated(outcome: Outcome) -> Estimate:
    assert isinstance(outcome, Estimate), outcome
    return outcome


def half_hour(activity_id: int, level: float, bpm: float, *, days: int = 10) -> Activity:
    power = curve(level * 250, 1800, between=100.0)
    return activity(activity_id, days_ago(days), power=power, pulses={1800: bpm})


def test_the_threshold_heart_rate_is_the_median_of_the_three_highest_half_hours_at_threshold() -> None:
    rides = [
        half_hour(number, 1.0, bpm, days=number) for number, bpm in enumerate((160.0, 165.0, 172.0, 168.0), start=1)
    ]
    outcome = estimated(lthr(rides, TODAY, PULSE, 250.0, None))
    assert (outcome.value, outcome.method) == (168.0, "half_hours_at_threshold")
    assert outcome.newest_on == days_ago(2)
    assert outcome.standard_error == pytest.approx(3.5118845842842465 / 3**0.5)


@pytest.mark.parametrize(("level", "counts"), [(0.949, False), (0.951, True), (1.049, True), (1.051, False)])
def test_a_half_hour_is_at_threshold_within_five_percent(level: float, counts: bool) -> None:
    outcome = lthr([half_hour(1, level, 170.0)], TODAY, PULSE, 250.0, None)
    assert isinstance(outcome, Estimate) == counts


def test_runs_are_judged_by_their_own_threshold() -> None:
    run = activity(1, days_ago(3), family="run", graded=curve(4.0, 1800, between=2.0), pulses={1800: 171.0})
    assert estimated(lthr([run], TODAY, PULSE, 250.0, 4.0)).value == 171.0
    assert isinstance(lthr([run], TODAY, PULSE, 4.0, None), Unknown)
    assert isinstance(lthr([run], days_ago(-363), PULSE, None, 4.0), Unknown)


def beating(activity_id: int, bpm: float, *, days: int = 10) -> Activity:
    return activity(activity_id, days_ago(days), family="other", heart=bpm)


def test_without_power_or_pace_the_hardest_half_hours_tell() -> None:
    sessions = [beating(1, 161.9), beating(2, 162.0), beating(3, 166.0), beating(4, 175.0)]
    outcome = estimated(lthr(sessions, TODAY, PULSE, None, None))
    assert (outcome.value, outcome.method) == (166.0, "hardest_half_hours")
    assert isinstance(lthr(sessions[:1], TODAY, PULSE, None, None), Unknown)  # below 80 % of the reserve
    assert "85% of the reserve stands in" in getattr(lthr([], TODAY, PULSE, None, None), "reason", "")


def test_the_highest_heart_rate_needs_a_second_activity_within_five_beats() -> None:
    alone, pair = [beating(1, 199.0), beating(2, 193.9)], [beating(3, 190.0), beating(4, 185.0)]
    assert estimated(max_hr([beating(1, 199.0), beating(2, 194.0)], TODAY, None)).value == 199.0
    assert isinstance(max_hr(alone, TODAY, None), Unknown)
    outcome = estimated(max_hr([beating(1, 199.0), *pair], TODAY, None))
    assert (outcome.value, outcome.method) == (190.0, "observed")
    assert outcome.evidence["activities"] == [3, 4]


def test_the_highest_heart_rate_is_looked_for_in_two_years() -> None:
    assert isinstance(max_hr([beating(1, 190.0, days=730), beating(2, 190.0)], TODAY, None), Unknown)
    assert estimated(max_hr([beating(1, 190.0, days=729), beating(2, 190.0)], TODAY, None)).value == 190.0


def test_without_a_heart_rate_the_age_gives_the_highest_one_marked() -> None:
    outcome = estimated(max_hr([], TODAY, 40.0))
    assert (outcome.value, outcome.method, outcome.assumed) == (180.0, "age", True)
    assert "190 bpm stand in" in getattr(max_hr([], TODAY, None), "reason", "")


def test_the_resting_heart_rate_is_the_mean_of_two_weeks() -> None:
    readings = [
        RestingReading(days_ago(days), bpm)
        for days, bpm in ((0, 50.0), (5, 52.0), (13, 54.0), (14, 90.0), (-1, 90.0), (3, 29.0), (4, 121.0))
    ]
    outcome = estimated(resting_hr(readings, TODAY))
    assert (outcome.value, outcome.newest_on) == (52.0, TODAY)
    assert outcome.standard_error == pytest.approx(2 / 3**0.5)
    assert "2 credible readings" in getattr(resting_hr(readings[:2], TODAY), "reason", "")

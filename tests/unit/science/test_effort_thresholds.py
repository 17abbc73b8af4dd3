"""FTP without a fit, critical speed of runs only, critical swim speed from best times."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from daemon.science.effort_thresholds import critical_speed, critical_swim_speed, ftp
from daemon.science.evidence import Activity, Estimate, Kind, Outcome, Pulse, Unknown
from tests.support.efforts import TODAY, activity, curve, days_ago, season

KNOWN = Pulse(50.0, 190.0, max_known=True)


def estimated(outcome: Outcome) -> Estimate:
    assert isinstance(outcome, Estimate), outcome
    return outcome


def unknown(outcome: Outcome) -> str:
    assert isinstance(outcome, Unknown), outcome
    return outcome.reason


def twenty_minutes(activity_id: int, days: int, watts: float, pulse: float) -> Activity:
    power = curve(watts, 1200, between=120.0)
    return activity(activity_id, days_ago(days), power=power, pulses={1200: pulse})


def test_twenty_minutes_that_a_second_ride_confirms_stand_in_for_a_fit() -> None:
    outcome = estimated(ftp([twenty_minutes(1, 5, 300, 170.0), twenty_minutes(2, 9, 286, 169.0)], TODAY, KNOWN))
    assert outcome.method == "best_20_minutes"
    assert outcome.value == pytest.approx(285)
    assert outcome.standard_error == pytest.approx(0.05 * 285)
    assert outcome.newest_on == days_ago(5)
    assert outcome.evidence["activities"] == [1, 2]
    assert "Critical power" in outcome.explanation


def test_twenty_minutes_fade_like_any_effort() -> None:
    outcome = estimated(ftp([twenty_minutes(1, 364, 300, 170.0), twenty_minutes(2, 364, 300, 170.0)], TODAY, KNOWN))
    assert outcome.value == pytest.approx(285 * (1 - 0.03 * 274 / 365))


@pytest.mark.parametrize(
    ("second_watts", "second_pulse"),
    [(284.9, 170.0), (300.0, 168.9), (300.0, float("nan"))],
    ids=["5 % weaker", "below 85 % of the reserve", "no heart rate"],
)
def test_twenty_minutes_without_a_second_witness_are_not_believed(second_watts: float, second_pulse: float) -> None:
    rides = [twenty_minutes(1, 5, 300, 169.0), twenty_minutes(2, 9, second_watts, second_pulse)]
    assert "Nor do two rides agree" in unknown(ftp(rides, TODAY, KNOWN))


def test_twenty_minutes_far_above_all_others_give_way_to_two_that_agree() -> None:
    rides = [
        twenty_minutes(1, 5, 390, 175.0),
        twenty_minutes(2, 6, 300, 175.0),
        twenty_minutes(3, 7, 295, 175.0),
    ]
    assert estimated(ftp(rides, TODAY, KNOWN)).value == pytest.approx(285)


def test_the_evidence_of_a_fit_can_be_written_as_json_and_holds_the_plain_line_beside_it() -> None:
    rides = [activity(best.activity_id, best.local_on, power=best.curve) for best in season()]
    outcome = estimated(ftp(rides, TODAY, KNOWN))
    evidence = json.loads(json.dumps(outcome.evidence))
    assert outcome.method == "critical_power"
    assert evidence["by_work"]["critical"] == pytest.approx(outcome.value, rel=0.005)
    assert evidence["reserve"] == pytest.approx(18_750, rel=0.01)
    assert evidence["heart_rate_share"] is None
    assert len(outcome.without) == 4


def test_power_of_another_sport_and_speed_of_a_walk_do_not_count() -> None:
    rowed = [activity(one.activity_id, one.local_on, family="other", power=one.curve) for one in season()]
    assert "no activity" in unknown(ftp(rowed, TODAY, KNOWN))
    walked = [activity(one.activity_id, one.local_on, family="walk", graded=one.curve) for one in season(0.016)]
    assert "no activity" in unknown(critical_speed(walked, TODAY, KNOWN))
    ran = [replace(one, family="run") for one in walked]
    outcome = estimated(critical_speed(ran, TODAY, KNOWN))
    assert (outcome.kind, outcome.method) == (Kind.CRITICAL_SPEED, "critical_speed")
    assert outcome.value == pytest.approx(4.0, rel=0.01)
    assert outcome.explanation.startswith("Critical speed is 4.0")


def swim(activity_id: int, days: int, seconds_200: float, seconds_400: float) -> Activity:
    return activity(activity_id, days_ago(days), family="swim", swim={200: seconds_200, 400: seconds_400})


def test_critical_swim_speed_is_what_the_second_200_m_take() -> None:
    outcome = estimated(critical_swim_speed([swim(1, 5, 160, 335), swim(2, 30, 161, 337)], TODAY))
    assert outcome.value == pytest.approx(200 / 175)
    assert outcome.standard_error == pytest.approx(200 / 175 * (0.02**2 + (175 / 176 - 1) ** 2) ** 0.5, rel=1e-6)
    assert outcome.newest_on == days_ago(5)
    assert outcome.evidence["reserve_m"] == pytest.approx(200 - 160 * 200 / 175)


def test_a_swim_whose_position_jumped_waits_for_a_second_one() -> None:
    swims = [swim(1, 5, 160, 335), swim(2, 30, 161, 337), swim(3, 2, 100, 220)]
    outcome = estimated(critical_swim_speed(swims, TODAY))
    assert outcome.value == pytest.approx(200 / 175)
    assert outcome.evidence["set_aside"] == [3]


def test_one_swim_alone_or_one_without_400_m_tells_nothing() -> None:
    assert "two swims" in unknown(critical_swim_speed([swim(1, 5, 160, 335)], TODAY))
    short = activity(2, days_ago(3), family="swim", swim={200: 150.0})
    assert "two swims" in unknown(critical_swim_speed([swim(1, 5, 160, 335), short], TODAY))
    assert "two swims" in unknown(critical_swim_speed([swim(1, 400, 160, 335), swim(2, 380, 160, 335)], TODAY))


def test_even_lengths_without_a_fast_200_m_are_not_credible() -> None:
    even = [swim(number, number, 170.0, 340.5) for number in (1, 2)]
    assert "hardly all out" in unknown(critical_swim_speed(even, TODAY))

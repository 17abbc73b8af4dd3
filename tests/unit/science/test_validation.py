"""What is inconsistent is said, and what is not is left in peace."""

from __future__ import annotations

import pytest

from daemon.science.evidence import Kind
from daemon.science.validation import validate
from tests.support.efforts import TODAY, activity, curve, days_ago

SOUND = {
    Kind.FTP: 250.0,
    Kind.CRITICAL_SPEED: 4.0,
    Kind.CRITICAL_SWIM_SPEED: 1.2,
    Kind.LTHR: 168.0,
    Kind.MAX_HR: 188.0,
    Kind.RESTING_HR: 50.0,
}


def test_sound_values_are_left_in_peace() -> None:
    hour = activity(1, days_ago(5), power=curve(262.0, 3600, between=100.0), heart=170.0)
    assert validate([hour], SOUND, TODAY) == ()
    assert validate([], {}, TODAY) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({Kind.LTHR: 188.0}, "lthr (188 bpm) is not below max_hr (188 bpm)."),
        ({Kind.RESTING_HR: 105.0, Kind.LTHR: 100.0}, "resting_hr (105 bpm) is not below lthr (100 bpm)."),
        ({Kind.LTHR: 140.0}, "lthr lies at 65% of the heart rate reserve; 70% to 97% are usual."),
        ({Kind.LTHR: 185.0}, "lthr lies at 98% of the heart rate reserve; 70% to 97% are usual."),
        ({Kind.FTP: 25.0}, "ftp is 25, and 50 to 550 are seen."),
        ({Kind.CRITICAL_SPEED: 14.4}, "critical_speed is 14.4, and 1.5 to 7 are seen."),
    ],
)
def test_values_that_cannot_all_be_true_are_named(changes: dict[Kind, float], said: str) -> None:
    (found,) = validate([], {**SOUND, **changes}, TODAY)
    assert found.sentence == said


def test_an_hour_above_threshold_disproves_it() -> None:
    ride = activity(1, days_ago(89), power=curve(263.0, 3600, between=100.0))
    run = activity(2, days_ago(5), family="run", graded=curve(4.3, 3600, between=2.0))
    found = validate([ride, run], SOUND, TODAY)
    assert [one.kinds for one in found] == [(Kind.FTP,), (Kind.CRITICAL_SPEED,)]
    assert found[0].sentence == f"ftp is 250 W, and 263 W were held for an hour on {days_ago(89)}."
    assert validate([activity(1, days_ago(90), power=ride.power_curve)], SOUND, TODAY) == ()


def test_a_confirmed_heart_rate_above_the_maximum_disproves_it() -> None:
    def beating(number: int, bpm: float) -> object:
        return activity(number, days_ago(number), heart=bpm)

    (found,) = validate([beating(1, 193.5), beating(2, 194.0)], SOUND, TODAY)  # type: ignore[list-item]
    assert found.sentence.startswith("max_hr is 188 bpm. The highest heart rate is 194 bpm")
    assert validate([beating(1, 193.0), beating(2, 193.0)], SOUND, TODAY) == ()  # type: ignore[list-item]
    assert validate([beating(1, 199.0)], SOUND, TODAY) == ()  # type: ignore[list-item]

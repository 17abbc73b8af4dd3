"""Some of the sandbox's athletes after a year: what is told from stored statistics, against what is true.

`python -m bench.thresholds` does the same with 200 of them.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from daemon.science.critical import LARGEST_ERROR
from daemon.science.effort_thresholds import ftp
from daemon.science.evidence import Activity, Estimate, Kind, Pulse, Unknown, at_duration
from daemon.science.thresholds import Occasion, Row, look
from tests.support.lived_years import TODAY, LivedYear, Town

SEED, NUMBERS = 5, 60


@functools.cache
def town() -> Town:
    return Town(SEED, NUMBERS)


def year_of(profile: str, place: int, *, goes_hard: bool = True) -> LivedYear:
    """Live the year of the n-th athlete of a profile who goes all out, or never does."""
    numbers = [
        number
        for number, habits in town().habits()
        if habits.profile == profile and habits.goes_hard == goes_hard and habits.has_strap
    ]
    return town().live(numbers[place])


def decide(year: LivedYear) -> dict[Kind, Row]:
    """Return what is written after a first look; what is refused is missing."""
    decisions = look(year.activities, {}, Occasion.WEEKLY, TODAY, None)
    return {one.kind: one for one in decisions if isinstance(one, Row)}


def assert_right(decision: Row, true: float) -> None:
    assert decision.standard_error <= LARGEST_ERROR * decision.value
    assert abs(decision.value - true) <= max(0.03 * true, 2 * decision.standard_error)


@pytest.mark.parametrize(("profile", "place"), [("cyclist", 0), ("runner", 0), ("triathlete", 0)])
def test_after_a_year_the_thresholds_are_those_that_the_activities_were_drawn_from(
    profile: str, place: int
) -> None:
    year = year_of(profile, place)
    decisions = decide(year)
    if year.shows_power:
        assert_right(decisions[Kind.FTP], year.truth.critical_power)
        assert decisions[Kind.FTP].evidence["reserve"] == pytest.approx(year.truth.w_prime, rel=0.15)
        assert_little_moves(year.activities)
    if year.shows_speed:
        assert_right(decisions[Kind.CRITICAL_SPEED], year.truth.critical_speed)
    assert decisions[Kind.LTHR].value == pytest.approx(year.truth.threshold_bpm, abs=3)
    assert decisions[Kind.LTHR].method == "half_hours_at_threshold"


def assert_little_moves(activities: tuple[Activity, ...]) -> None:
    """Neither order nor the easiest ride moves FTP at all; one corrupt ride by 8 %, or nothing new is told."""
    pulse = Pulse(max_bpm=190.0)
    whole = ftp(activities, TODAY, pulse)
    assert isinstance(whole, Estimate)
    assert ftp(activities[::-1], TODAY, pulse) == whole

    def strength(ride: Activity) -> float:
        return at_duration(ride.power_curve, 600) or 0.0

    ranked = sorted((one for one in activities if one.power_curve is not None), key=strength)
    assert ftp([one for one in activities if one is not ranked[0]], TODAY, pulse) == whole
    for ride in ranked[-6:]:
        assert ride.power_curve is not None
        corrupt = replace(ride, power_curve=1.3 * ride.power_curve)
        moved = ftp([corrupt if one is ride else one for one in activities], TODAY, pulse)
        assert isinstance(moved, Unknown) or moved.value == pytest.approx(whole.value, rel=0.08)


def test_one_who_never_goes_all_out_is_not_told_a_critical_speed() -> None:
    assert Kind.CRITICAL_SPEED not in decide(year_of("cyclist", 0, goes_hard=False))

"""Critical power and speed: published tables, an athlete whose curve is known, and what must not move it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import critical
from daemon.science.critical import Bests, Critical, Refused, fit
from daemon.science.critical_models import POWER, SPEED
from daemon.science.curves import DURATIONS
from tests.support.efforts import CRITICAL_WATTS, TODAY, W_PRIME_JOULES, curve, days_ago, held, season

EASY = Bests(1, days_ago(1), curve(150.0, 5400, between=150.0))


def fitted(bests: list[Bests]) -> Critical:
    result = fit(bests, TODAY, POWER)
    assert isinstance(result, Critical), result
    return result


def refused(bests: list[Bests]) -> str:
    result = fit(bests, TODAY, POWER)
    assert isinstance(result, Refused), result
    return result.reason


def test_vanhatalos_table_gives_the_published_values() -> None:
    seconds = np.array([160, 205, 260, 430, 685], dtype=np.float64)
    watts = np.array([453, 430, 405, 375, 360], dtype=np.float64)
    work = critical.by_work(seconds, watts)
    assert work.critical == pytest.approx(330.90, abs=0.005)
    assert work.reserve == pytest.approx(19_604, abs=0.5)
    inverse = critical.by_inverse_time(seconds, watts)
    assert inverse.critical == pytest.approx(330.10, abs=0.005)
    assert inverse.reserve == pytest.approx(19_857, abs=0.5)


def test_moritanis_table_gives_the_published_values() -> None:
    work = critical.by_work(np.array([1.7, 2.2, 3.1, 4.0]), np.array([400.0, 350, 300, 275]))
    assert work.critical == pytest.approx(182.2, abs=0.05)
    assert work.reserve == pytest.approx(368.9, abs=0.05)  # watt minutes


@given(st.floats(50, 500), st.floats(1_000, 40_000))
def test_points_on_a_line_give_that_line_both_ways(watts: float, joules: float) -> None:
    seconds = np.array([180.0, 300, 720, 1200])
    for line in (
        critical.by_work(seconds, watts + joules / seconds),
        critical.by_inverse_time(seconds, watts + joules / seconds),
    ):
        assert line.critical == pytest.approx(watts, rel=1e-6)
        assert line.reserve == pytest.approx(joules, rel=1e-6)


def test_tests_on_the_curve_give_the_curve_back() -> None:
    result = fitted(season())
    assert result.line.critical == pytest.approx(CRITICAL_WATTS, rel=0.001)
    assert result.line.reserve == pytest.approx(W_PRIME_JOULES, rel=0.01)
    assert {180, 300, 720, 1200} <= {point.seconds for point in result.points}
    assert result.critical_error == pytest.approx(0.02 * CRITICAL_WATTS, rel=0.05)
    assert result.newest_on == days_ago(5)
    assert set(result.supports) == {180, 300, 720, 1200}
    assert "Critical power is 250 ± 5 W and W′ 18769 J" in result.explanation


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 3.0))
def test_power_scales_critical_power_reserve_and_errors(scale: float) -> None:
    plain, scaled = fitted(season()), fitted(season(scale))
    assert scaled.line.critical == pytest.approx(scale * plain.line.critical, rel=1e-9)
    assert scaled.line.reserve == pytest.approx(scale * plain.line.reserve, rel=1e-6)
    assert scaled.critical_error == pytest.approx(scale * plain.critical_error, rel=1e-6)
    assert scaled.supports == plain.supports


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 3.0))
def test_speed_scales_critical_speed_and_reserve_although_there_is_a_prior(scale: float) -> None:
    plain, scaled = fit(season(), TODAY, SPEED), fit(season(scale), TODAY, SPEED)
    assert isinstance(plain, Critical)
    assert isinstance(scaled, Critical)
    assert scaled.line.critical == pytest.approx(scale * plain.line.critical, rel=1e-9)
    assert scaled.line.reserve == pytest.approx(scale * plain.line.reserve, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_activities_does_not_matter(chance: random.Random) -> None:
    mixed = [*season(), EASY]
    chance.shuffle(mixed)
    assert fitted(mixed) == fitted([*season(), EASY])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 364), st.floats(30.0, 200.0), st.integers(60, 20_000))
def test_an_easy_ride_changes_nothing(age_days: int, watts: float, length: int) -> None:
    easy = Bests(7, days_ago(age_days), curve(watts, length, between=watts, length=length))
    assert fitted([*season(), easy]) == fitted(season())


@pytest.mark.parametrize("local_on", [days_ago(365), days_ago(-1)])
def test_what_is_older_than_a_year_or_not_yet_ridden_does_not_count(local_on) -> None:  # type: ignore[no-untyped-def]
    outside = [replace(one, activity_id=one.activity_id + 50, local_on=local_on) for one in season(1.2)]
    assert fitted([*season(), *outside]) == fitted(season())
    assert "no activity" in refused(outside)


def test_an_effort_fades_after_ninety_days_by_three_percent_a_year() -> None:
    assert critical.still_counts(TODAY, TODAY) == 1
    assert critical.still_counts(days_ago(90), TODAY) == 1
    assert critical.still_counts(days_ago(91), TODAY) == pytest.approx(1 - 0.03 / 365)
    assert critical.still_counts(days_ago(364), TODAY) == pytest.approx(1 - 0.03 * 274 / 365)
    later = TODAY + timedelta(days=180)
    result = fit(season(), later, POWER)
    assert isinstance(result, Critical)
    assert result.line.critical == pytest.approx(CRITICAL_WATTS * (1 - 0.03 * 95 / 365), rel=0.001)


@pytest.mark.parametrize("which", range(12))
@pytest.mark.parametrize("factor", [1.1, 1.3, 2.0])
def test_one_corrupt_ride_hardly_moves_anything(which: int, factor: float) -> None:
    bests = season()
    bests[which] = replace(bests[which], curve=bests[which].curve * factor)
    result = fitted(bests)
    assert result.line.critical == pytest.approx(CRITICAL_WATTS, rel=0.05)


def test_what_was_set_aside_waits_until_a_second_activity_agrees() -> None:
    first = Bests(9_001, days_ago(3), 1.25 * curve(held(1200), 1200, between=140.0))
    alone = fitted([*season(), first])
    assert [one.activity_id for one in alone.set_aside] == [9_001]
    assert alone.set_aside[0].moved is not None
    assert alone.set_aside[0].moved > 0.05
    assert alone.line == fitted(season()).line
    assert "Set aside until a second activity agrees: 1." in alone.explanation


def test_a_leap_counts_once_a_second_activity_agrees_and_a_third_tells_how_sure_it_is() -> None:
    def leap(number: int) -> Bests:
        return Bests(9_000 + number, days_ago(number), 1.2 * np.array([held(int(t)) for t in DURATIONS[:150]]))

    alone = fitted([*season(), leap(1)])
    assert [one.activity_id for one in alone.set_aside] == [9_001]
    assert alone.line.critical == pytest.approx(CRITICAL_WATTS, rel=0.001)
    agreed = fit([*season(), leap(1), leap(2)], TODAY, POWER)
    assert isinstance(agreed, Refused)
    assert agreed.set_aside == ()
    assert "nobody can tell how sure" in agreed.reason
    slower = [replace(leap(number), curve=leap(number).curve * (1 - 0.004 * number)) for number in (1, 2)]
    told = fitted([*season(), *slower, Bests(9_003, TODAY, 1.2 * curve(held(240), 240, between=140.0))])
    assert told.set_aside == ()
    assert told.line.critical > 1.15 * CRITICAL_WATTS


def test_a_bicycle_taken_for_a_run_is_set_aside() -> None:
    runs = season(0.016)  # an athlete of 4 m/s
    ride = Bests(9_001, days_ago(2), np.full(DURATIONS.size, 8.5))
    result = fit([*runs, ride], TODAY, SPEED)
    assert isinstance(result, Critical)
    assert [one.activity_id for one in result.set_aside] == [9_001]
    assert result.line.critical == pytest.approx(4.0, rel=0.01)


def test_nothing_gives_nothing() -> None:
    assert "no activity" in refused([])
    assert "no activity" in refused([Bests(1, TODAY, np.full(60, 300.0))])
    assert "no activity" in refused([Bests(1, TODAY, np.full(200, np.nan))])


def test_short_efforts_alone_do_not_tell_what_can_be_held() -> None:
    short = [replace(one, curve=one.curve[DURATIONS[: one.curve.size] < 600]) for one in season()]
    assert "180 to 581 s" in refused(short)


def test_two_activities_do_not_tell_how_sure_it_is() -> None:
    twice = [
        Bests(turn, days_ago(turn), np.array([held(int(seconds)) for seconds in DURATIONS[:150]]))
        for turn in range(1, 3)
    ]
    assert "nobody can tell how sure" in refused(twice)


def test_a_year_without_a_short_effort_all_out_is_not_credible() -> None:
    never_hard = [
        Bests(10 * turn + place, days_ago(8 * turn + place), curve(level * 250, seconds, between=140.0))
        for turn in range(6)
        for place, (level, seconds) in enumerate([(1.06, 200), (0.97, 600), (0.94, 900), (0.94, 1200)])
    ]
    assert "hardly all out" in refused(never_hard)
    level = [Bests(turn, days_ago(turn), np.full(DURATIONS.size, 200.0)) for turn in range(5)]
    assert isinstance(fit(level, TODAY, POWER), Refused)


def test_efforts_that_contradict_each_other_are_refused() -> None:
    wild = [
        Bests(turn, days_ago(turn), curve(held(1200) * 1.15**turn, 1200, between=100.0)) for turn in range(1, 7)
    ]
    assert "contradict" in refused(wild)


def test_the_error_grows_with_what_single_activities_change() -> None:
    steady = fitted(season()).critical_error
    one_round = fitted(
        [*season(0.97, rounds=1), *(replace(one, activity_id=one.activity_id + 900) for one in season(0.93))]
    )
    assert one_round.critical_error > steady
    assert one_round.critical_error <= 0.05 * one_round.line.critical


def test_without_tells_what_each_activity_is_worth() -> None:
    result = fitted(season())
    for activity_id, value in result.without.items():
        left = [one for one in season() if one.activity_id != activity_id]
        assert value == pytest.approx(fitted(left).line.critical, rel=1e-9)

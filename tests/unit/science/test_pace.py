"""Grade and its two models, against the numbers that were published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.science import pace


@pytest.mark.parametrize(
    ("grade", "cost", "measured", "spread"),
    [(0.0, 3.60, 3.40, 0.24), (0.45, 19.43, 18.93, 1.74), (-0.20, 1.80, 1.73, 0.36), (-0.45, 4.03, 3.92, 0.81)],
)
def test_minettis_polynomial_gives_its_published_values_within_what_was_measured(
    grade: float, cost: float, measured: float, spread: float
) -> None:
    (ours,) = pace.minetti_cost(np.array([grade]))
    assert ours == pytest.approx(cost, abs=0.005)
    assert abs(ours - measured) < spread


@pytest.mark.parametrize(
    ("percent", "factor"),
    [(-45, 2.096), (-20, 1.081), (-10, 0.876), (-9, 0.876), (0, 1.0), (4, 1.135), (5, 1.1815), (45, 4.286)],
)
def test_stravas_factors_are_those_of_its_table_and_linear_between(percent: float, factor: float) -> None:
    assert pace.strava_factor(np.array([percent / 100])) == pytest.approx([factor])


def test_flat_ground_is_not_adjusted_by_either_model() -> None:
    assert pace.minetti_factor(np.zeros(1)) == pytest.approx([1.0])
    assert pace.strava_factor(np.zeros(1)) == pytest.approx([1.0])


@given(st.floats(-0.45, 0.45))
def test_no_grade_makes_a_moving_athlete_stand_still(grade: float) -> None:
    assert pace.minetti_factor(np.array([grade]))[0] > 0.4
    assert pace.strava_factor(np.array([grade]))[0] > 0.8


def test_an_unknown_grade_leaves_the_factor_unknown() -> None:
    assert np.isnan(pace.minetti_factor(np.array([np.nan]))).all()
    assert np.isnan(pace.strava_factor(np.array([np.nan]))).all()


def test_an_even_slope_has_its_grade_everywhere_also_at_both_ends() -> None:
    distance = np.arange(0, 600, 3.0)
    assert pace.grades(distance, 100 + 0.06 * distance) == pytest.approx(np.full(distance.size, 0.06))


def test_the_window_is_fifty_metres_centred_on_the_second() -> None:
    distance = np.arange(0, 201, 1.0)
    step = np.where(distance > 100, 5.0, 0.0)
    grade = pace.grades(distance, step)
    assert np.flatnonzero(grade > 0).min() == 76
    assert np.flatnonzero(grade > 0).max() == 125
    assert grade[100] == pytest.approx(5.0 / 50)


def test_a_cliff_is_clamped() -> None:
    distance = np.arange(0, 201, 1.0)
    assert pace.grades(distance, 10 * distance).max() == 0.45
    assert pace.grades(distance, -10 * distance).min() == -0.45


def test_standing_still_keeps_the_grade_of_the_place() -> None:
    distance = np.concatenate([np.arange(0, 100, 2.0), np.full(300, 100.0), np.arange(100, 200, 2.0)])
    grade = pace.grades(distance, 0.1 * distance)
    assert grade == pytest.approx(np.full(distance.size, 0.1))


def test_where_altitude_is_unknown_the_grade_is_unknown() -> None:
    distance = np.arange(0, 600, 3.0)
    altitude = 0.02 * distance
    altitude[50:80] = np.nan
    grade = pace.grades(distance, altitude)
    assert np.isnan(grade[50:80]).all()
    assert not np.isnan(np.delete(grade, np.arange(50, 80))).any()


def test_an_activity_of_a_few_metres_has_no_grade() -> None:
    assert np.isnan(pace.grades(np.arange(0, 20, 1.0), np.arange(0, 20, 1.0))).all()
    assert np.isnan(pace.grades(np.full(5, np.nan), np.zeros(5))).all()

"""The band around a fitted line: the line lies in it, it follows from the errors, nothing is claimed for free."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import critical
from daemon.science.critical import Critical, Line, fit
from daemon.science.critical_band import BandPoint, Fitted, band, fitted_of
from daemon.science.critical_models import POWER
from daemon.science.effort_thresholds import ftp
from daemon.science.evidence import Estimate, Pulse
from tests.support.efforts import TODAY, activity, season

SECONDS = POWER.durations.tolist()
ERRORS = st.floats(0.0, 40.0)
FITTED = st.builds(
    lambda watts, joules, error, spread, correlation: Fitted(
        Line(watts, joules), error, 300 * spread, correlation * error * 300 * spread
    ),
    st.floats(50, 500),
    st.floats(1_000, 40_000),
    ERRORS,
    ERRORS,
    st.floats(-1, 1),
)


@given(FITTED)
@settings(max_examples=100, deadline=None)
def test_the_line_lies_in_its_band_falls_with_time_and_nothing_is_below_0(fitted: Fitted) -> None:
    points = band(fitted, SECONDS)
    assert [point.seconds for point in points] == SECONDS
    for point in points:
        assert 0 <= point.low <= point.value <= point.high
        assert point.value == pytest.approx(fitted.line.critical + fitted.line.reserve / point.seconds)
    values = [point.value for point in points]
    assert values == sorted(values, reverse=True)


@given(FITTED)
@settings(max_examples=100, deadline=None)
def test_without_the_covariance_the_band_is_the_widest_that_any_covariance_gives(fitted: Fitted) -> None:
    for known, careful in zip(band(fitted, SECONDS), band(replace(fitted, covariance=None), SECONDS), strict=True):
        assert careful.high >= known.high - 1e-9
        assert careful.low <= known.low + 1e-9


def test_errors_that_vary_together_add_and_errors_that_vary_against_each_other_cancel() -> None:
    line = Line(250.0, 18_000.0)

    def width(covariance: float | None) -> float:
        (point,) = band(Fitted(line, 5.0, 1_500.0, covariance), [300])
        return point.high - point.value

    assert width(7_500.0) == pytest.approx(2 * (5 + 5))
    assert width(None) == pytest.approx(2 * (5 + 5))
    assert width(0.0) == pytest.approx(2 * math.hypot(5, 5))
    assert width(-7_500.0) == pytest.approx(0.0, abs=1e-6)


def test_a_fit_knows_how_its_errors_vary_together_and_that_narrows_the_band() -> None:
    bests = season(rounds=3)
    rng = np.random.default_rng(7)
    noisy = [replace(one, curve=one.curve * rng.normal(1.0, 0.01)) for one in bests]
    result = fit(noisy, TODAY, POWER)
    assert isinstance(result, Critical)
    without_field_error = math.sqrt(result.critical_error**2 - (critical.FIELD_ERROR * result.line.critical) ** 2)
    assert -without_field_error * result.reserve_error <= result.covariance < 0
    told = Fitted(result.line, result.critical_error, result.reserve_error, result.covariance)
    careful = replace(told, covariance=None)
    ((near,), (wide,)) = band(told, [300]), band(careful, [300])
    assert near.high - near.low < 0.8 * (wide.high - wide.low)


def test_a_stored_row_is_read_back_as_it_was_fitted_and_one_of_before_the_covariance_is_too() -> None:
    rides = [activity(one.activity_id, one.local_on, power=one.curve) for one in season()]
    told = ftp(rides, TODAY, Pulse())
    assert isinstance(told, Estimate)
    fitted = fitted_of(told.value, told.standard_error, told.evidence)
    assert fitted is not None
    assert fitted.line == Line(told.value, told.evidence["reserve"])  # type: ignore[arg-type]
    assert fitted.covariance == told.evidence["covariance"]
    older = {name: value for name, value in told.evidence.items() if name != "covariance"}
    assert fitted_of(told.value, told.standard_error, older) == replace(fitted, covariance=None)


@pytest.mark.parametrize("evidence", [{}, {"source": "admin API"}, {"reserve": 18_000.0}, {"reserve_error": 900.0}])
def test_a_value_that_no_line_told_has_no_band(evidence: dict[str, object]) -> None:
    assert fitted_of(250.0, 5.0, evidence) is None
    assert fitted_of(250.0, None, {"reserve": 18_000.0, "reserve_error": 900.0}) is None


def test_a_line_that_falls_below_0_is_cut_there() -> None:
    assert band(Fitted(Line(-10.0, 100.0), 1.0, 1.0, 0.0), [1000]) == (BandPoint(1000, 0.0, 0.0, 0.0),)

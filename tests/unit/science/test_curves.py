"""Mean-maximal curves against a computation by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import curves
from daemon.science.arrays import FloatArray

watts_or_unknown = st.lists(st.none() | st.integers(0, 2500), min_size=1, max_size=150)


def as_array(values: list[int | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def test_the_grid_has_every_second_to_a_minute_the_anchors_and_six_hours() -> None:
    durations = curves.DURATIONS.tolist()
    assert durations[:60] == list(range(1, 61))
    assert durations[-1] == 21_600
    anchors = [*range(120, 601, 30), *range(660, 1201, 60), *range(1320, 1801, 120)]
    anchors += [1500, 2400, 3600, 5400, 7200, 10_800, 14_400]
    assert set(anchors) <= set(durations)
    assert set(curves.HEART_RATE_WINDOWS.tolist()) <= set(durations)
    assert durations == sorted(set(durations))
    assert len(durations) == 237


def test_neighbouring_long_durations_are_close_together() -> None:
    ratios = curves.DURATIONS[1:] / curves.DURATIONS[:-1]
    assert ratios[60:].max() < 1.06


@settings(max_examples=60, deadline=None)
@given(watts_or_unknown)
def test_every_point_equals_the_best_window_found_by_trying_them_all(values: list[int | None]) -> None:
    zeros = [value or 0 for value in values]
    by_hand = [
        max(sum(zeros[start : start + span]) for start in range(len(zeros) - span + 1)) / span
        for span in curves.DURATIONS.tolist()
        if span <= len(zeros)
    ]
    curve = curves.mean_maximal(curves.prefix_sums(as_array(values)))
    assert curve.tolist() == by_hand


@settings(max_examples=60, deadline=None)
@given(watts_or_unknown)
def test_a_longer_effort_never_holds_less_work(values: list[int | None]) -> None:
    curve = curves.mean_maximal(curves.prefix_sums(as_array(values)))
    work = curve * curves.DURATIONS[: curve.size]
    assert (np.diff(work) >= -1e-6).all()


def test_a_curve_ends_at_the_activitys_length() -> None:
    assert curves.mean_maximal(curves.prefix_sums(np.full(59, 200.0))).size == 59
    hour = curves.mean_maximal(curves.prefix_sums(np.full(3600, 200.0)))
    assert curves.DURATIONS[hour.size - 1] == 3600
    assert (hour == 200.0).all()


def test_nothing_lies_beyond_six_hours() -> None:
    assert curves.mean_maximal(curves.prefix_sums(np.full(30_000, 1.0))).size == curves.DURATIONS.size


def test_fractions_do_not_leave_a_mean_below_zero() -> None:
    values = np.concatenate([np.full(5000, 0.1 + 0.2), np.zeros(5000)])
    assert (curves.mean_maximal(curves.prefix_sums(values)) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(watts_or_unknown, st.integers(1, 160))
def test_the_best_window_starts_where_its_sum_is_first_the_highest(values: list[int | None], span: int) -> None:
    zeros = [value or 0 for value in values]
    totals = [sum(zeros[start : start + span]) for start in range(len(zeros) - span + 1)]
    (start,) = curves.best_starts(curves.prefix_sums(as_array(values)), np.array([span]))
    assert start == (totals.index(max(totals)) if totals else None)


def test_the_mean_in_a_window_leaves_unknown_seconds_out() -> None:
    pulse = np.array([100.0] * 5 + [150.0] * 8 + [np.nan] * 2 + [100.0] * 5)
    (mean,) = curves.means_within(pulse, [5], np.array([10]))
    assert mean == 150.0


def test_a_window_of_which_less_than_80_percent_is_known_has_no_mean() -> None:
    pulse = np.array([150.0] * 7 + [np.nan] * 3)
    assert np.isnan(curves.means_within(pulse, [0], np.array([10]))).all()
    assert np.isnan(curves.means_within(pulse, [None], np.array([3600]))).all()

"""Normalizing and power's training stress."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import power
from daemon.science.arrays import BoolArray, FloatArray


def normalized(values: FloatArray, paused: BoolArray | None = None) -> float | None:
    sums = power.fourth_powers(values, np.zeros(values.size, dtype=np.bool_) if paused is None else paused)
    return sums.normalized


def test_steady_power_is_its_own_normalized_power() -> None:
    assert normalized(np.full(3600, 250.0)) == pytest.approx(250.0)


def test_the_first_fourteen_seconds_have_no_rolling_mean() -> None:
    sums = power.fourth_powers(np.full(100, 200.0), np.zeros(100, dtype=np.bool_))
    assert sums.count == 86
    assert normalized(np.full(14, 200.0)) is None
    assert normalized(np.full(15, 200.0)) == pytest.approx(200.0)


def test_an_unknown_second_is_left_out_and_a_paused_one_counts_as_zero() -> None:
    values = np.full(100, 200.0)
    values[40:50] = np.nan
    paused = np.zeros(100, dtype=np.bool_)
    assert normalized(values, paused) == pytest.approx(200.0)
    paused[40:50] = True
    sums = power.fourth_powers(values, paused)
    assert sums.count == 76
    assert sums.normalized is not None
    assert sums.normalized < 200.0


def test_a_window_with_fewer_than_fifteen_known_seconds_is_not_counted() -> None:
    values = np.full(200, 200.0)
    values[60:120] = np.nan
    sums = power.fourth_powers(values, np.zeros(200, dtype=np.bool_))
    # The window ending at second 74 knows 15 seconds, the one at 75 knows 14; from 134 on there are 15 again.
    assert sums.count == (75 - 14) + (200 - 134)


def by_hand(values: list[int | None], paused: list[bool]) -> tuple[float, int]:
    total, count = 0.0, 0
    for second in range(len(values)):
        window = range(max(0, second - 29), second + 1)
        seen = [0 if paused[i] else values[i] for i in window]
        known = [value for value in seen if value is not None]
        if len(known) >= 15 and not paused[second]:
            total += (sum(known) / len(known)) ** 4
            count += 1
    return total, count


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 2500), st.booleans()), min_size=1, max_size=120))
def test_the_sums_equal_those_by_hand(seconds: list[tuple[int | None, bool]]) -> None:
    values = [None if stopped else value for value, stopped in seconds]
    paused = [stopped for _, stopped in seconds]
    sums = power.fourth_powers(
        np.array([np.nan if value is None else value for value in values], dtype=np.float64),
        np.array(paused, dtype=np.bool_),
    )
    total, count = by_hand(values, paused)
    assert sums.count == count
    assert sums.total == pytest.approx(total, rel=1e-9, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 500)), min_size=15, max_size=200),
    st.sets(st.integers(0, 199), max_size=60),
)
def test_harder_is_never_less(seconds: list[tuple[int, int]], unknown: set[int]) -> None:
    easier = np.array([watts for watts, _ in seconds], dtype=np.float64)
    harder = easier + np.array([more for _, more in seconds], dtype=np.float64)
    for second in unknown:
        if second < easier.size:
            easier[second] = harder[second] = np.nan
    easier_watts, harder_watts = normalized(easier), normalized(harder)
    if easier_watts is None or harder_watts is None:
        assert easier_watts is harder_watts
    else:
        assert harder_watts >= easier_watts * (1 - 1e-12)


def test_an_hour_at_ftp_is_one_hundred() -> None:
    assert power.training_stress(280.0, 3600, 280.0) == pytest.approx(100.0)
    assert power.training_stress(280.0, 1800, 280.0) == pytest.approx(50.0)


@given(st.floats(50, 500), st.integers(60, 36_000), st.floats(100, 500), st.floats(0.5, 2))
def test_ftp_scales_the_stress_by_the_inverse_square(watts: float, seconds: int, ftp: float, scale: float) -> None:
    scaled = power.training_stress(watts, seconds, ftp * scale)
    assert scaled == pytest.approx(power.training_stress(watts, seconds, ftp) / scale**2)


def test_the_whole_is_at_least_99_percent_of_its_parts_where_each_lasts_twenty_minutes() -> None:
    def stress(watts: FloatArray) -> float:
        return power.training_stress(normalized(watts) or 0.0, watts.size, 250.0)

    for seed in range(200):
        chance = np.random.default_rng(seed)
        levels = chance.choice([0, 100, 150, 200, 250, 300, 400, 600], size=200)
        ride = np.repeat(levels, chance.integers(10, 300, size=200))[:3000].astype(np.float64)
        cut = int(chance.integers(1200, 1801))
        assert stress(ride) >= 0.99 * (stress(ride[:cut]) + stress(ride[cut:]))

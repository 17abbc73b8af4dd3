"""Fitness, fatigue and form: the recursion, its constants, and a partial computation against a whole one."""

from __future__ import annotations

import itertools
import math
import random
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.fitness import ATL_FACTOR, CTL_FACTOR, Basis, DayLoad, Fitness, follow

FIRST = date(2025, 1, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def even(load: float, days: int) -> list[DayLoad]:
    return [DayLoad(day(number), load, load) for number in range(days)]


def test_the_factors_are_those_of_42_and_7_days() -> None:
    assert pytest.approx(0.023528, abs=5e-7) == CTL_FACTOR
    assert pytest.approx(0.133122, abs=5e-7) == ATL_FACTOR


def test_after_one_time_constant_63_percent_of_an_even_load_are_reached() -> None:
    days = follow(even(100, 42), Basis.RAW, FIRST, day(41), None)
    assert days[6].atl == pytest.approx(100 * (1 - math.exp(-1)))
    assert days[41].ctl == pytest.approx(100 * (1 - math.exp(-1)))


def test_after_ninety_days_of_rest_a_ninth_of_the_fitness_is_left() -> None:
    fit = Fitness(on=day(-1), load=0, ctl=80, atl=60, tsb=0)
    last = follow([], Basis.RAW, FIRST, day(89), fit)[-1]
    assert last.ctl / 80 == pytest.approx(0.117, abs=0.0005)


def test_form_is_what_yesterday_left() -> None:
    days = follow(even(70, 30), Basis.RAW, FIRST, day(29), None)
    assert days[0].tsb == 0
    for yesterday, today in itertools.pairwise(days):
        assert today.tsb == yesterday.ctl - yesterday.atl


def test_every_day_has_its_row_also_the_days_of_rest() -> None:
    days = follow([DayLoad(day(3), 50, 50)], Basis.RAW, FIRST, day(9), None)
    assert [state.on for state in days] == [day(number) for number in range(10)]
    assert [state.load for state in days] == [0, 0, 0, 50, 0, 0, 0, 0, 0, 0]


def test_several_activities_of_a_day_count_together_in_any_order() -> None:
    loads = [DayLoad(day(0), load, load) for load in (0.1, 0.2, 0.3, 1e-9, 70.7)]
    states = set()
    for seed in range(10):
        random.Random(seed).shuffle(loads)
        states.add(follow(loads, Basis.RAW, FIRST, day(5), None)[-1])
    assert len(states) == 1


def test_the_basis_decides_whether_wellness_is_in_it() -> None:
    loads = [DayLoad(day(0), 100, 108)]
    assert follow(loads, Basis.RAW, FIRST, FIRST, None)[0].load == 100
    assert follow(loads, Basis.UTL, FIRST, FIRST, None)[0].load == 108


day_loads = st.lists(
    st.builds(DayLoad, st.integers(0, 200).map(day), st.floats(0, 500), st.floats(0, 500)), max_size=150
)


@settings(max_examples=50, deadline=None)
@given(day_loads, st.integers(1, 200), st.sampled_from(Basis))
def test_a_partial_computation_from_a_stored_day_ends_exactly_where_the_whole_one_does(
    loads: list[DayLoad], from_day: int, basis: Basis
) -> None:
    whole = follow(loads, basis, FIRST, day(200), None)
    part = follow(loads, basis, day(from_day), day(200), whole[from_day - 1])
    assert part == whole[from_day:]


@settings(max_examples=50, deadline=None)
@given(day_loads, st.integers(0, 200), st.floats(0, 300))
def test_more_load_is_never_less_fitness_or_fatigue(loads: list[DayLoad], number: int, more: float) -> None:
    without = follow(loads, Basis.RAW, FIRST, day(200), None)
    with_more = follow([*loads, DayLoad(day(number), more, more)], Basis.RAW, FIRST, day(200), None)
    for less, higher in zip(without, with_more, strict=True):
        assert higher.ctl >= less.ctl * (1 - 1e-12)
        assert higher.atl >= less.atl * (1 - 1e-12)


@pytest.mark.parametrize("before_on", [day(-2), day(0), day(7)])
def test_a_state_of_another_day_is_refused(before_on: date) -> None:
    with pytest.raises(ValueError, match="needs the state of the day before"):
        follow([], Basis.RAW, FIRST, day(9), Fitness(on=before_on, load=0, ctl=1, atl=1, tsb=0))

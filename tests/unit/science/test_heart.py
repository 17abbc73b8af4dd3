"""TRIMP against its published arithmetic, and what must hold of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.heart import Exponents, Reserve, histogram, threshold_hour, trimp

pulses = st.lists(st.integers(30, 240), min_size=1, max_size=300)
reserves = st.builds(
    Reserve,
    resting_bpm=st.floats(35, 80),
    max_bpm=st.floats(150, 220),
    exponents=st.sampled_from(Exponents),
)


def load_of(pulse: list[int], reserve: Reserve) -> float:
    return trimp(histogram(np.array(pulse, dtype=np.float64)), reserve)


@pytest.mark.parametrize(
    ("minutes", "bpm", "resting", "highest", "men", "women"),
    [(30, 130, 40, 200, 31.80, 37.13), (60, 150, 40, 190, 115.1117, 128.7707)],
)
def test_the_published_examples_come_out(
    minutes: int, bpm: int, resting: int, highest: int, men: float, women: float
) -> None:
    pulse = [bpm] * (minutes * 60)
    tolerance = 0.00005 if men > 100 else 0.005
    assert load_of(pulse, Reserve(resting, highest, Exponents.MEN)) == pytest.approx(men, abs=tolerance)
    assert load_of(pulse, Reserve(resting, highest, Exponents.WOMEN)) == pytest.approx(women, abs=tolerance)


@settings(max_examples=50, deadline=None)
@given(pulses, reserves)
def test_the_histogram_gives_what_the_seconds_give(pulse: list[int], reserve: Reserve) -> None:
    factor, exponent = {"men": (0.64, 1.92), "women": (0.86, 1.67)}[reserve.exponents.value]
    by_second = 0.0
    for bpm in pulse:
        share = (bpm - reserve.resting_bpm) / (reserve.max_bpm - reserve.resting_bpm)
        share = min(max(share, 0.0), 1.0)
        by_second += share * factor * math.exp(exponent * share) / 60
    assert load_of(pulse, reserve) == pytest.approx(by_second, rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(pulses, pulses, reserves)
def test_the_parts_add_up_to_the_whole(first: list[int], second: list[int], reserve: Reserve) -> None:
    whole = load_of(first + second, reserve)
    assert whole == pytest.approx(load_of(first, reserve) + load_of(second, reserve), rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(30, 240), st.integers(0, 40)), min_size=1), reserves)
def test_a_higher_pulse_is_never_less(seconds: list[tuple[int, int]], reserve: Reserve) -> None:
    lower = [bpm for bpm, _ in seconds]
    higher = [min(bpm + more, 240) for bpm, more in seconds]
    assert load_of(higher, reserve) >= load_of(lower, reserve) * (1 - 1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(31, 239), min_size=1, max_size=300), reserves)
def test_whole_beats_are_at_most_half_a_beat_away_from_what_was_drawn_between_records(
    pulse: list[float], reserve: Reserve
) -> None:
    def by_second(shift: float) -> float:
        return float(reserve.per_minute(np.array(pulse) + shift).sum()) / 60

    load = trimp(histogram(np.array(pulse)), reserve)
    assert by_second(-0.5) * (1 - 1e-9) <= load <= by_second(0.5) * (1 + 1e-9)


def test_the_histogram_counts_known_seconds_at_whole_beats_from_30_to_240() -> None:
    counts = histogram(np.array([30.0, 30.4, 99.6, np.nan, 240.0]))
    assert counts.size == 211
    assert counts.sum() == 4
    assert counts[0] == 2
    assert counts[100 - 30] == 1
    assert counts[210] == 1


def test_beats_below_rest_add_nothing_and_beats_above_the_maximum_count_as_the_maximum() -> None:
    reserve = Reserve(60, 180, Exponents.MEN)
    assert load_of([50] * 60, reserve) == 0
    assert load_of([200] * 60, reserve) == pytest.approx(load_of([180] * 60, reserve))


def test_the_threshold_hour_is_sixty_minutes_of_that_pulse() -> None:
    reserve = Reserve(50, 190, Exponents.WOMEN)
    assert threshold_hour(165, reserve) == pytest.approx(load_of([165] * 3600, reserve))

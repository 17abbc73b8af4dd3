"""Best swim times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science import swim


def test_an_even_swim_has_its_pace_over_every_distance_that_it_reached() -> None:
    distance = np.arange(0, 1001, dtype=np.float64) * 0.8
    best = swim.best_seconds(distance)
    assert best[:4] == pytest.approx([125, 250, 500, 1000])
    assert np.isnan(best[4])


def test_the_quickest_stretch_is_found_wherever_it_lies() -> None:
    speeds = np.concatenate([np.full(300, 0.8), np.full(100, 1.25), np.full(300, 0.8)])
    best = swim.best_seconds(np.concatenate([[0.0], np.cumsum(speeds)]))
    assert best[0] == pytest.approx(80.0)
    assert best[1] == pytest.approx(100 + 75 / 0.8)


def test_a_pool_that_counts_whole_lengths_gives_whole_lengths() -> None:
    # 25 m at the end of each length of 27 s: nothing is told between the walls.
    distance = np.repeat(np.arange(0, 21) * 25.0, 27)
    best = swim.best_seconds(distance)
    assert best[0] == pytest.approx(3 * 27 + 1, abs=1)
    assert best[2] == pytest.approx(15 * 27 + 1, abs=1)


def test_the_clock_runs_on_through_a_rest() -> None:
    distance = np.concatenate([np.arange(0, 201.0), np.full(60, np.nan), np.arange(200, 401.0)])
    best = swim.best_seconds(distance)
    assert best[1] == pytest.approx(200)
    assert best[2] == pytest.approx(400 + 61)


def test_a_jump_of_the_position_is_not_a_record() -> None:
    distance = np.concatenate([np.arange(0, 100.0), np.arange(190, 500.0)])
    best = swim.best_seconds(distance)
    assert np.isnan(best[0])
    assert best[2] == pytest.approx(310)


def test_without_a_known_distance_there_is_no_time() -> None:
    assert np.isnan(swim.best_seconds(np.full(10, np.nan))).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=101, max_size=400))
def test_no_stretch_between_two_seconds_is_quicker(quarters: list[int]) -> None:
    distance = np.concatenate([[0.0], np.cumsum(quarters) / 2.0])
    best = swim.best_seconds(distance)[0]
    spans = [
        end - start
        for start in range(distance.size)
        for end in [int(np.searchsorted(distance, distance[start] + 100))]
        if end < distance.size
    ]
    if spans:
        assert min(spans) - 2 < best <= min(spans)
    else:
        assert np.isnan(best)

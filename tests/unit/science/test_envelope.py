"""The envelope of a season: no activity lies above it, and each point is held by one that reaches it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.critical import Bests
from daemon.science.curves import DURATIONS
from daemon.science.envelope import envelope
from tests.support.efforts import days_ago, season

DAY = date(2026, 5, 1)
CURVES = st.lists(st.lists(st.sampled_from([0.0, 100.0, 200.0, 250.5, float("nan")]), max_size=40), max_size=6).map(
    lambda curves: [
        Bests(10 + place, DAY - timedelta(days=place), np.array(values)) for place, values in enumerate(curves)
    ]
)


@given(CURVES)
@settings(max_examples=100, deadline=None)
def test_it_is_the_best_of_all_at_every_duration_whatever_their_order(curves: list[Bests]) -> None:
    found = envelope(curves)
    assert envelope(curves[::-1]) == found
    by_seconds = {best.seconds: best for best in found}
    for place, seconds in enumerate(DURATIONS.tolist()):
        reached = {
            one.activity_id: float(one.curve[place])
            for one in curves
            if one.curve.size > place and one.curve[place] > 0  # NaN is above nothing
        }
        if not reached:
            assert seconds not in by_seconds
            continue
        best = by_seconds[seconds]
        assert best.value == max(reached.values())
        assert best.activity_id == min(one for one, value in reached.items() if value == best.value)
        assert best.local_on == next(one.local_on for one in curves if one.activity_id == best.activity_id)


def test_a_season_of_tests_is_held_by_its_tests_and_its_oldest_is_not_discounted() -> None:
    best = {one.seconds: one for one in envelope(season())}
    assert {best[seconds].activity_id for seconds in (180, 300, 720, 1200)} == {180, 300, 720, 1200}
    strong = Bests(7, days_ago(364), np.full(30, 900.0))
    assert envelope([*season(), strong])[0].value == 900.0
    assert envelope([]) == ()

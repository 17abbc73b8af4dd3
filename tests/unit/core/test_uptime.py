"""Runs of uptime: a gap breaks one whatever the clocks say, and a stamp never lies in its future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.uptime import LARGEST_STEP_BACK, LONGEST_GAP, Run, is_broken, stamped

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=3)
TICK = timedelta(microseconds=1)


def test_the_first_stamp_begins_a_run() -> None:
    assert stamped(None, NOW, None) == Run(NOW, NOW)


@pytest.mark.parametrize(
    ("gap", "goes_on"),
    [
        (timedelta(0), True),
        (timedelta(seconds=10), True),
        (LONGEST_GAP, True),
        (LONGEST_GAP + TICK, False),
        (timedelta(days=2), False),  # a stop, a suspended machine, or a clock that jumped forward
        (-LARGEST_STEP_BACK, True),
        (-LARGEST_STEP_BACK - TICK, False),
        (-timedelta(days=2), False),  # a clock that was set back: how long the gap was, nobody knows
    ],
)
def test_a_run_goes_on_over_a_short_gap_only(gap: timedelta, goes_on: bool) -> None:
    before = Run(SINCE, NOW - gap)
    assert is_broken(before.stamped_at, NOW) is not goes_on
    after = stamped(before, NOW, None)
    down_at = min(before.stamped_at, NOW)
    assert after == (Run(SINCE, max(NOW, before.stamped_at)) if goes_on else Run(NOW, NOW, down_at))


def test_a_gap_that_a_clock_set_back_would_hide_is_told_by_the_clock_that_cannot_be_set() -> None:
    before = Run(SINCE, NOW - timedelta(seconds=20))
    assert stamped(before, NOW, 60.0).up_since == SINCE
    assert stamped(before, NOW, 60.1) == Run(NOW, NOW, before.stamped_at)


def test_a_clock_that_jumps_forward_breaks_the_run_although_nobody_was_silent() -> None:
    before = Run(SINCE, NOW - timedelta(minutes=5))
    assert stamped(before, NOW, 10.0) == Run(NOW, NOW, before.stamped_at)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=60))
def test_by_a_true_clock_no_run_spans_a_gap(gaps: list[int]) -> None:
    at, run, began, down_at = NOW, stamped(None, NOW, None), NOW, None
    for gap in gaps:
        before, at = at, at + timedelta(seconds=gap)
        if gap > 60:
            began, down_at = at, before
        run = stamped(run, at, float(gap))
        assert run == Run(began, at, down_at)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 200), st.integers(-300, 300)), min_size=1, max_size=30))
def test_one_daemon_never_vouches_for_a_true_gap_however_its_clock_is_set(steps: list[tuple[int, int]]) -> None:
    shown_at = NOW
    run = stamped(None, NOW, None)
    for gap, jump in steps:
        shown_at += timedelta(seconds=gap + jump)
        run = stamped(run, shown_at, float(gap))
        assert gap <= 60 or (run.up_since, run.stamped_at) == (shown_at, shown_at)
        assert run.up_since <= run.stamped_at

"""A list held against what is stored: every difference is found once, and nothing that is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.listing import (
    EDGE,
    EVENT_GRACE,
    FEW,
    ONE_PAGE,
    SETTLING,
    Held,
    Line,
    Window,
    became_visible_at,
    compare,
    goes_on,
    unannounced,
)
from daemon.core.look import FRESH, RELOOK_AFTER, looked_before

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)
WINDOW = Window(NOW - timedelta(days=14), None)
SECOND = timedelta(seconds=1)


def line(activity_id: int, hours_ago: float = 24.0, **changes: Any) -> Line:
    fields = {
        "sport_type": "Ride", "name": "Ride", "start_at": NOW - timedelta(hours=hours_ago), "elapsed_seconds": 3600,
        "moving_seconds": 3500, "distance_m": 30_000.0, "trainer": False, "manual": False,
    }  # fmt: skip
    return Line(activity_id, fields | changes)


def held(*lines: Line, first_seen_at: datetime = LONG_AGO) -> list[Held]:
    return [Held(one, first_seen_at) for one in lines]


def by_id(*lines: Line) -> dict[int, Line]:
    return {one.activity_id: one for one in lines}


# Properties

LINES = st.lists(
    st.builds(
        line,
        st.integers(1, 12),
        st.floats(0.0, 24.0 * 20),
        name=st.sampled_from(["Ride", "Lunch"]),
        moving_seconds=st.sampled_from([3400, 3500]),
    ),
    max_size=12,
    unique_by=lambda one: one.activity_id,
)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES, st.randoms())
def test_the_order_of_either_side_does_not_matter(listed: list[Line], stored: list[Line], random: Any) -> None:
    expected = compare(by_id(*listed), held(*stored), WINDOW, NOW)
    random.shuffle(listed)
    random.shuffle(stored)

    assert compare(by_id(*listed), held(*stored), WINDOW, NOW) == expected


@settings(max_examples=150, deadline=None)
@given(LINES, LINES)
def test_once_applied_the_same_list_tells_nothing_more(listed: list[Line], stored: list[Line]) -> None:
    first = compare(by_id(*listed), held(*stored), WINDOW, NOW)
    kept = [one for one in stored if one.activity_id not in first.absent]
    applied = by_id(*kept) | by_id(*first.new, *first.edited, *first.reshaped)

    second = compare(by_id(*listed), held(*applied.values()), WINDOW, NOW)

    assert (second.new, second.edited, second.reshaped, second.absent) == ((), (), (), ())
    assert second.unchanged == len(listed)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES)
def test_every_listed_one_is_exactly_one_thing_and_no_listed_one_is_absent(
    listed: list[Line], stored: list[Line]
) -> None:
    found = compare(by_id(*listed), held(*stored), WINDOW, NOW)

    named = [one.activity_id for part in (found.new, found.edited, found.reshaped) for one in part]
    assert len(named) + found.unchanged == len(listed)
    assert len(named) == len(set(named))
    assert not set(found.absent) & {one.activity_id for one in listed}
    assert set(found.absent) <= {one.activity_id for one in stored}


# What an edit is


def test_another_name_is_an_edit_and_another_length_is_another_shape() -> None:
    stored = held(line(1), line(2), line(3))

    found = compare(by_id(line(1, name="Lunch"), line(2, moving_seconds=3000), line(3)), stored, WINDOW, NOW)

    assert [one.activity_id for one in found.edited] == [1]
    assert [one.activity_id for one in found.reshaped] == [2]
    assert found.unchanged == 1


def test_parts_come_newest_first() -> None:
    found = compare(by_id(line(1, 30), line(2, 10), line(3, 20)), held(line(8, 9), line(9, 4)), WINDOW, NOW)

    assert [one.activity_id for one in found.new] == [2, 3, 1]
    assert found.absent == (9, 8)


# The window's edges


@pytest.mark.parametrize(("since_the_edge", "is_absent"), [(-SECOND, False), (EDGE, False), (EDGE + SECOND, True)])
def test_absence_counts_only_surely_inside_the_window(since_the_edge: timedelta, is_absent: bool) -> None:
    assert WINDOW.after_at is not None
    at_start = line(1, start_at=WINDOW.after_at + since_the_edge)
    assert compare({}, held(at_start), WINDOW, NOW).absent == ((1,) if is_absent else ())

    at_end = line(1, start_at=NOW - since_the_edge)
    assert compare({}, held(at_end), Window(None, NOW), NOW).absent == ((1,) if is_absent else ())


def test_without_bounds_everything_is_inside() -> None:
    assert compare({}, held(line(1, 24 * 4000), line(2, -48)), Window(None, None), NOW).absent == (2, 1)


@pytest.mark.parametrize(("seen_ago", "is_absent"), [(SETTLING, True), (SETTLING - SECOND, False)])
def test_what_was_first_seen_a_moment_ago_may_be_missing_from_a_list(seen_ago: timedelta, is_absent: bool) -> None:
    stored = held(line(1), first_seen_at=NOW - seen_ago)

    assert bool(compare({}, stored, WINDOW, NOW).absent) is is_absent


# Pages


@pytest.mark.parametrize(
    ("shown", "shown_in_all", "span", "more"),
    [
        (0, 0, ONE_PAGE, False),
        (FEW - 1, FEW - 1, ONE_PAGE, False),  # fits one page, whatever was hidden of it
        (FEW, FEW, ONE_PAGE, True),
        (200, 200, ONE_PAGE, True),
        (1, 201, ONE_PAGE, True),  # short, and not the last
        (0, 201, ONE_PAGE, False),
        (1, 1, ONE_PAGE + SECOND, True),
        (0, 0, ONE_PAGE + SECOND, False),
    ],
)
def test_a_short_window_ends_with_a_page_that_cannot_hide_half_of_it_and_any_other_with_an_empty_one(
    shown: int, shown_in_all: int, span: timedelta, more: bool
) -> None:
    assert goes_on(shown, shown_in_all, span) is more


# What should have been announced


def missed(one: Line, *, announced: tuple[int, ...] = (), newest_id: int | None = None) -> bool:
    connected_at = NOW - timedelta(days=7)
    return unannounced([one], announced, connected_at, newest_id, NOW) == (one.activity_id,)


def test_a_new_activity_that_no_event_named_was_missed() -> None:
    assert missed(line(5))
    assert not missed(line(5), announced=(4, 5))


def test_what_ended_before_the_athlete_connected_was_not_missed_unless_its_id_says_it_was_uploaded_since() -> None:
    old = line(5, 24 * 300)
    assert not missed(old)
    assert not missed(old, newest_id=5)
    assert missed(old, newest_id=4)


@pytest.mark.parametrize(("since_its_end", "is_missed"), [(EVENT_GRACE, True), (EVENT_GRACE - SECOND, False)])
def test_an_event_has_its_time_to_come(since_its_end: timedelta, is_missed: bool) -> None:
    start_at = NOW - since_its_end - timedelta(seconds=3600)
    assert missed(line(5, start_at=start_at)) is is_missed


def test_it_became_visible_after_its_end_and_after_the_look_that_did_not_show_it() -> None:
    one = line(5, 24)
    assert became_visible_at(one, None, NOW) == one.ended_at
    assert became_visible_at(one, NOW - timedelta(hours=3), NOW) == NOW - timedelta(hours=3)
    assert became_visible_at(replace(one, fields={**one.fields, "elapsed_seconds": 10**6}), None, NOW) == NOW


@pytest.mark.parametrize(("ago", "looked"), [(FRESH - SECOND, 0), (FRESH, len(RELOOK_AFTER))])
def test_streams_of_the_past_are_looked_for_once_and_fresh_ones_again(ago: timedelta, looked: int) -> None:
    assert looked_before(NOW - ago, NOW) == looked

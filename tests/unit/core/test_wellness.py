"""Wellness by local day: what is taken, what is refused by index and field, whose value counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.wellness import (
    FIELDS,
    FIRST_DAYS,
    MOST_DAYS,
    MOST_FAULTS,
    SOURCES,
    FaultyDays,
    Values,
    believed,
    changed,
    merged,
    parse_days,
    patched,
    window,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAYS = st.dates(date(2026, 1, 1), date(2026, 2, 1))
VALUES = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(1, 4).map(float), max_size=4)
CALENDARS = st.dictionaries(DAYS, VALUES.filter(bool), max_size=8)


def faults(content: object) -> list[tuple[int, str | None]]:
    with pytest.raises(FaultyDays) as caught:
        parse_days(content, NOW)
    told = caught.value.faults
    assert all(fault.message for fault in told)
    return [(fault.index, fault.field) for fault in told]


def test_a_list_of_days_is_read_and_null_takes_a_value_away() -> None:
    days = parse_days(
        [
            {"on": "2026-03-01", "resting_hr": 48, "hrv_rmssd": 61.5, "sleep_seconds": 27000.0},
            {"on": "2026-03-02", "mood": None},
        ],
        NOW,
    )
    first = days[date(2026, 3, 1)]
    assert first == {"resting_hr": 48.0, "hrv_rmssd": 61.5, "sleep_seconds": 27000}
    assert str(first["sleep_seconds"]) == "27000"  # whole
    assert days[date(2026, 3, 2)] == {"mood": None}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"on": "2026-03-01"}, (0, None)),
        ([], (0, None)),
        ([{"on": "2026-03-01", "mood": 1}] * (MOST_DAYS + 1), (0, None)),
        ([5], (0, None)),
        ([{"on": "2026-03-01"}], (0, None)),
        ([{"mood": 1}], (0, "on")),
        ([{"on": "20260301", "mood": 1}], (0, "on")),
        ([{"on": "2026-W10-7", "mood": 1}], (0, "on")),
        ([{"on": "2026-02-30", "mood": 1}], (0, "on")),
        ([{"on": 20260301, "mood": 1}], (0, "on")),
        ([{"on": "1999-12-31", "mood": 1}], (0, "on")),
        ([{"on": "2026-03-12", "mood": 1}], (0, "on")),
        ([{"on": "2026-03-01", "mood": 1}, {"on": "2026-03-01", "mood": 2}], (1, "on")),
        ([{"on": "2026-03-01", "pulse": 50}], (0, "pulse")),
        ([{"on": "2026-03-01", "mood": 2.5}], (0, "mood")),
        ([{"on": "2026-03-01", "mood": 5}], (0, "mood")),
        ([{"on": "2026-03-01", "mood": True}], (0, "mood")),
        ([{"on": "2026-03-01", "resting_hr": "48"}], (0, "resting_hr")),
        ([{"on": "2026-03-01", "resting_hr": 0}], (0, "resting_hr")),
        ([{"on": "2026-03-01", "resting_hr": float("nan")}], (0, "resting_hr")),
        ([{"on": "2026-03-01", "hrv_rmssd": 10**400}], (0, "hrv_rmssd")),
    ],
)
def test_what_cannot_be_taken_is_refused_by_index_and_field(
    content: object, expected: tuple[int, str | None]
) -> None:
    assert faults(content) == [expected]


def test_today_is_wherever_it_has_begun() -> None:
    late = datetime(2026, 3, 10, 10, tzinfo=UTC)  # in Kiritimati it is the 11th
    assert parse_days([{"on": "2026-03-11", "mood": 1}], late).keys() == {date(2026, 3, 11)}
    with pytest.raises(FaultyDays):
        parse_days([{"on": "2026-03-11", "mood": 1}], late - timedelta(minutes=1))


def test_every_fault_is_told_at_once_up_to_a_bound() -> None:
    assert faults([{"on": "?", "mood": 9}, {"on": "2026-03-01", "x": 1}]) == [(0, "on"), (0, "mood"), (1, "x")]
    assert len(faults([{}] * 400)) == MOST_FAULTS


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("2026-03-01"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["on", *FIELDS]) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(content=st.lists(JSON, max_size=4) | JSON)
@settings(max_examples=60, deadline=None)
def test_whatever_is_posted_is_taken_within_bounds_or_refused(content: Any) -> None:
    try:
        days = parse_days(content, NOW)
    except FaultyDays as error:
        assert error.faults
        return
    for patch in days.values():
        assert patch
        for name, value in patch.items():
            assert value is None or FIELDS[name].least <= value <= FIELDS[name].most


@given(stored=CALENDARS, patches=st.dictionaries(DAYS, VALUES, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_posting_the_same_again_changes_nothing(
    stored: dict[date, Values], patches: dict[date, dict[str, float]]
) -> None:
    asked = {day: values for day, values in stored.items() if day in patches}
    once = patched(asked, patches)
    assert patched(once, patches) == once
    kept = {day: values for day, values in once.items() if values}
    assert changed(kept, patched(kept, patches)) == {}


@given(stored=CALENDARS, seen=CALENDARS)
@settings(max_examples=60, deadline=None)
def test_applying_the_changes_leads_from_what_was_stored_to_what_was_seen(
    stored: dict[date, Values], seen: dict[date, Values]
) -> None:
    changes = changed(stored, seen)
    after = {day: values for day, values in {**stored, **changes}.items() if values}
    assert after == seen
    assert (changes == {}) == (stored == seen)


@given(posted=CALENDARS, collected=CALENDARS)
@settings(max_examples=60, deadline=None)
def test_what_was_posted_counts_before_what_was_collected_field_by_field(
    posted: dict[date, Values], collected: dict[date, Values]
) -> None:
    rows = [(day, source, values) for source, days in zip(SOURCES, (posted, collected), strict=True)
            for day, values in days.items()]  # fmt: skip
    known = merged(rows)
    assert list(known) == sorted(posted.keys() | collected.keys())
    for day, one in known.items():
        assert one.values == {**collected.get(day, {}), **posted.get(day, {})}
        assert {name for name, source in one.sources.items() if source == "posted"} == posted.get(day, {}).keys()


def test_a_service_s_zero_stands_for_unknown_and_whole_fields_become_whole() -> None:
    assert believed("resting_hr", 0) is None
    assert believed("hrv_rmssd", float("nan")) is None
    assert believed("sleep_seconds", 27000.4) == 27000
    assert believed("weight_kg", 71) == 71.0


def test_the_window_is_read_again_as_a_whole_and_widened_after_silence() -> None:
    today = date(2026, 3, 11)  # at noon UTC the 11th has begun at UTC+14
    assert window(7, NOW, NOW) == (today - timedelta(days=7), today)
    assert window(7, NOW, NOW - timedelta(days=40)) == (today - timedelta(days=47), today)
    assert window(7, NOW, NOW + timedelta(days=3)) == (today - timedelta(days=7), today)
    assert window(7, NOW, None) == (today - timedelta(days=FIRST_DAYS), today)
    assert window(30, NOW, NOW - timedelta(days=9000)) == (today - timedelta(days=FIRST_DAYS), today)

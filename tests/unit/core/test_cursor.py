"""Cursors: what is given comes back as it was, and nothing else is taken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.cursor import LENGTH, BadCursor, Cursor

PLACES = st.builds(
    Cursor,
    at=st.datetimes(timezones=st.just(UTC)),
    id=st.integers(-(2**63), 2**63 - 1),
)


@given(PLACES)
@settings(max_examples=100, deadline=None)
def test_a_cursor_comes_back_as_it_was_given_to_the_microsecond(place: Cursor) -> None:
    text = place.text()
    assert Cursor.read(text) == place
    assert len(text) == LENGTH
    assert text.isascii() and text.replace("-", "").replace("_", "").isalnum()  # needs no quoting in a query


@given(st.text(max_size=40) | st.text("AZaz09-_=", min_size=LENGTH, max_size=LENGTH))
@settings(max_examples=200, deadline=None)
def test_any_other_text_is_refused_or_is_one_that_we_write(text: str) -> None:
    try:
        place = Cursor.read(text)
    except BadCursor:
        return
    assert place.text() == text


@given(PLACES, st.integers(0, LENGTH - 1))
@settings(max_examples=50, deadline=None)
def test_a_cursor_that_is_cut_or_marked_is_refused(place: Cursor, at: int) -> None:
    text = place.text()
    for wrong in (text[:at], text + "A", f"{text[:at]}!{text[at + 1 :]}"):
        with pytest.raises(BadCursor):
            Cursor.read(wrong)


def test_a_place_beyond_the_calendar_is_refused() -> None:
    text = Cursor(datetime(2026, 1, 1, tzinfo=UTC), 1).text()
    with pytest.raises(BadCursor):
        Cursor.read("f" + text[1:])

"""Cursors: what was written is read again, and nothing else is."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import LARGEST_ID
from daemon.web import cursors
from daemon.web.cursors import Id, Instant
from daemon.web.problems import BAD_QUERY, Refused

KIND = tuple[bool, Instant, Id]
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2998, 1, 1), timezones=st.just(UTC))


@settings(max_examples=50)
@given(st.booleans(), INSTANTS, st.integers(0, LARGEST_ID))
def test_what_was_written_is_read_again_and_needs_no_quoting(is_done: bool, at: datetime, number: int) -> None:
    cursor = cursors.written(is_done, at, number)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", cursor)
    assert cursors.read(cursor, KIND) == (is_done, at, number)


@settings(max_examples=100)
@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_whatever_else_comes_is_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(Refused) as refused:
        cursors.read(text, KIND)
    assert refused.value.problem is BAD_QUERY


@pytest.mark.parametrize("places", [(), (1,), (True, 1), (datetime(2026, 1, 1), 1), ("x", 1)])
def test_a_cursor_of_another_list_is_refused(places: tuple[Any, ...]) -> None:
    with pytest.raises(Refused, match="cursor: leave it out"):
        cursors.read(cursors.written(*places), tuple[Instant, Id])


def test_without_a_cursor_there_is_no_place() -> None:
    assert cursors.read(None, KIND) is None

"""The way back from Strava: what an address says, when a state is believed, and what is missing without a scope."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.consent import (
    ACTIVITIES,
    ASKED,
    LONGEST_WORD,
    MEANINGS,
    Begun,
    Declined,
    Doubt,
    Returned,
    Unreadable,
    doubt,
    granted,
    missing,
    read_return,
    split_scope,
    suffices,
)

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
HERE, ELSEWHERE = b"h" * 32, b"e" * 32
VISIBLE = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+;=:@/", min_size=1, max_size=LONGEST_WORD)


@given(state=VISIBLE, code=VISIBLE, scopes=st.frozensets(st.sampled_from(["read", "activity:read", *ASKED])))
@settings(max_examples=50)
def test_what_strava_sends_back_is_read_as_it_was_sent(state: str, code: str, scopes: frozenset[str]) -> None:
    query = {"state": state, "code": code, "scope": ",".join(sorted(scopes))}
    assert read_return(query) == Returned(state, code, scopes)


@given(st.dictionaries(st.sampled_from(["state", "code", "scope", "error"]), st.text(max_size=600)))
@settings(max_examples=100)
def test_whatever_a_stranger_writes_is_read_without_a_fault_and_believed_only_where_it_is_whole(
    query: dict[str, str],
) -> None:
    match read_return(query):
        case Returned(state, code):
            assert (state, code) == (query["state"], query["code"])
            assert state.isascii() and state.isprintable() and "error" not in query
        case Declined():
            assert query["error"] == "access_denied"
        case Unreadable():
            pass


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"state": "s"},
        {"code": "c"},
        {"state": "", "code": "c"},
        {"state": "s", "code": "c\r\nSet-Cookie: x"},
        {"state": "s", "code": "c" * (LONGEST_WORD + 1)},
        {"state": "s", "code": "c", "error": "server_error"},
    ],
)
def test_half_an_address_is_none(query: dict[str, str]) -> None:
    assert read_return(query) == Unreadable()


def test_a_refusal_is_told_with_its_state_or_without() -> None:
    assert read_return({"error": "access_denied", "state": "s"}) == Declined("s")
    assert read_return({"error": "access_denied"}) == Declined(None)


@given(st.integers(-3600, 3600), st.booleans())
@settings(max_examples=50)
def test_a_state_is_believed_in_its_browser_before_it_expires_and_nowhere_else(seconds: int, at_home: bool) -> None:
    begun = Begun(HERE, NOW)
    found = doubt(begun, HERE if at_home else ELSEWHERE, NOW + timedelta(seconds=seconds))
    if not at_home:
        assert found is Doubt.ELSEWHERE
    else:
        assert found is (Doubt.EXPIRED if seconds >= 0 else None)


def test_a_state_that_nobody_has_is_unknown() -> None:
    assert doubt(None, HERE, NOW) is Doubt.UNKNOWN


def test_the_answer_to_the_code_counts_more_than_the_address_that_anybody_can_change() -> None:
    assert granted({"read"}, {"read", "activity:read_all"}) == {"read"}
    assert granted(None, {"read", "activity:read"}) == {"read", "activity:read"}
    assert granted(None, None) == frozenset()


@given(st.frozensets(st.sampled_from(["read", "activity:read", *ASKED])))
@settings(max_examples=40)
def test_it_suffices_to_see_activities_and_what_is_missing_beside_is_explained(scope: frozenset[str]) -> None:
    assert suffices(scope) is bool(scope & ACTIVITIES)
    assert set(missing(scope)) == {one for one in ASKED if one not in scope} - {"read"}
    assert all(MEANINGS[one] for one in missing(scope))


@pytest.mark.parametrize("text", ["read,activity:read", "read activity:read", " read, activity:read ,"])
def test_scopes_are_separated_by_commas_or_blanks(text: str) -> None:
    assert split_scope(text) == {"read", "activity:read"}

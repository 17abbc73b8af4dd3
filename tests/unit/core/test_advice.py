"""What an athlete is told to do about his connections: the most urgent first, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import consent
from daemon.core.advice import (
    SILENT_AFTER,
    UNSEEN_AFTER,
    Standing,
    advise,
    hindrance,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WELL = Standing(
    state="active",
    state_since=NOW - timedelta(days=100),
    scope=consent.ASKED,
    intervals_state="active",
    history_state="finished",
    synced_at=NOW - timedelta(hours=3),
    active_at=NOW - timedelta(days=1),
)

# In the order in which they count: each is also wrong in whatever stands after it.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"state": "needs_authorization"}, "connect with Strava again, and everything goes on"),
    ({"scope": ["read"]}, "leave their box ticked"),
    ({"intervals_state": "refused"}, "give a new one"),
    ({"history_state": "refused"}, "read your history"),
    ({"scope": ["read", "activity:read"]}, "only you can see"),
    ({"synced_at": NOW - UNSEEN_AFTER - timedelta(hours=1)}, "since 30 May 2026: ask for a sync"),
    ({"active_at": NOW - SILENT_AFTER - timedelta(days=1)}, "since 10 May 2026: if you have trained"),
]


def test_who_has_nothing_to_do_is_told_nothing() -> None:
    assert advise(WELL, NOW) is None
    assert advise(replace(WELL, intervals_state="not connected", history_state=None), NOW) is None


@pytest.mark.parametrize("first", range(len(WRONG)))
def test_each_thing_to_mend_is_told_and_the_most_urgent_first(first: int) -> None:
    told = WRONG[first][1]
    assert told in (advise(replace(WELL, **WRONG[first][0]), NOW) or "")
    from_there_on = {name: value for wrong, _ in reversed(WRONG[first:]) for name, value in wrong.items()}
    assert told in (advise(replace(WELL, **from_there_on), NOW) or "")


def test_who_was_never_looked_at_waits_from_the_day_of_his_connection() -> None:
    fresh = replace(WELL, synced_at=None, active_at=None, state_since=NOW - timedelta(hours=1))
    assert advise(fresh, NOW) is None
    assert "ask for a sync" in (advise(replace(fresh, state_since=NOW - timedelta(days=3)), NOW) or "")


def test_a_history_that_is_still_listed_may_hide_the_newest_activity() -> None:
    silent = replace(WELL, active_at=NOW - timedelta(days=300), history_state="listing")
    assert advise(silent, NOW) is None


@given(st.sets(st.sampled_from([*consent.ASKED, "activity:read", "activity:write"])))
@settings(max_examples=40, deadline=None)
def test_missing_are_those_wanted_and_not_granted_and_only_activities_hinder(scope: set[str]) -> None:
    missing = consent.missing(scope)
    assert set(missing) == set(consent.ASKED) - scope - {"read"}
    assert (hindrance("active", scope) is None) is bool(scope & {"activity:read", "activity:read_all"})
    assert hindrance("needs_authorization", scope) is not None

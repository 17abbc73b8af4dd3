"""Tokens live, rotate and die as Strava's do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.tokens import FULL_SCOPE, LIFETIME_SECONDS, Doubt, Grant, Tokens

NOW = 1_700_000_000.0


def connected() -> tuple[Tokens, Grant]:
    tokens = Tokens(1)
    return tokens, tokens.grant(7, FULL_SCOPE, NOW)


def test_with_more_than_an_hour_left_a_refresh_changes_nothing() -> None:
    tokens, grant = connected()
    before = (grant.access_token, grant.refresh_token, grant.expires_at)
    refreshed = tokens.refresh(grant.refresh_token, NOW + LIFETIME_SECONDS - 3_601)
    assert refreshed is not None
    assert (refreshed.access_token, refreshed.refresh_token, refreshed.expires_at) == before


def test_within_the_last_hour_a_refresh_rotates_and_the_old_refresh_token_is_dead_at_once() -> None:
    tokens, grant = connected()
    old_access, old_refresh = grant.access_token, grant.refresh_token
    at = NOW + LIFETIME_SECONDS - 3_600
    refreshed = tokens.refresh(old_refresh, at)
    assert refreshed is not None
    assert refreshed.access_token != old_access
    assert refreshed.refresh_token != old_refresh
    assert tokens.refresh(old_refresh, at) is None
    # The replaced access token lives until its own end.
    assert isinstance(tokens.holder(old_access, at + 3_599), Grant)
    assert tokens.holder(old_access, at + 3_600) is Doubt.DEAD


def test_an_expired_token_and_an_invented_one_are_refused_for_different_reasons() -> None:
    tokens, grant = connected()
    assert tokens.holder(grant.access_token, NOW + LIFETIME_SECONDS) is Doubt.DEAD
    assert tokens.holder("invented", NOW) is Doubt.UNKNOWN


def test_a_revoked_athlete_has_no_living_token_and_a_new_grant_brings_new_ones() -> None:
    tokens, grant = connected()
    access, refresh = grant.access_token, grant.refresh_token
    assert tokens.revoke(7)
    assert not tokens.revoke(7)
    assert tokens.holder(access, NOW) is Doubt.DEAD
    assert tokens.refresh(refresh, NOW) is None
    assert tokens.owner_of(refresh) is None
    again = tokens.grant(7, "read", NOW)
    assert {again.access_token, again.refresh_token}.isdisjoint({access, refresh})
    assert tokens.holder(access, NOW) is Doubt.DEAD


def test_a_killed_access_token_is_refused_although_a_refresh_returns_it_again() -> None:
    tokens, grant = connected()
    tokens.kill_access(7)
    assert tokens.holder(grant.access_token, NOW) is Doubt.DEAD
    refreshed = tokens.refresh(grant.refresh_token, NOW)
    assert refreshed is not None
    assert refreshed.access_token == grant.access_token


def test_the_wider_scope_covers_the_narrower_and_not_the_other_way_round() -> None:
    tokens = Tokens(1)
    wide = tokens.grant(1, "read,activity:read_all", NOW)
    narrow = tokens.grant(2, "read,activity:read", NOW)
    assert wide.covers("activity:read")
    assert wide.covers("activity:read_all")
    assert narrow.covers("activity:read")
    assert not narrow.covers("activity:read_all")
    assert not narrow.covers("profile:read_all")


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8_000)), max_size=25))
def test_however_often_one_refreshes_exactly_one_refresh_token_is_alive(steps: list[tuple[bool, int]]) -> None:
    tokens, grant = connected()
    now, seen = NOW, {grant.refresh_token}
    for honest, wait in steps:
        now += wait
        token = grant.refresh_token if honest else min(seen)
        tokens.refresh(token, now)
        seen.add(grant.refresh_token)
    assert [token for token in seen if tokens.owner_of(token) == 7] == [grant.refresh_token]

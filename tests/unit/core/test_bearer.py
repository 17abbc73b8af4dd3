"""Admin tokens: what one looks like, what is read from a header, and until when it is good."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import bearer
from daemon.core.bearer import Scope, State, Token

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = Token(1, "grafana", frozenset({Scope.READ}), NOW, None, None, None)


@given(st.binary(min_size=bearer.RANDOM_BYTES, max_size=bearer.RANDOM_BYTES))
def test_a_token_is_found_by_the_scanners_expression_and_comes_through_a_header(random: bytes) -> None:
    token = bearer.written(random)
    assert re.findall(r"\bdmq_[0-9a-f]{64}\b", f"key={token}, and so on") == [token]
    assert bearer.presented(f"Bearer {token}") == token
    assert len(bearer.digest(token)) == 32
    assert random.hex() not in bearer.digest(token).hex()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic dXNlcjpwYXNz", None),
        ("dmq_00", None),
        ("Bearer a b", None),
        ("Bearer a", "a"),
        ("bearer   a  ", "a"),
        ("BEARER \udc80ß", "\udc80ß"),
    ],
)
def test_what_a_header_presents(header: str | None, token: str | None) -> None:
    assert bearer.presented(header) == token


@given(st.text(), st.text())
def test_two_texts_have_one_digest_only_if_they_are_the_same(one: str, other: str) -> None:
    assert (bearer.digest(one) == bearer.digest(other)) is (one == other)


def test_a_token_is_good_until_it_expires_or_is_revoked() -> None:
    later = NOW + timedelta(days=1)
    expiring = replace(TOKEN, expires_at=later)
    assert TOKEN.state(later + timedelta(days=9999)) is State.ACTIVE
    assert expiring.state(later - timedelta(microseconds=1)) is State.ACTIVE
    assert expiring.state(later) is State.EXPIRED
    assert replace(TOKEN, revoked_at=later).state(NOW) is State.REVOKED
    assert replace(expiring, revoked_at=NOW).state(later) is State.REVOKED


def test_who_may_operate_may_read_and_not_the_other_way_round() -> None:
    assert bearer.granted(Scope.OPERATE) == {Scope.OPERATE, Scope.READ}
    assert bearer.granted(Scope.READ) == {Scope.READ}


@pytest.mark.parametrize(
    ("name", "is_name"),
    [("grafana", True), ("a.b-c_1", True), ("a" * 64, True), ("a" * 65, False), ("1a", False), ("", False),
     ("a b", False), ("a\n", False), ("é", False)],
)  # fmt: skip
def test_a_name_is_never_taken_for_a_number(name: str, is_name: bool) -> None:
    assert bearer.is_name(name) is is_name

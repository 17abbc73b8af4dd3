"""Wrong tokens: how many are borne, and against whom one is counted."""

from __future__ import annotations

import ipaddress
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.attempts import THIS_MACHINE, Allowance, Bucket, full, give_back, sender, take

THREE = Allowance(3, 10.0)
HERE = tuple(ipaddress.ip_network(name) for name in THIS_MACHINE)
ELSEWHERE = tuple(ipaddress.ip_network(name) for name in ("10.0.0.0/24", "2001:db8:9::/48"))
steps = st.lists(st.floats(0, 40), min_size=1, max_size=40)


def test_a_burst_is_borne_then_one_every_so_often() -> None:
    bucket = full(THREE, 100.0)
    for _ in range(3):
        taken = take(bucket, THREE, 100.0)
        assert isinstance(taken, Bucket)
        bucket = taken
    assert take(bucket, THREE, 100.0) == pytest.approx(10.0)
    assert take(bucket, THREE, 107.0) == pytest.approx(3.0)
    assert isinstance(take(bucket, THREE, 110.0), Bucket)


@settings(max_examples=50)
@given(steps)
def test_no_stretch_of_time_bears_more_than_burst_and_refill(gaps: list[float]) -> None:
    bucket, at, borne = full(THREE, 0.0), 0.0, []
    for gap in gaps:
        at += gap
        taken = take(bucket, THREE, at)
        if isinstance(taken, Bucket):
            bucket = taken
            borne.append(at)
    for first, start in enumerate(borne):
        for count, end in enumerate(borne[first:], start=1):
            assert count <= THREE.burst + (end - start) / THREE.every_seconds + 1e-6


@settings(max_examples=50)
@given(steps)
def test_after_the_wait_that_is_told_one_attempt_is_borne(gaps: list[float]) -> None:
    bucket, at = full(THREE, 0.0), 0.0
    for gap in gaps:
        at += gap / 20
        taken = take(bucket, THREE, at)
        if isinstance(taken, float):
            assert 0 < taken <= THREE.every_seconds
            assert isinstance(take(bucket, THREE, at + taken + 1e-6), Bucket)
        else:
            bucket = taken


def test_a_good_token_costs_nothing() -> None:
    bucket = full(THREE, 0.0)
    for _ in range(10):
        taken = take(bucket, THREE, 0.0)
        assert isinstance(taken, Bucket)
        bucket = give_back(taken, THREE)
    assert bucket == full(THREE, 0.0)
    assert give_back(bucket, THREE).left == THREE.burst


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # from no proxy: not believed
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the sender wrote stands before
        ("::1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.1, 127.0.0.9", "198.51.100.1"),  # two proxies in a row
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:203.0.113.7", None, "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("127.0.0.1", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        (None, "198.51.100.1", "unknown"),
        ("/run/socket", None, "unknown"),
    ],
)
def test_whom_an_attempt_is_counted_against(peer: str | None, forwarded_for: str | None, expected: str) -> None:
    assert sender(peer, forwarded_for, HERE) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("10.0.0.7", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.7", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:9::7", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.7", "203.0.113.9, 198.51.100.1, 10.0.0.8,2001:db8:9::1", "198.51.100.1"),
        ("10.0.0.7", "10.0.0.9, 10.0.0.8", "10.0.0.9"),  # who sends is behind the proxies himself
        ("10.0.0.7", "198.51.100.1, unknown, 10.0.0.8", "10.0.0.8"),
        ("10.0.0.7", None, "10.0.0.7"),
        ("10.0.1.7", "198.51.100.1", "10.0.1.7"),
        ("127.0.0.1", "198.51.100.1", "127.0.0.1"),  # who names proxies names this machine, too, if it is one
    ],
)
def test_a_proxy_elsewhere_is_believed_where_the_settings_name_it(
    peer: str, forwarded_for: str | None, expected: str
) -> None:
    assert sender(peer, forwarded_for, ELSEWHERE) == expected


def test_where_no_proxy_is_believed_the_peer_sends() -> None:
    assert sender("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


@given(st.none() | st.text(), st.none() | st.text())
def test_no_address_whatsoever_breaks_the_count(peer: str | None, forwarded_for: str | None) -> None:
    assert sender(peer, forwarded_for, HERE)
    assert sender("::1", forwarded_for, HERE)


def test_a_bucket_does_not_mind_an_instant_from_before() -> None:
    bucket = take(full(THREE, 50.0), THREE, 40.0)
    assert isinstance(bucket, Bucket)
    assert bucket.at == 50.0
    assert math.isclose(bucket.left, 2.0)

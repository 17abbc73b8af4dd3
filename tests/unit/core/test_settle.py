"""What becomes of a job that raised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import (
    AccessTokenRejected,
    AppInactive,
    NotFound,
    Permanent,
    QuotaSpent,
    Retryable,
    Revoked,
    ScopeMissing,
)
from daemon.core.settle import Death, Deferral, Retry, delay, describe, settle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize("error", [QuotaSpent("spent", LATER), AppInactive("inactive", LATER)])
def test_spent_quota_defers_to_the_turn_spread_over_a_second_and_never_kills(error: QuotaSpent) -> None:
    assert settle(error, 99, 3, NOW, 0.0) == Deferral(LATER, str(error))
    assert settle(error, 99, 3, NOW, 0.5) == Deferral(LATER + timedelta(seconds=0.5), str(error))


def test_a_revoked_athletes_job_rests_until_claims_see_him_again() -> None:
    assert settle(Revoked("gone"), 99, 3, NOW, 0.5) == Deferral(NOW, "gone")


@pytest.mark.parametrize("error", [Permanent("no"), NotFound("404"), ScopeMissing("activity:read")])
def test_what_trying_again_cannot_help_dies_at_once(error: Permanent) -> None:
    assert settle(error, 1, 20, NOW, 0.5) == Death(str(error))


@pytest.mark.parametrize(
    "error", [Retryable("broken"), AccessTokenRejected("401"), ValueError("secret"), KeyError()]
)
def test_the_last_attempt_but_one_is_tried_again_and_the_last_dies(error: Exception) -> None:
    assert isinstance(settle(error, 19, 20, NOW, 0.5), Retry)
    death = settle(error, 20, 20, NOW, 0.5)
    assert death == Death(f"gave up after 20 attempts: {describe(error)}")
    assert isinstance(settle(error, 21, 20, NOW, 0.5), Death)


def test_an_error_that_names_an_instant_is_tried_again_then() -> None:
    assert settle(Retryable("busy", LATER), 1, 20, NOW, 0.5) == Retry(LATER, "busy")
    assert isinstance(settle(Retryable("busy", LATER), 20, 20, NOW, 0.5), Death)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 10), (1, 10), (2, 30), (3, 90), (4, 270), (6, 2430), (7, 3600), (10**6, 3600)]
)
def test_delays_grow_threefold_to_an_hour_and_are_spread_by_a_quarter(attempts: int, seconds: float) -> None:
    assert delay(attempts, 0.5).total_seconds() == pytest.approx(seconds)
    assert delay(attempts, 0.0).total_seconds() == pytest.approx(seconds * 0.75)
    assert delay(attempts, 1.0).total_seconds() == pytest.approx(seconds * 1.25)
    assert settle(Retryable("x"), attempts, 10**9, NOW, 0.5) == Retry(NOW + delay(attempts, 0.5), "x")


@given(st.integers(-5, 10**9), st.floats(0, 1))
def test_a_delay_is_always_seconds_to_an_hour_and_a_quarter(attempts: int, jitter: float) -> None:
    assert 7.5 <= delay(attempts, jitter).total_seconds() <= 4500


def test_a_strangers_words_are_never_stored() -> None:
    assert describe(ValueError("token=abc")) == "unexpected ValueError; the log has the traceback"
    assert describe(Retryable("the database restarts")) == "the database restarts"
    assert len(describe(Retryable("x" * 10_000))) == 500

"""What becomes of a job after an attempt: pure, from the error that it ended with.

Delays grow threefold from 10 s to an hour and are spread by a quarter, so that many jobs that failed together do
not come back together. This module refuses to touch the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.core.errors import Permanent, QuotaSpent, Retryable, Revoked

FIRST_DELAY_SECONDS: Final = 10.0
GROWTH: Final = 3.0
LONGEST_DELAY_SECONDS: Final = 3600.0
SPREAD: Final = 0.25


@dataclass(frozen=True, slots=True)
class Retry:
    """Queue it again at `at`; the attempt counts."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Deferral:
    """Queue it again at `until`; nothing was attempted, so the attempt is given back."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Death:
    """A person has to look; it can be queued again by hand."""

    reason: str


def settle(
    error: BaseException, attempts: int, max_attempts: int, now: datetime, jitter: float
) -> Retry | Deferral | Death:
    """Decide on an attempt (the `attempts`-th) that raised; `jitter` is uniform in 0…1."""
    reason = describe(error)
    if isinstance(error, QuotaSpent):
        # Everybody waits for the same window to turn: a second apart is enough to avoid a herd.
        return Deferral(error.until + timedelta(seconds=jitter), reason)
    if isinstance(error, Revoked):
        return Deferral(now, reason)  # the athlete's turn rests: it is claimed after a reconnect
    if isinstance(error, Permanent):
        return Death(reason)
    if attempts >= max_attempts:
        return Death(f"gave up after {attempts} attempts: {reason}")
    at = error.at if isinstance(error, Retryable) and error.at is not None else None
    return Retry(at if at is not None else now + delay(attempts, jitter), reason)


def delay(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after the `attempts`-th attempt."""
    growth = GROWTH ** min(max(attempts, 1) - 1, 20)
    seconds = min(FIRST_DELAY_SECONDS * growth, LONGEST_DELAY_SECONDS)
    return timedelta(seconds=seconds * (1.0 + SPREAD * (2.0 * jitter - 1.0)))


def describe(error: BaseException) -> str:
    """Say what happened in one line that may be stored: our own words, or only the name of a stranger's error."""
    if isinstance(error, Retryable | Permanent | QuotaSpent | Revoked):
        return str(error)[:500]
    return f"unexpected {type(error).__name__}; the log has the traceback"

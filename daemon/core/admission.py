"""The words between whoever calls Strava and whoever guards the quota.

A client asks an `Admission` for one `Permit` before each send, and hands every answer back to that permit.
It never learns how permits are counted; the guard never learns what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol


class Lane(StrEnum):
    """Who goes first; declared in order of precedence, as in the SQL type `lane`."""

    LIVE = "live"  # a webhook: somebody has just come home
    INTERACTIVE = "interactive"  # somebody is looking at a page and waits
    SCHEDULED = "scheduled"  # a timer
    BACKFILL = "backfill"  # history, from what the others leave


LANES: Final = tuple(Lane)


class Outcome(StrEnum):
    """What an answer means for the quota as a whole."""

    COUNTED = "counted"
    RATE_LIMITED = "rate_limited"  # 429
    APP_INACTIVE = "app_inactive"  # 403 Application/Status/Inactive


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One meter as Strava shows it: requests used and allowed, this quarter of an hour and this UTC day."""

    quarter_limit: int
    day_limit: int
    quarter_usage: int
    day_usage: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The rate headers of one answer; a meter that was not shown is None."""

    overall: MeterReading | None
    read: MeterReading | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What one answer tells: Strava's own clock (whole seconds, UTC), its meters if shown, and the outcome."""

    dated_at: datetime | None
    reading: Reading | None
    outcome: Outcome = Outcome.COUNTED


class Permit(Protocol):
    """The right to send one request now. One that is never answered stays charged: the safe side."""

    async def answered(self, answer: Answered) -> None:
        """Tell the ledger. Raises QuotaSpent or AppInactive where the outcome says that nothing may follow."""

    async def lost(self) -> None:
        """Say that the request went out and its answer will never come."""


class Admission(Protocol):
    """Hands out permits for one piece of work."""

    async def permit(self) -> Permit:
        """Wait for this send's turn and return its permit; raises QuotaSpent or AppInactive."""

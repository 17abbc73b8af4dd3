"""A clock for tests that moves only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SetClock:
    """Stands at the real time at which it was made, or at the one given."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at if at is not None else datetime.now(UTC)
        self._elapsed_seconds = 0.0

    def now(self) -> datetime:
        return self._at

    def elapsed_seconds(self) -> float:
        return self._elapsed_seconds

    def advance(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)
        self._elapsed_seconds += seconds

"""The one clock: wall time for facts, elapsed time for durations. Everything else is handed its time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the wall time, UTC; it may jump."""

    def elapsed_seconds(self) -> float:
        """Return seconds since some start; never goes back, and goes on while the machine sleeps."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, UTC."""
        return datetime.now(UTC)

    def elapsed_seconds(self) -> float:
        """Return seconds since boot, suspended time included: a permit must not outlive a closed lid."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

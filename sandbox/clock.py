"""The sandbox's own clock, which may run ahead of or behind the machine's.

Refuses to be bypassed: windows, tokens, events and the `Date` header all read it, so that one offset shifts
them together.
"""

from __future__ import annotations

import time
from email.utils import formatdate


class Clock:
    """Wall-clock seconds since 1970, shifted by `offset_seconds`."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        self.offset_seconds = offset_seconds

    def now(self) -> float:
        """Seconds since 1970 as Strava would tell them."""
        return time.time() + self.offset_seconds

    def http_date(self) -> str:
        """Now in the form of the `Date` header, whole seconds."""
        return formatdate(int(self.now()), usegmt=True)

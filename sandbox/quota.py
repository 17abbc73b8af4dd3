"""Strava's rate limits as Strava counts them: windows aligned to the clock, two meters.

Counts by itself, so that an app's own ledger can be held against it. Refuses to know who asked: it is told an
instant and whether the request reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.options import Limits

MeterName = Literal["overall", "read"]
HISTORY_WINDOWS = 1000


@dataclass(slots=True)
class Window:
    """One window of one meter: `counted` is all that arrived, `over_limit` those beyond the limit."""

    starts_at: int
    ends_at: int
    limit: int
    counted: int = 0
    over_limit: int = 0
    foreign: int = 0

    def take(self) -> bool:
        """Count one request; False where the window was already full."""
        self.counted += 1
        if self.counted > self.limit:
            self.over_limit += 1
            return False
        return True

    def report(self) -> dict[str, int]:
        """Return the window as the control route shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Span:
    """All windows of one length of one meter, the newest and those before it."""

    def __init__(self, length_seconds: int, limit: int) -> None:
        self.length_seconds = length_seconds
        self.limit = limit
        self.past: list[Window] = []
        self._current: Window | None = None

    def at(self, now: float) -> Window:
        """Return the window that `now` falls into, under the limit of this moment."""
        starts_at = int(now // self.length_seconds) * self.length_seconds
        window = self._current
        if window is None or window.starts_at != starts_at or window.ends_at != starts_at + self.length_seconds:
            if window is not None:
                self.past = [*self.past, window][-HISTORY_WINDOWS:]
            window = self._current = Window(starts_at, starts_at + self.length_seconds, self.limit)
        window.limit = self.limit
        return window


class Meter:
    """One meter: its quarters and its days."""

    def __init__(self, limits: Limits, quarter_seconds: int, day_seconds: int) -> None:
        self.quarter = Span(quarter_seconds, limits.quarter)
        self.day = Span(day_seconds, limits.day)

    def take(self, now: float) -> bool:
        """Count one request in both windows; what a full quarter refuses still counts toward the day."""
        in_quarter = self.quarter.at(now).take()
        in_day = self.day.at(now).take()
        return in_quarter and in_day

    def take_foreign(self, now: float, requests: int) -> None:
        """Count requests that something else made in this app's name."""
        for window in (self.quarter.at(now), self.day.at(now)):
            window.counted += requests
            window.foreign += requests

    def shown(self, now: float) -> tuple[str, str]:
        """Limit and usage as the headers write them: "quarter,day"."""
        quarter, day = self.quarter.at(now), self.day.at(now)
        return f"{quarter.limit},{day.limit}", f"{quarter.counted},{day.counted}"

    def report(self, now: float) -> dict[str, Any]:
        """Both current windows and all past ones."""
        return {
            "quarter": self.quarter.at(now).report(),
            "day": self.day.at(now).report(),
            "past_quarters": [window.report() for window in self.quarter.past],
            "past_days": [window.report() for window in self.day.past],
        }


class Quota:
    """The two meters of one app."""

    def __init__(self, limits: Mapping[MeterName, Limits], quarter_seconds: int, day_seconds: int) -> None:
        self.meters: dict[MeterName, Meter] = {
            name: Meter(limit, quarter_seconds, day_seconds) for name, limit in limits.items()
        }

    def charge(self, now: float, *, reads: bool) -> MeterName | None:
        """Count one request; returns the meter that refuses it, the overall one first."""
        refused_by: MeterName | None = None
        for name, meter in self.meters.items():
            if name == "read" and not reads:
                continue
            if not meter.take(now) and refused_by is None:
                refused_by = name
        return refused_by

    def charge_foreign(self, now: float, requests: int) -> None:
        """Let another user of the same app spend `requests` of both meters."""
        for meter in self.meters.values():
            meter.take_foreign(now, requests)

    def resize(self, limits: Mapping[MeterName, Limits], quarter_seconds: int, day_seconds: int) -> None:
        """Change limits or window lengths (0: keep) while running, as Strava changes limits."""
        for name, limit in limits.items():
            self.meters[name].quarter.limit, self.meters[name].day.limit = limit.quarter, limit.day
        for meter in self.meters.values():
            meter.quarter.length_seconds = quarter_seconds or meter.quarter.length_seconds
            meter.day.length_seconds = day_seconds or meter.day.length_seconds

    def headers(self, now: float) -> dict[str, str]:
        """Return the four rate headers of an API answer, spelled as recorded in October 2025."""
        limit, usage = self.meters["overall"].shown(now)
        read_limit, read_usage = self.meters["read"].shown(now)
        return {
            "X-Ratelimit-Limit": limit,
            "X-Ratelimit-Usage": usage,
            "X-Readratelimit-Limit": read_limit,
            "X-Readratelimit-Usage": read_usage,
        }

    def report(self, now: float) -> dict[str, Any]:
        """Every window of every meter, for `GET /sandbox/counts`."""
        return {name: meter.report(now) for name, meter in self.meters.items()}

"""Strava's rate limits, as pure arithmetic on one ledger.

`ledger` holds what is known and what the clocks say; `demand` learns what each lane needs and holds that back from
the lanes below; `admission` gives permits; `observation` takes answers in; `report` tells people.

This room refuses to know where the ledger is stored, who asks first, or how fast requests are paced.
"""

from __future__ import annotations

from daemon.core.quota.admission import COLD_PERMITS, PROBE_EVERY, Ask, admit, seen_since, shut_until
from daemon.core.quota.demand import NO_DEMAND, Demand, PastHour, learned
from daemon.core.quota.ledger import (
    CONNECT_SECONDS,
    SEND_WITHIN_SECONDS,
    TRANSIT_SECONDS,
    Charge,
    Grant,
    Ledger,
    Lengths,
    Limits,
    PastQuarter,
    Wait,
    Window,
    offset_bounds,
    past_quarter,
    roll,
)
from daemon.core.quota.observation import exhaust, observe
from daemon.core.quota.report import Forecast, MeterUsage, drained_at, forecast, left_today, usage

__all__ = [
    "COLD_PERMITS",
    "CONNECT_SECONDS",
    "NO_DEMAND",
    "PROBE_EVERY",
    "SEND_WITHIN_SECONDS",
    "TRANSIT_SECONDS",
    "Ask",
    "Charge",
    "Demand",
    "Forecast",
    "Grant",
    "Ledger",
    "Lengths",
    "Limits",
    "MeterUsage",
    "PastHour",
    "PastQuarter",
    "Wait",
    "Window",
    "admit",
    "drained_at",
    "exhaust",
    "forecast",
    "learned",
    "left_today",
    "observe",
    "offset_bounds",
    "past_quarter",
    "roll",
    "seen_since",
    "shut_until",
    "usage",
]

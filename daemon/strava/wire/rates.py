"""Reads what every answer tells about the quota: Strava's clock, its meters, its refusals.

It refuses to decide: the ledger draws the conclusions. Source: https://developers.strava.com/docs/rate-limits/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from daemon.core.admission import Answered, MeterReading, Outcome, Reading
from daemon.strava.wire.faults import parse_fault

# "15 minutes, day"
_PAIR = re.compile(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*")


def answered(status: int, headers: Mapping[str, str], body: bytes) -> Answered:
    """Return an answer as the ledger needs it; what is malformed counts as not shown.

    Streams and token answers show no meters. A body that broke off is handed in as b"".
    """
    shown = {name.lower(): value for name, value in headers.items()}
    overall, read = _meter(shown, "x-ratelimit"), _meter(shown, "x-readratelimit")
    outcome = Outcome.COUNTED
    if status == 429:
        outcome = Outcome.RATE_LIMITED
    elif status == 403 and parse_fault(body).app_is_inactive:
        outcome = Outcome.APP_INACTIVE
    return Answered(
        dated_at=_date(shown.get("date")),
        reading=None if overall is None and read is None else Reading(overall, read),
        outcome=outcome,
    )


def _meter(shown: Mapping[str, str], prefix: str) -> MeterReading | None:
    limit = _PAIR.fullmatch(shown.get(f"{prefix}-limit", ""))
    usage = _PAIR.fullmatch(shown.get(f"{prefix}-usage", ""))
    # A limit of 0 would stop everything for good: no app has one, so it is malformed.
    if limit is None or usage is None or 0 in (int(limit[1]), int(limit[2])):
        return None
    return MeterReading(
        quarter_limit=int(limit[1]),
        day_limit=int(limit[2]),
        quarter_usage=int(usage[1]),
        day_usage=int(usage[2]),
    )


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        dated_at = parsedate_to_datetime(header)
        return dated_at.replace(tzinfo=UTC) if dated_at.tzinfo is None else dated_at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None

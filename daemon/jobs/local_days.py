"""What day it is for an athlete: by the clock of the place where he was active last.

Strava names a time zone with every activity and none with the athlete. Where the name is not known to us, that
activity's distance from UTC counts; who has no activity has the days of UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daemon.store import activities
from daemon.store.activities import Place
from daemon.store.database import Connection


async def today(connection: Connection, athlete_id: int, now: datetime) -> date:
    """Return the athlete's local day."""
    return now.astimezone(await _zone_of(connection, athlete_id)).date()


async def next_midnight(connection: Connection, athlete_id: int, now: datetime) -> datetime:
    """Return when the athlete's next local day begins."""
    zone = await _zone_of(connection, athlete_id)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, zone).astimezone(UTC)


async def _zone_of(connection: Connection, athlete_id: int) -> tzinfo:
    place = await activities.newest_place(connection, athlete_id)
    return zone_of(place) if place is not None else UTC


def zone_of(place: Place) -> tzinfo:
    """Return a place's time zone."""
    named = _named(place.timezone) if place.timezone else None
    if named is not None:
        return named
    # An activity whose local start is nonsense must not stop the athlete's days.
    return timezone(place.utc_offset) if abs(place.utc_offset) < timedelta(days=1) else UTC


@lru_cache(maxsize=600)  # there are not many more
def _named(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

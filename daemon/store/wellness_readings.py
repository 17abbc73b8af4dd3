"""What is known of an athlete's mornings, as far as loads and thresholds ask for it."""

from __future__ import annotations

from datetime import date
from typing import Final

from daemon.core.wellness import merged
from daemon.science.wellness import Reading
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("wellness_readings")
_SIGNALS: Final = ("hrv_rmssd", "resting_hr", "sleep_seconds")


async def between(connection: Connection, athlete_id: int, first_on: date, last_on: date) -> dict[date, Reading]:
    """Return the readings that count, of local days by day; days without any are absent."""
    rows = await fetched(_queries.between(connection, athlete_id=athlete_id, first_on=first_on, last_on=last_on))
    told = [
        (row["on_day"], row["source"], {name: row[name] for name in _SIGNALS if row[name] is not None})
        for row in rows
    ]
    readings = {}
    for on_day, known in merged(told).items():
        values = known.values
        sleep_seconds = values.get("sleep_seconds")
        readings[on_day] = Reading(
            rmssd_ms=values.get("hrv_rmssd"),
            resting_hr_bpm=values.get("resting_hr"),
            sleep_hours=sleep_seconds / 3600 if sleep_seconds is not None else None,
        )
    return readings

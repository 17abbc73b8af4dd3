"""Wellness by local day and source, and the modifiers that it makes of the days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from daemon.core.wellness import FIELDS, Values
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("wellness")


async def lock(connection: Connection, athlete_id: int) -> None:
    """Be the only writer of an athlete's wellness until the transaction ends."""
    await _queries.lock(connection, athlete_id=athlete_id)


async def read(
    connection: Connection, athlete_id: int, first_on: date, last_on: date
) -> list[tuple[date, str, Values]]:
    """Return day, source and known values, as `core.wellness.merged` takes them."""
    rows = await fetched(_queries.read(connection, athlete_id=athlete_id, first_on=first_on, last_on=last_on))
    return [
        (row["on_day"], row["source"], {name: row[name] for name in FIELDS if row[name] is not None})
        for row in rows
    ]


async def put(
    connection: Connection, athlete_id: int, source: str, days: Mapping[date, Values], now: datetime
) -> None:
    """Store whole days of one source; an empty one is removed. The caller holds the lock."""
    kept = [{"on_day": on_day, **_columns(values)} for on_day, values in days.items() if values]
    gone = [on_day for on_day, values in days.items() if not values]
    if kept:
        await _queries.put(connection, athlete_id=athlete_id, source=source, days=kept, now=now)
    if gone:
        await _queries.remove(connection, athlete_id=athlete_id, source=source, days=gone)


def _columns(values: Values) -> dict[str, float]:
    """Return values as their columns take them: PostgreSQL reads no 2.0 into a whole number."""
    return {name: int(value) if FIELDS[name].whole else value for name, value in values.items()}


async def modifiers(
    connection: Connection, athlete_id: int, first_on: date, last_on: date
) -> dict[date, dict[str, Any]]:
    """Return value, parts, explanation and computed_at of each day that has a modifier."""
    rows = await fetched(
        _queries.read_modifiers(connection, athlete_id=athlete_id, first_on=first_on, last_on=last_on)
    )
    return {row["on_day"]: dict(row) for row in rows}


async def put_modifiers(
    connection: Connection, athlete_id: int, modifiers: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Store modifiers (on_day, value, parts, explanation) over what was there. The caller holds the lock."""
    if modifiers:
        await _queries.put_modifiers(connection, athlete_id=athlete_id, modifiers=list(modifiers), now=now)


async def remove_modifiers(connection: Connection, athlete_id: int, days: Iterable[date]) -> None:
    """Forget the modifiers of these days. The caller holds the lock."""
    gone = list(days)
    if gone:
        await _queries.remove_modifiers(connection, athlete_id=athlete_id, days=gone)

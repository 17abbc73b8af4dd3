"""Activities as they are shown: in pages, one with all that explains it, loads by day, curves by season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, TypeAlias

import orjson

from daemon.science.fitness import Basis
from daemon.science.sports import Family
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("shown_activities")

Channel: TypeAlias = Literal["power", "graded_minetti", "graded_strava"]


@dataclass(frozen=True, slots=True)
class SentCurve:
    """An activity's mean-maximal curve as PostgreSQL sends it, and its local day."""

    activity_id: int
    local_on: date
    curve: bytes


async def page(
    connection: Connection, athlete_id: int, sport_type: str | None, after: tuple[datetime, int] | None, most: int
) -> list[dict[str, Any]]:
    """Return up to `most` activities of one sport or (None) of all, newest first, behind a place (start, id).

    With `method`, `load` (raw × modifier) and `thresholds` of the load, None where there is none.
    """
    rows = await fetched(
        _queries.page(
            connection,
            athlete_id=athlete_id,
            sport_type=sport_type,
            before_at=after[0] if after is not None else None,
            before_id=after[1] if after is not None else None,
            most=most,
        )
    )
    return [dict(row) for row in rows]


async def one(connection: Connection, athlete_id: int, activity_id: int) -> dict[str, Any] | None:
    """Return an activity of this athlete's with its load and the quality of its recording; None: it is not his."""
    row = await _queries.one(connection, athlete_id=athlete_id, activity_id=activity_id)
    return dict(row) if row is not None else None


async def loads_between(
    connection: Connection, athlete_id: int, first_on: date, last_on: date, basis: Basis
) -> list[dict[str, Any]]:
    """Return every load of these local days, the oldest first.

    activity_id, `on` (ISO), name, sport_type, method, load, and `thresholds` as the text of their JSON.
    """
    rows: bytes = await _queries.loads_between(
        connection, athlete_id=athlete_id, first_on=first_on, last_on=last_on, raw=basis is Basis.RAW
    )
    loads: list[dict[str, Any]] = orjson.loads(rows)
    return loads


async def curves(
    connection: Connection, athlete_id: int, channel: Channel, family: Family, first_on: date, last_on: date
) -> list[SentCurve]:
    """Return the curves of a family's activities in these local days, unread."""
    rows = await fetched(
        _queries.curves(
            connection,
            athlete_id=athlete_id,
            channel=channel,
            family=family.value,
            first_on=first_on,
            last_on=last_on,
        )
    )
    return [SentCurve(**row) for row in rows]


async def count(connection: Connection, athlete_id: int) -> int:
    """Return how many activities are stored of an athlete."""
    found: int = await _queries.count(connection, athlete_id=athlete_id)
    return found

"""Activities with their statistics, loads and streams, and the tombstones of those that are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from daemon.core.look import Known, Shape
from daemon.science.pace import GradeModel
from daemon.science.statistics import Statistics
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("activities")
_SHAPE: Final = tuple(Shape.__dataclass_fields__)
_STATISTICS: Final = tuple(Statistics.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Slice:
    """Whole local days of an athlete's activities: `rows` for `works.Rescore`, and the day after them."""

    rows: bytes
    activities: int
    first_on: date | None
    last_on: date | None
    next_on: date | None


@dataclass(frozen=True, slots=True)
class Session:
    """As much of an activity as `science.thresholds.is_due` asks for."""

    started_at: datetime
    family: str
    moving_seconds: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an activity was: Strava's name of its time zone, and how far that was from UTC then."""

    timezone: str | None
    utc_offset: timedelta


async def known(connection: Connection, activity_id: int, athlete_id: int) -> Known | None:
    """Return what a look has to know of an activity of this athlete's, or None where it was never stored."""
    row = await _queries.known(connection, activity_id=activity_id, athlete_id=athlete_id)
    if row is None:
        return None
    return Known(Shape(**{name: row[name] for name in _SHAPE}), row["streams_state"], row["version"])


async def upsert(connection: Connection, columns: Mapping[str, Any], now: datetime) -> bool:
    """Store an activity's detail (the table's columns by name); returns whether anything changed."""
    return await _queries.upsert(connection, activity=dict(columns), now=now) is not None


async def get(connection: Connection, activity_id: int) -> dict[str, Any] | None:
    """Return an activity's row."""
    row = await _queries.get(connection, activity_id=activity_id)
    return dict(row) if row is not None else None


async def put_statistics(connection: Connection, activity_id: int, statistics: Statistics, now: datetime) -> None:
    """Store the sufficient statistics over whatever was there."""
    await _queries.put_statistics(connection, activity_id=activity_id, columns=statistics.columns(), now=now)


async def statistics(connection: Connection, activity_id: int) -> Statistics | None:
    """Return the stored statistics."""
    row = await _queries.statistics(connection, activity_id=activity_id)
    return Statistics.from_columns({name: row[name] for name in _STATISTICS}) if row is not None else None


async def put_loads(connection: Connection, loads: bytes, now: datetime) -> list[date]:
    """Store loads with all that explains them; returns the local day of each one that changed.

    `loads` is a JSON array of the columns that `science.scoring.Scored` names.
    """
    rows = await fetched(_queries.put_loads(connection, loads=loads, now=now))
    return [row["local_on"] for row in rows]


async def load(connection: Connection, activity_id: int) -> dict[str, Any] | None:
    """Return an activity's load with all that explains it."""
    row = await _queries.load(connection, activity_id=activity_id)
    return dict(row) if row is not None else None


async def put_streams(connection: Connection, activity_id: int, body: bytes, now: datetime) -> None:
    """Keep the compressed body of a streams answer, for as long as retention allows."""
    await _queries.put_streams(connection, activity_id=activity_id, body=body, now=now)


async def prune_streams(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` raw streams from before an instant; returns how many."""
    count: int = await _queries.prune_streams(connection, before=before, most=most)
    return count


async def bury(
    connection: Connection, activity_id: int, athlete_id: int, reason: str, now: datetime
) -> date | None:
    """Delete what was held and leave a tombstone; returns the local day that lost a load, if one did."""
    row = await _queries.bury(connection, activity_id=activity_id, athlete_id=athlete_id, reason=reason, now=now)
    return row["local_start_at"].date() if row is not None else None


async def unbury(connection: Connection, activity_id: int, athlete_id: int) -> None:
    """Take the tombstone away: Strava shows the activity again."""
    await _queries.unbury(connection, activity_id=activity_id, athlete_id=athlete_id)


async def tombstone(connection: Connection, activity_id: int) -> dict[str, Any] | None:
    """Return when and why an activity was buried."""
    row = await _queries.tombstone(connection, activity_id=activity_id)
    return dict(row) if row is not None else None


async def hold_against(
    connection: Connection,
    athlete_id: int,
    after_at: datetime | None,
    before_at: datetime | None,
    listed_ids: Collection[int],
) -> list[dict[str, Any]]:
    """Return an athlete's stored activities of a window, and those listed whenever they started.

    With the `version` of the statistics, None where there are none yet, and `suspected_at`.
    """
    rows = await fetched(
        _queries.hold_against(
            connection,
            athlete_id=athlete_id,
            after_at=after_at,
            before_at=before_at,
            listed_ids=sorted(listed_ids),
        )
    )
    return [dict(row) for row in rows]


async def buried_since(connection: Connection, activity_ids: Collection[int], since: datetime) -> frozenset[int]:
    """Return which of these were buried after an instant."""
    rows = await fetched(_queries.buried_since(connection, activity_ids=sorted(activity_ids), since=since))
    return frozenset(row["activity_id"] for row in rows)


async def suspect(connection: Connection, activity_ids: Collection[int], now: datetime) -> None:
    """Mark stored activities as asked about, because a list did not show them."""
    await _queries.suspect(connection, activity_ids=sorted(activity_ids), now=now)


async def next_unlooked(connection: Connection, athlete_id: int, from_at: datetime) -> dict[str, Any] | None:
    """Return the newest activity that is known from a list only and whose streams are wanted."""
    row = await _queries.next_unlooked(connection, athlete_id=athlete_id, from_at=from_at)
    return dict(row) if row is not None else None


async def list_newest(connection: Connection, athlete_id: int | None, most: int) -> list[dict[str, Any]]:
    """Return the newest activities, of one athlete or of all, with method and load."""
    rows = await fetched(_queries.list_newest(connection, athlete_id=athlete_id, most=most))
    return [dict(row) for row in rows]


async def count_all(connection: Connection) -> dict[str, int]:
    """Return how many activities are stored and how many wait for streams."""
    return dict(await _queries.count_all(connection))


async def totals_from(connection: Connection, athlete_id: int, from_on: date, most: int) -> Slice:
    """Return about `most` activities from a local day on with what their loads are computed from."""
    row = await _queries.totals_from(connection, athlete_id=athlete_id, from_on=from_on, most=most)
    return Slice(**row)


async def loads_from(connection: Connection, athlete_id: int, from_on: date) -> list[dict[str, Any]]:
    """Return the stored loads from a local day on, with what their activities are called."""
    rows = await fetched(_queries.loads_from(connection, athlete_id=athlete_id, from_on=from_on))
    return [dict(row) for row in rows]


async def evidence(
    connection: Connection, athlete_id: int, since_on: date, year_on: date, grade_model: GradeModel
) -> list[dict[str, Any]]:
    """Return what thresholds are told from, as `works.Sent` has it: of the days before `year_on` hearts only."""
    rows = await fetched(
        _queries.evidence(
            connection,
            athlete_id=athlete_id,
            since_on=since_on,
            year_on=year_on,
            minetti=grade_model is GradeModel.MINETTI,
        )
    )
    return [dict(row) for row in rows]


async def sessions_since(connection: Connection, athlete_id: int, since: datetime) -> list[Session]:
    """Return what was done since an instant."""
    rows = await fetched(_queries.sessions_since(connection, athlete_id=athlete_id, since=since))
    return [Session(**row) for row in rows]


async def newest_place(connection: Connection, athlete_id: int) -> Place | None:
    """Return where the newest activity was; None where there is none."""
    row = await _queries.newest_place(connection, athlete_id=athlete_id)
    return Place(**row) if row is not None else None


async def stored_streams(connection: Connection, activity_id: int) -> bytes | None:
    """Return the compressed body of a streams answer, as long as retention keeps it."""
    row = await _queries.stored_streams(connection, activity_id=activity_id)
    return row["body"] if row is not None else None


async def next_outdated(
    connection: Connection, athlete_id: int, version: int, before: tuple[datetime, int] | None
) -> dict[str, Any] | None:
    """Return the newest activity older than `before` (start, id) whose statistics are of another version."""
    before_at, before_id = before or (None, None)
    row = await _queries.next_outdated(
        connection, athlete_id=athlete_id, version=version, before_at=before_at, before_id=before_id
    )
    return dict(row) if row is not None else None


async def hold_outdated(connection: Connection, athlete_ids: Collection[int], version: int) -> list[int]:
    """Return whose statistics are of another version and nobody renews, as athletes.hold_known."""
    rows = await fetched(_queries.hold_outdated(connection, athlete_ids=list(athlete_ids), version=version))
    return [row["athlete_id"] for row in rows]


async def hold_outdated_loads(
    connection: Connection, athlete_ids: Collection[int], version: int
) -> dict[int, date]:
    """Return who has loads of another version, and from which local day on, as athletes.hold_known."""
    rows = await fetched(_queries.hold_outdated_loads(connection, athlete_ids=list(athlete_ids), version=version))
    return {row["athlete_id"]: row["from_on"] for row in rows}

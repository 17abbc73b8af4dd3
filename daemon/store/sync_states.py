"""What is known of how fresh each athlete is: one row each, written by looks and by the folding of events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from daemon.core import habits
from daemon.core.freshness import Athlete
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("sync_states")
_FIELDS: Final = tuple(Athlete.__dataclass_fields__)


async def open_state(connection: Connection, athlete_id: int) -> None:
    """Make an athlete's row, in the transaction that makes or reconnects him."""
    await _queries.open(connection, athlete_id=athlete_id)


async def page(connection: Connection, after_athlete_id: int, most: int) -> list[Athlete]:
    """Return the next athletes by id who can be looked at: active, with his activities granted."""
    rows = await fetched(_queries.page(connection, after_athlete_id=after_athlete_id, most=most))
    return [_athlete(dict(row)) for row in rows]


async def get(connection: Connection, athlete_id: int) -> Athlete | None:
    """Return one athlete, whatever his state; None where there is none."""
    row = await _queries.get(connection, athlete_id=athlete_id)
    return _athlete(dict(row)) if row is not None else None


def _athlete(row: Mapping[str, Any]) -> Athlete:
    return Athlete(**{name: row[name] for name in _FIELDS if name != "uploads"}, uploads=tuple(row["uploads"]))


async def record(
    connection: Connection,
    athlete_id: int,
    *,
    synced_at: datetime,
    reached_to: datetime,
    is_audit: bool,
    missed_at: datetime | None,
) -> None:
    """Store a successful look at an athlete's list; `missed_at` where it found what no event had announced."""
    await _queries.record(
        connection,
        athlete_id=athlete_id,
        synced_at=synced_at,
        reached_to=reached_to,
        is_audit=is_audit,
        missed_at=missed_at,
    )


async def record_walk(connection: Connection, athlete_id: int, walked_at: datetime) -> None:
    """Store that an athlete's whole list was walked over."""
    await _queries.record_walk(connection, athlete_id=athlete_id, walked_at=walked_at)


async def miss(connection: Connection, athlete_id: int, missed_at: datetime) -> None:
    """Store that something was found which no event had announced."""
    await _queries.miss(connection, athlete_id=athlete_id, missed_at=missed_at)


async def newest_id(connection: Connection, athlete_id: int) -> int | None:
    """Return the highest id that the first list of an athlete's showed; None before there was one."""
    found: int | None = await _queries.newest_id(connection, athlete_id=athlete_id)
    return found


async def see_first_list(connection: Connection, athlete_id: int, newest_id: int) -> None:
    """Store the highest id that a list shows, if it is the first: ids rise with every upload."""
    await _queries.see_first_list(connection, athlete_id=athlete_id, newest_id=newest_id)


async def see_activity(connection: Connection, athlete_id: int, start_at: datetime) -> None:
    """Store that an athlete has an activity that started then."""
    await _queries.see_activity(connection, athlete_id=athlete_id, start_at=start_at)


async def see_uploads(connection: Connection, athlete_id: int, visible_ats: Collection[datetime]) -> None:
    """Learn from when activities became visible; in a transaction that holds the athlete's turn."""
    row = await _queries.get(connection, athlete_id=athlete_id)
    if row is None or not visible_ats:
        return
    uploads, uploads_at = tuple(row["uploads"]), row["uploads_at"]
    for visible_at in sorted(visible_ats):
        uploads, uploads_at = habits.learned(uploads, uploads_at, visible_at)
    await _queries.put_uploads(connection, athlete_id=athlete_id, uploads=list(uploads), uploads_at=uploads_at)


async def hear_events(connection: Connection, athlete_ids: Collection[int], event_at: datetime) -> None:
    """Store, to the minute, that events of these athletes came."""
    await _queries.hear_events(connection, athlete_ids=sorted(set(athlete_ids)), event_at=event_at)


async def count_active(connection: Connection) -> int:
    """Return how many athletes are connected."""
    count: int = await _queries.count_active(connection)
    return count


async def take_ask(connection: Connection, athlete_id: int, now: datetime, every: timedelta) -> datetime | None:
    """Note that an athlete asks for a look now; returns when he last did where that is less than `every` ago."""
    row = await _queries.take_ask(connection, athlete_id=athlete_id, now=now, every_seconds=every.total_seconds())
    if row is not None:
        return None
    asked_at: datetime | None = await _queries.asked_at(connection, athlete_id=athlete_id)
    return asked_at

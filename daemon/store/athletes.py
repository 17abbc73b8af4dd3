"""Athletes, their turns at work, and how far what follows from their loads has been brought."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from daemon.store import sync_states
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("athletes")


@dataclass(frozen=True, slots=True)
class Departed:
    """Why an athlete may be erased: he is leaving by hand, or is deauthorized; since when."""

    deauthorized_at: datetime | None
    leaving_at: datetime | None


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is held of an athlete, counted."""

    athlete_id: int
    name: str | None
    activities: int
    first_start_at: datetime | None
    thresholds: int
    wellness_days: int
    fitness_days: int


async def upsert(
    connection: Connection, athlete_id: int, *, name: str | None, sex: str | None, scope: Collection[str]
) -> bool:
    """Import or reconnect an athlete and let his jobs run; returns whether he is new."""
    row = await _queries.upsert(connection, athlete_id=athlete_id, name=name, sex=sex, scope=sorted(scope))
    await _queries.give_turn(connection, athlete_id=athlete_id)
    await sync_states.open_state(connection, athlete_id)
    is_new: bool = row["is_new"]
    return is_new


async def hold_known(connection: Connection, athlete_ids: Collection[int]) -> frozenset[int]:
    """Return which of these ids are athletes of ours, none of whom is erased before the transaction ends."""
    rows = await fetched(_queries.hold_known(connection, athlete_ids=sorted(set(athlete_ids))))
    return frozenset(row["athlete_id"] for row in rows)


async def hold_present(connection: Connection, athlete_ids: Collection[int]) -> frozenset[int]:
    """Return which of these ids are not erased, as hold_known, but with those who are leaving."""
    rows = await fetched(_queries.hold_present(connection, athlete_ids=sorted(set(athlete_ids))))
    return frozenset(row["athlete_id"] for row in rows)


async def lose_activities(connection: Connection, athlete_id: int) -> None:
    """Store that an athlete has not granted his activities after all."""
    await _queries.lose_activities(connection, athlete_id=athlete_id)


async def get(connection: Connection, athlete_id: int) -> dict[str, Any] | None:
    """Return an athlete's row, or None."""
    row = await _queries.get(connection, athlete_id=athlete_id)
    return dict(row) if row is not None else None


async def lock(connection: Connection, athlete_id: int) -> None:
    """Hold an athlete's row, before credentials and state change together."""
    await _queries.lock(connection, athlete_id=athlete_id)


async def rest(
    connection: Connection, athlete_id: int, reason: str, credentials_version: int, *, deauthorized: bool
) -> bool:
    """Mark an athlete `needs_authorization` and rest his jobs, if those credentials are still the stored ones.

    Version 0 stands for no credentials at all.
    """
    await lock(connection, athlete_id)
    row = await _queries.rest(
        connection,
        athlete_id=athlete_id,
        reason=reason,
        deauthorized=deauthorized,
        credentials_version=credentials_version,
    )
    return row is not None


async def wake(connection: Connection, athlete_id: int) -> bool:
    """Let a resting athlete's jobs run again; False where he was not resting."""
    return await _queries.wake(connection, athlete_id=athlete_id) is not None


async def list_all(connection: Connection) -> list[dict[str, Any]]:
    """Return every athlete with how many activities, the newest start, and how his key of Intervals.icu stands."""
    return [dict(row) for row in await fetched(_queries.list_all(connection))]


async def count_by_state(connection: Connection) -> dict[str, int]:
    """Return how many athletes are in each state."""
    return {row["state"]: row["athletes"] for row in await fetched(_queries.count_by_state(connection))}


async def dirty_fitness(connection: Connection, athlete_id: int, from_on: date) -> None:
    """Mark fitness to be computed again from a local day on."""
    await _queries.dirty_fitness(connection, athlete_id=athlete_id, from_on=from_on)


async def hold_departed(connection: Connection, before: datetime) -> list[int]:
    """Return who is to be erased, held as in hold_known.

    They took their authorization back before an instant and have not come back, or are leaving by hand.
    """
    rows = await fetched(_queries.hold_departed(connection, before=before))
    return [row["athlete_id"] for row in rows]


async def lock_departed(connection: Connection, athlete_id: int) -> Departed | None:
    """Return why an athlete may be erased, holding his row; None where he has come back, or is gone."""
    row = await _queries.lock_departed(connection, athlete_id=athlete_id)
    return Departed(**row) if row is not None else None


async def leave(connection: Connection, athlete_id: int, now: datetime) -> bool:
    """Mark an athlete as leaving and rest his jobs; False where there is none."""
    return await _queries.leave(connection, athlete_id=athlete_id, at=now) is not None


async def belongings(connection: Connection, athlete_id: int) -> Belongings | None:
    """Count what is held of an athlete; None where there is none."""
    row = await _queries.belongings(connection, athlete_id=athlete_id)
    return Belongings(**row) if row is not None else None


async def describe(connection: Connection, athlete_id: int, name: str | None, sex: str | None) -> None:
    """Keep what Strava tells of an athlete himself; None leaves what is known."""
    await _queries.describe(connection, athlete_id=athlete_id, name=name, sex=sex)


async def erase(connection: Connection, athlete_id: int) -> None:
    """Delete an athlete with everything that hangs on him."""
    await _queries.erase(connection, athlete_id=athlete_id)


async def take_dirty(connection: Connection, athlete_id: int) -> date | None:
    """Return from which local day on fitness is to be computed again, and hold that for done."""
    row = await _queries.take_dirty(connection, athlete_id=athlete_id)
    return row["fitness_dirty_from"] if row is not None else None


async def move_loads_mark(connection: Connection, athlete_id: int, next_on: date | None) -> None:
    """Say how far loads have been computed again; None: all are."""
    await _queries.move_loads_mark(connection, athlete_id=athlete_id, next_on=next_on)


async def looked_on(connection: Connection, athlete_id: int, on_day: date) -> None:
    """Keep the local day on which thresholds were looked at."""
    await _queries.looked_on(connection, athlete_id=athlete_id, on_day=on_day)


async def put_doubts(connection: Connection, athlete_id: int, doubts: Sequence[Mapping[str, Any]]) -> bool:
    """Keep what is inconsistent among the thresholds in force; returns whether that is new."""
    row = await _queries.put_doubts(connection, athlete_id=athlete_id, doubts=[dict(one) for one in doubts])
    return row is not None


async def born(connection: Connection, athlete_id: int, born_on: date | None) -> None:
    """Keep the athlete's day of birth, if it is told."""
    await _queries.born(connection, athlete_id=athlete_id, born_on=born_on)


async def page_ids(connection: Connection, after_athlete_id: int, most: int) -> list[int]:
    """Return a page of all athletes' ids in their order."""
    rows = await fetched(_queries.page_ids(connection, after_athlete_id=after_athlete_id, most=most))
    return [row["athlete_id"] for row in rows]


async def page(
    connection: Connection, search: str | None, state: str | None, after_athlete_id: int, most: int
) -> list[dict[str, Any]]:
    """Return a page of athletes for people, by id; `search` is the beginning of an id or part of a name."""
    rows = _queries.page(connection, search=search, state=state, after_athlete_id=after_athlete_id, most=most)
    return [dict(row) for row in await fetched(rows)]


async def names(connection: Connection, athlete_ids: Collection[int]) -> dict[int, str | None]:
    """Return the names of those of these athletes whom there are."""
    rows = await fetched(_queries.names(connection, athlete_ids=list(athlete_ids)))
    return {row["athlete_id"]: row["name"] for row in rows}


async def why_resting(connection: Connection, most: int) -> list[dict[str, Any]]:
    """Return state_reason, athletes, newest_at and an athlete_id for why athletes need to connect again."""
    return [dict(row) for row in await fetched(_queries.why_resting(connection, most=most))]

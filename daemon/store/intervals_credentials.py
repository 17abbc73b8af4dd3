"""Athletes' sealed keys of Intervals.icu, and how their syncs stand; only the vault knows what is inside."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("intervals_credentials")


@dataclass(frozen=True, slots=True)
class BegunSync:
    """What a sync works with; `syncs` is its number, `synced_at` when the last one ended well."""

    kind: str
    secret: bytes
    intervals_id: str | None
    synced_at: datetime | None
    syncs: int


async def put(connection: Connection, athlete_id: int, kind: str, secret: bytes, now: datetime) -> None:
    """Store a sealed key over whatever was there."""
    await _queries.put(connection, athlete_id=athlete_id, kind=kind, secret=secret, now=now)


async def remove(connection: Connection, athlete_id: int) -> bool:
    """Forget an athlete's key; False where there was none."""
    return await _queries.remove(connection, athlete_id=athlete_id) is not None


async def begin_sync(connection: Connection, athlete_id: int) -> BegunSync | None:
    """Begin a sync; None where there is no key in force, or the athlete himself rests."""
    row = await _queries.begin_sync(connection, athlete_id=athlete_id)
    return BegunSync(**row) if row is not None else None


async def finish_sync(
    connection: Connection, athlete_id: int, sync: BegunSync, intervals_id: str, now: datetime
) -> bool:
    """Claim the right to store what a sync found; False where a newer one has begun, or the key is gone."""
    row = await _queries.finish_sync(
        connection, athlete_id=athlete_id, syncs=sync.syncs, intervals_id=intervals_id, now=now
    )
    return row is not None


async def refuse(connection: Connection, athlete_id: int, sync: BegunSync, reason: str, now: datetime) -> bool:
    """Mark the key of a sync as refused; False where another has been stored since."""
    row = await _queries.refuse(connection, athlete_id=athlete_id, syncs=sync.syncs, reason=reason, now=now)
    return row is not None


async def find(connection: Connection, names: Collection[str]) -> list[tuple[int, str]]:
    """Return athletes whom Intervals.icu calls so, with that name; only those whose key is in force."""
    rows = await fetched(_queries.find(connection, names=sorted(names)))
    return [(row["athlete_id"], row["intervals_id"]) for row in rows]


async def show(connection: Connection, athlete_id: int) -> dict[str, Any] | None:
    """Return all but the secret, or None for an athlete without a key."""
    row = await _queries.show(connection, athlete_id=athlete_id)
    return dict(row) if row is not None else None


async def active(connection: Connection) -> list[int]:
    """Return the athletes whose key is in force."""
    return [row["athlete_id"] for row in await fetched(_queries.active(connection))]


async def count_by_state(connection: Connection) -> dict[str, int]:
    """Return how many keys are in force and how many were refused."""
    return {row["state"]: row["athletes"] for row in await fetched(_queries.count_by_state(connection))}


async def why_refused(connection: Connection) -> list[dict[str, Any]]:
    """Return state_reason, athletes, newest_at and an athlete_id for why keys were refused."""
    return [dict(row) for row in await fetched(_queries.why_refused(connection))]

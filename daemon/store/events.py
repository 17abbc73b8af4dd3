"""The inbox: events as they came, each once, until they are folded into jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("events")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One accepted body on its way into the inbox; `signature` says valid, invalid or absent, None if unread."""

    dedup_key: bytes
    received_at: datetime
    body: bytes
    signature: str | None


@dataclass(frozen=True, slots=True)
class Unfolded:
    """A stored body that waits to be folded."""

    event_id: int
    received_at: datetime
    body: bytes
    signature: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of one event; `owner_id` None where it could not be read, or is none of our athletes."""

    event_id: int
    owner_id: int | None
    outcome: str


async def store_batch(connection: Connection, arrivals: Sequence[Arrival]) -> set[bytes]:
    """Store many bodies in one statement; returns the dedup keys that were new."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.dedup_key)
    rows = await fetched(
        _queries.store_batch(
            connection,
            dedup_keys=[arrival.dedup_key for arrival in ordered],
            received_ats=[arrival.received_at for arrival in ordered],
            bodies=[arrival.body for arrival in ordered],
            signatures=[arrival.signature for arrival in ordered],
        )
    )
    return {row["dedup_key"] for row in rows}


async def lock_unfolded(connection: Connection, most: int) -> list[Unfolded]:
    """Take the oldest unfolded events that no other daemon holds, until the transaction ends."""
    return [Unfolded(**row) for row in await fetched(_queries.lock_unfolded(connection, most=most))]


async def mark_folded(connection: Connection, marks: Sequence[Mark]) -> None:
    """Say what became of each event."""
    await _queries.mark_folded(
        connection,
        event_ids=[mark.event_id for mark in marks],
        owner_ids=[mark.owner_id for mark in marks],
        outcomes=[mark.outcome for mark in marks],
    )


async def list_owned(connection: Connection, owner_id: int, most: int) -> list[bytes]:
    """Return the bodies of an athlete's newest folded events."""
    return [row["body"] for row in await fetched(_queries.list_owned(connection, owner_id=owner_id, most=most))]


async def spend_budget(
    connection: Connection, looks_by_owner: Mapping[int, int], hour_at: datetime
) -> dict[int, int]:
    """Count looks that webhooks cause, per owner (0 = all) within the hour; returns the new totals."""
    owners = sorted(looks_by_owner)
    rows = await fetched(
        _queries.spend_budget(
            connection, owner_ids=owners, looks=[looks_by_owner[owner] for owner in owners], hour_at=hour_at
        )
    )
    return {row["owner_id"]: row["looks"] for row in rows}


async def prune(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` folded events from before an instant, and the budgets of those hours."""
    count: int = await _queries.prune(connection, before=before, most=most)
    await _queries.prune_budgets(connection, before=before)
    return count


async def forget_owner(connection: Connection, owner_id: int) -> None:
    """Drop all folded events of an athlete and the count of his looks, for his erasure."""
    await _queries.forget_owner(connection, owner_id=owner_id)
    await _queries.forget_budgets(connection, owner_id=owner_id)


async def per_minute(connection: Connection, minutes: int) -> list[dict[str, Any]]:
    """Return minute_at, events and ignored for each of the last minutes, the oldest first."""
    return [dict(row) for row in await fetched(_queries.per_minute(connection, minutes=minutes))]


async def unfolded(connection: Connection) -> tuple[int, datetime | None]:
    """Return how many events wait to be folded, and since when the oldest does."""
    row = await _queries.unfolded(connection)
    return row["unfolded"], row["oldest_unfolded_at"]

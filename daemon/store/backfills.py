"""Backfills: how far each athlete's history has been listed, and how much of it is still to be fetched."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("backfills")

END_OF_A_LIST: Final = 2  # calls that an athlete who is still being listed may need: a page and an empty one


@dataclass(frozen=True, slots=True)
class Backfill:
    """One athlete's; `listed_to` None: nothing is listed yet."""

    athlete_id: int
    state: str
    target_from: datetime
    listed_to: datetime | None
    pages: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one athlete's backfill is, in activities; `failed` ones are tried on by jobs of their own."""

    athlete_id: int
    name: str | None
    state: str
    reason: str | None
    is_resting: bool
    target_from: datetime
    listed_to: datetime | None
    pages: int
    found: int
    done: int
    failed: int
    left: int
    started_at: datetime
    finished_at: datetime | None

    @property
    def calls_left(self) -> int:
        """Return how many calls are still needed, as far as the list has told."""
        if self.finished_at is not None:
            return 0
        return self.left + (END_OF_A_LIST if self.state == "listing" else 0)


async def open_backfills(
    connection: Connection, athlete_ids: Collection[int], days: int, now: datetime
) -> list[int]:
    """Begin the history of those of these athletes who have none; returns those for whom there is work."""
    rows = await fetched(_queries.open(connection, athlete_ids=list(athlete_ids), days=days, now=now))
    return [row["athlete_id"] for row in rows]


async def hold_idle(
    connection: Connection, died_before: datetime, athlete_ids: Collection[int] | None = None
) -> list[int]:
    """Return whose backfill goes on without a step in the queue, held until the transaction ends.

    Of these athletes, or of all (None); whose last step died at `died_before` or later is left out.
    """
    among = list(athlete_ids) if athlete_ids is not None else None
    rows = await fetched(_queries.hold_idle(connection, athlete_ids=among, died_before=died_before))
    return [row["athlete_id"] for row in rows]


async def get(connection: Connection, athlete_id: int) -> Backfill | None:
    """Return an athlete's backfill."""
    row = await _queries.get(connection, athlete_id=athlete_id)
    return Backfill(**{name: row[name] for name in Backfill.__dataclass_fields__}) if row is not None else None


async def turn_page(connection: Connection, athlete_id: int, listed_to: datetime | None, found: int) -> None:
    """Store that a page was read down to a start (None: it was empty), with so many that are to be fetched."""
    await _queries.turn_page(connection, athlete_id=athlete_id, listed_to=listed_to, found=found)


async def begin_fetching(connection: Connection, athlete_id: int) -> None:
    """Store that the list is read as far back as it is wanted."""
    await _queries.begin_fetching(connection, athlete_id=athlete_id)


async def set_aside(connection: Connection, athlete_id: int) -> None:
    """Count an activity that is left to a job of its own."""
    await _queries.set_aside(connection, athlete_id=athlete_id)


async def finish(connection: Connection, athlete_id: int, now: datetime) -> None:
    """Store that nothing is left."""
    await _queries.finish(connection, athlete_id=athlete_id, now=now)


async def refuse(connection: Connection, athlete_id: int, reason: str, now: datetime) -> None:
    """Store that the athlete does not let us; a reconnect begins again."""
    await _queries.refuse(connection, athlete_id=athlete_id, reason=reason, now=now)


async def progress(connection: Connection, athlete_id: int | None) -> list[Progress]:
    """Return how far backfills are, one athlete's or (None) all, the unfinished ones first."""
    rows = await fetched(_queries.progress(connection, athlete_id=athlete_id))
    return [
        Progress(
            athlete_id=row["athlete_id"],
            name=row["name"],
            state=row["state"],
            reason=row["reason"],
            is_resting=row["athlete_state"] != "active",
            target_from=row["target_from"],
            listed_to=row["listed_to"],
            pages=row["pages"],
            found=row["found"],
            done=max(0, row["found"] - row["failed"] - row["unlooked"]),
            failed=row["failed"],
            left=row["unlooked"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )
        for row in rows
    ]


async def summed_up(connection: Connection, most: int) -> dict[str, int]:
    """Return how many backfills are in each state, found, failed, and up to `most` activities that are left."""
    return dict(await _queries.summed_up(connection, most=most))

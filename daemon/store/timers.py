"""When each job is due next, and the one statement by which one daemon of many takes a due run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.store.database import Connection, fetched, named_queries
from daemon.store.runs import Run

_queries: Final = named_queries("scheduler_timers")


@dataclass(frozen=True, slots=True)
class Planned:
    """A timer as it stands: due at `due_at`, to begin at `starts_at`; `open_run_id` is its job at work."""

    job: str
    due_at: datetime
    starts_at: datetime
    open_run_id: int | None


@dataclass(frozen=True, slots=True)
class Next:
    """What to plan: the due instant, and when to begin."""

    due_at: datetime
    starts_at: datetime


async def plant(connection: Connection, planned: Mapping[str, Next]) -> None:
    """Plan timers by job, where none is planned yet."""
    await _queries.plant(
        connection,
        jobs=list(planned),
        due_ats=[at.due_at for at in planned.values()],
        starts_ats=[at.starts_at for at in planned.values()],
    )


async def replan(connection: Connection, timer: Planned, at: Next) -> None:
    """Plan a timer anew, unless somebody else has moved it."""
    await _queries.replan(
        connection, job=timer.job, planned_at=timer.due_at, due_at=at.due_at, starts_at=at.starts_at
    )


async def list_all(connection: Connection) -> list[Planned]:
    """Return every timer, by name."""
    return [Planned(**row) for row in await fetched(_queries.list_all(connection))]


async def take(
    connection: Connection, timer: Planned, due_at: datetime, following: Next, lease_seconds: float
) -> Run | None:
    """Begin the run for `due_at` and plan the `following`; None where another daemon did, or its job is at work."""
    row = await _queries.take(
        connection,
        job=timer.job,
        planned_at=timer.due_at,
        run_due_at=due_at,
        next_due_at=following.due_at,
        next_starts_at=following.starts_at,
        lease_seconds=lease_seconds,
    )
    return Run(**row) if row is not None else None

"""How far everybody's history has come, and when the quota will have carried the rest: for the CLI and the API.

It refuses to fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from daemon.jobs.backlog import Backlog
from daemon.store import backfills
from daemon.store.backfills import Progress
from daemon.store.database import Connection


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """The athletes asked about, and when everybody's will be done: they take turns, one waits for the others."""

    athletes: Sequence[Progress]
    done_at: datetime | None

    @property
    def calls_left(self) -> int:
        """Return how many calls these athletes' histories still take."""
        return sum(row.calls_left for row in self.athletes)


async def read_own(connection: Connection, backlog: Backlog, athlete_id: int) -> BackfillProgress:
    """Read the progress of one athlete's history; of the others' only what he waits for."""
    own = await backfills.progress(connection, athlete_id)
    waits = any(row.finished_at is None for row in own)
    return BackfillProgress(own, (await backlog.read(connection)).done_at if waits else None)


async def read_all(connection: Connection, backlog: Backlog) -> BackfillProgress:
    """Read the progress of everybody's history, athlete by athlete: of a large fleet that takes its time."""
    everybody = BackfillProgress(await backfills.progress(connection, None), None)
    return replace(everybody, done_at=await backlog.done_at(connection, everybody.calls_left))

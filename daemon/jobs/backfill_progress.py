"""How far everybody's history has come, and when the quota will have carried the rest: for the CLI and the API.

It refuses to fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.core.quota import Lengths
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import backfill_done_at
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


async def read(
    connection: Connection, client_id: int, lengths: Lengths, athlete_id: int | None
) -> BackfillProgress:
    """Read the progress of one athlete's history, or of everybody's."""
    if athlete_id is not None:
        own = await backfills.progress(connection, athlete_id)
        if all(row.finished_at is not None for row in own):  # what the others wait for does not matter to him
            return BackfillProgress(own, None)
    everybody = await backfills.progress(connection, None)
    calls_left = sum(row.calls_left for row in everybody)
    done_at = await backfill_done_at(connection, client_id, lengths, CALLS, calls_left)
    return BackfillProgress([row for row in everybody if athlete_id in {None, row.athlete_id}], done_at)

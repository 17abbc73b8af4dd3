"""What is told of everybody's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import Field

from daemon.jobs.backfill_progress import BackfillProgress
from daemon.store.backfills import Progress
from daemon.web.endpoints import Model, Query


class HistoryQuery(Query):
    """Whose history: one athlete's, or a page of everybody's, the unfinished ones first."""

    athlete_id: int | None = Field(None, ge=1, le=2**63 - 1, description="Only this athlete's.")
    limit: int = Field(100, ge=1, le=1000, description="How many athletes at most.")
    cursor: str | None = Field(None, max_length=500, description="What `next` of the page before held.")


class AthletesHistory(Model):
    """How far one athlete's history has come, in activities; `failed` ones are tried on by jobs of their own.

    `listed_to` is how far back his list was read, `target_from` how far back it is wanted; `is_resting` says that
    he has to connect again before it goes on.
    """

    athlete_id: int
    name: str | None
    state: Literal["listing", "fetching", "finished", "refused"]
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
    calls_left: int

    @classmethod
    def of(cls, row: Progress) -> AthletesHistory:
        """Return one athlete's progress as it is told."""
        return cls(**asdict(row), calls_left=row.calls_left)


class Histories(Model):
    """The sums over all that was asked for, when the quota will have carried the rest, and a page of athletes."""

    found: int
    done: int
    failed: int
    left: int
    calls_left: int
    done_at: datetime | None
    athletes: list[AthletesHistory]
    next: str | None

    @classmethod
    def of(cls, progress: BackfillProgress, page: Sequence[Progress], following: str | None = None) -> Histories:
        """Return the progress as it is told, with a page of its athletes."""
        rows = progress.athletes
        return cls(
            found=sum(row.found for row in rows),
            done=sum(row.done for row in rows),
            failed=sum(row.failed for row in rows),
            left=sum(row.left for row in rows),
            calls_left=progress.calls_left,
            done_at=progress.done_at,
            athletes=[AthletesHistory.of(row) for row in page],
            next=following,
        )

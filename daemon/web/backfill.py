"""`GET /backfill`: how far everybody's history has come, or with `?athlete_id=` one athlete's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from aiohttp import web

from daemon.jobs import backfill_progress
from daemon.jobs.backlog import Backlog
from daemon.store.backfills import Progress
from daemon.store.database import Database
from daemon.web import cursors
from daemon.web.cursors import Id, Instant
from daemon.web.endpoints import Endpoint, Who, cached, query_of
from daemon.web.models.backfill import Histories, HistoryQuery
from daemon.web.problems import NOT_FOUND, Refused

Place: TypeAlias = tuple[bool, datetime, int]  # as store.backfills.progress orders them


class BackfillPage:
    """Progress and when the quota will have carried the rest, read anew at each request."""

    def __init__(self, database: Database, backlog: Backlog) -> None:
        self._database = database
        self._backlog = backlog

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint(
                "GET", "/backfill", self.show, Who.READ, "history",
                "Say how far everybody's history has come, and when the quota will have carried it.",
                Histories, query=HistoryQuery, problems=(NOT_FOUND,),
            )
        ]  # fmt: skip

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the progress; 404 for an athlete whose history was never asked for."""
        query = query_of(request, HistoryQuery)
        after: Place | None = cursors.read(query.cursor, tuple[bool, Instant, Id])
        async with self._database.connection() as connection:
            if query.athlete_id is not None:
                found = await backfill_progress.read_own(connection, self._backlog, query.athlete_id)
            else:
                found = await backfill_progress.read_all(connection, self._backlog)
        if query.athlete_id is not None and not found.athletes:
            raise Refused(NOT_FOUND, f"no history was asked for of athlete {query.athlete_id}: see backfill.days")
        page, following = _page(found.athletes, after, query.limit)
        return cached(request, Histories.of(found, page, following))


def _page(rows: Sequence[Progress], after: Place | None, limit: int) -> tuple[Sequence[Progress], str | None]:
    """Return the page after a place and the cursor of the next one.

    All rows are at hand, for the sums. Who finishes meanwhile moves back and is told twice, never missed.
    """
    rest = [row for row in rows if after is None or _place(row) > after]
    page = rest[:limit]
    return page, cursors.written(*_place(page[-1])) if len(rest) > limit else None


def _place(row: Progress) -> Place:
    return row.finished_at is not None, row.started_at, row.athlete_id

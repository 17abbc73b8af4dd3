"""The queue over HTTP: jobs by state, and dead ones retried or dropped by hand.

A dropped job is gone: only a line in the log stays of it. Living jobs are left alone; they settle themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from daemon.core.admission import Lane
from daemon.core.events import LARGEST_ID
from daemon.core.remedies import advise
from daemon.jobs import dead_letters
from daemon.store import jobs
from daemon.store.database import Connection, Database
from daemon.web import cursors
from daemon.web.answers import whole_number
from daemon.web.cursors import Id, Instant
from daemon.web.endpoints import Endpoint, Who, cached, modelled, query_of
from daemon.web.models.operator import (
    Dropped,
    JobRow,
    Jobs,
    JobsAsked,
    KindAsked,
    Retried,
    RetriedAll,
)
from daemon.web.problems import CONFLICT, NOT_FOUND, Refused

TAG: Final = "queue"


class QueuePages:
    """`on_queued` is told when there is a job to claim."""

    def __init__(self, database: Database, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return the addresses."""
        return [
            Endpoint(
                "GET",
                "/jobs",
                self.list_jobs,
                Who.READ,
                TAG,
                "List the jobs of a state: the dead newest first, the queued as they will be claimed.",
                Jobs,
                query=JobsAsked,
            ),
            Endpoint(
                "POST",
                "/jobs/retry",
                self.retry_all,
                Who.OPERATE,
                TAG,
                "Queue all dead jobs of a kind again.",
                RetriedAll,
                query=KindAsked,
            ),
            Endpoint(
                "POST",
                "/jobs/{job_id}/retry",
                self.retry,
                Who.OPERATE,
                TAG,
                "Queue a dead job again, merged into its twin where one is queued already.",
                Retried,
                problems=(NOT_FOUND, CONFLICT),
            ),
            Endpoint(
                "DELETE",
                "/jobs/{job_id}",
                self.drop,
                Who.OPERATE,
                TAG,
                "Delete a dead job for good; a line in the log is all that stays of it.",
                Dropped,
                problems=(NOT_FOUND, CONFLICT),
            ),
        ]

    async def list_jobs(self, request: web.Request) -> web.Response:
        """Answer with a page of jobs."""
        asked = query_of(request, JobsAsked)
        async with self._database.connection() as connection:
            match asked.state:
                case "dead":
                    after = cursors.read(asked.cursor, tuple[Instant, Id])
                    page = await dead_page(connection, asked.kind, after, asked.limit)
                case "queued":
                    page = await _queued_page(connection, asked)
                case _:
                    page = await _running_page(connection, asked)
        return cached(request, page)

    async def retry(self, request: web.Request) -> web.Response:
        """Queue one again."""
        job_id = _job_id(request)
        if not await dead_letters.retry(self._database, job_id):
            raise await self._not_dead(job_id)
        self._on_queued()
        return modelled(Retried(job_id=job_id, state="queued"))

    async def retry_all(self, request: web.Request) -> web.Response:
        """Queue all of a kind again."""
        kind = query_of(request, KindAsked).kind
        retried = await dead_letters.retry_all(self._database, kind)
        self._on_queued()
        return modelled(RetriedAll(kind=kind, retried=retried))

    async def drop(self, request: web.Request) -> web.Response:
        """Delete one."""
        job_id = _job_id(request)
        dropped = await dead_letters.drop(self._database, job_id)
        if dropped is None:
            raise await self._not_dead(job_id)
        return modelled(
            Dropped(
                job_id=job_id,
                kind=dropped["kind"],
                athlete_id=dropped["serial_key"],
                outcome=dropped["outcome"],
            )
        )

    async def _not_dead(self, job_id: int) -> Refused:
        async with self._database.connection() as connection:
            found = await jobs.read(connection, job_id)
        if found is None:
            return Refused(NOT_FOUND, f"there is no job {job_id}: it was merged, dropped, or done long ago")
        return Refused(CONFLICT, f"job {job_id} is {found['state']}, and only dead ones can be retried or dropped")


async def dead_page(connection: Connection, kind: str | None, after: Any, most: int) -> Jobs:
    """Read a page of the dead; `after` is when the last one of the page before died, and its id."""
    rows = await jobs.page_dead(connection, kind, after, most + 1)
    return _page(rows, most, lambda row: cursors.written(row["settled_at"], row["job_id"]))


async def _queued_page(connection: Connection, asked: JobsAsked) -> Jobs:
    after = cursors.read(asked.cursor, tuple[Lane, Instant, Id])
    rows = await jobs.page_queued(connection, asked.kind, after, asked.limit + 1)
    return _page(rows, asked.limit, lambda row: cursors.written(row["lane"], row["fair_at"], row["job_id"]))


async def _running_page(connection: Connection, asked: JobsAsked) -> Jobs:
    after = cursors.read(asked.cursor, tuple[Id])
    rows = await jobs.page_running(connection, asked.kind, after[0] if after is not None else None, asked.limit + 1)
    return _page(rows, asked.limit, lambda row: cursors.written(row["job_id"]))


def _page(rows: list[dict[str, Any]], most: int, cursor_behind: Callable[[Mapping[str, Any]], str]) -> Jobs:
    """Make a page of what was read, one more than fits to know whether there is another."""
    following = cursor_behind(rows[most - 1]) if len(rows) > most else None
    return Jobs(items=[_row(row) for row in rows[:most]], next=following)


def _row(row: Mapping[str, Any]) -> JobRow:
    payload, outcome = row["payload"], row["outcome"]
    athlete_id, activity_id = row["serial_key"], payload.get("activity_id")
    if athlete_id is None and isinstance(payload.get("athlete_id"), int):  # of work that takes no turn
        athlete_id = payload["athlete_id"]
    return JobRow(
        job_id=row["job_id"],
        kind=row["kind"],
        lane=row["lane"],
        state=row["state"],
        athlete_id=athlete_id,
        activity_id=activity_id if isinstance(activity_id, int) else None,
        attempts=row["attempts"],
        run_at=row["run_at"],
        died_at=row["settled_at"],
        outcome=outcome,
        advice=advise(outcome, row["kind"]) if outcome is not None else None,
    )


def _job_id(request: web.Request) -> int:
    job_id = whole_number(request.match_info["job_id"], 1, LARGEST_ID)
    if job_id is None:
        raise Refused(NOT_FOUND, "a job's id is a number, as GET /jobs shows it")
    return job_id

"""The scheduled jobs over HTTP: when each is due, what the last runs did, and a run by hand.

A run that is asked for is begun by whichever daemon looks next, not by this one's handler: what is answered is that
it is asked for.
"""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web

from daemon.core.schedule import TIMERS
from daemon.store import runs, timers
from daemon.store.database import Connection, Database
from daemon.web import cursors
from daemon.web.cursors import Id
from daemon.web.endpoints import Endpoint, Who, cached, modelled, query_of
from daemon.web.models.scheduler import JobName, Run, RunAsked, Runs, RunsQuery, ScheduledJob, ScheduledJobs
from daemon.web.problems import ALREADY_RUNNING, UNKNOWN_JOB, Refused

log = structlog.get_logger()

TAG: Final = "scheduler"


class SchedulerPages:
    """`/scheduler/jobs`, `/scheduler/runs` and `/scheduler/run/{job}`; `timezone` is `schedule.timezone`."""

    def __init__(self, database: Database, timezone: str) -> None:
        self._database = database
        self._timezone = timezone

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint(
                "GET", "/scheduler/jobs", self.jobs, Who.READ, TAG,
                "Say of every scheduled job when it is due next, and how its last run went.",
                ScheduledJobs,
            ),
            Endpoint(
                "GET", "/scheduler/runs", self.newest_runs, Who.READ, TAG,
                "List runs, newest first: whom they considered, skipped and synced, and what that found.",
                Runs, query=RunsQuery,
            ),
            Endpoint(
                "POST", "/scheduler/run/{job}", self.run, Who.OPERATE, TAG,
                "Ask for a run now; a daemon begins it within seconds.",
                RunAsked, 202, problems=(UNKNOWN_JOB, ALREADY_RUNNING), in_path={"job": JobName},
            ),
        ]  # fmt: skip

    async def jobs(self, request: web.Request) -> web.Response:
        """Say of every job when it is due next, and how its last run went."""
        async with self._database.connection() as connection:
            found = await scheduled_jobs(connection, self._timezone)
        return cached(request, ScheduledJobs(jobs=found))

    async def newest_runs(self, request: web.Request) -> web.Response:
        """List runs, newest first."""
        query = query_of(request, RunsQuery)
        (before,) = cursors.read(query.cursor, tuple[Id]) or (None,)
        async with self._database.connection() as connection:
            rows = await runs.list_newest(connection, query.job, query.limit + 1, before)
        following = cursors.written(rows[query.limit - 1]["run_id"]) if len(rows) > query.limit else None
        return cached(request, Runs(runs=[Run(**row) for row in rows[: query.limit]], next=following))

    async def run(self, request: web.Request) -> web.Response:
        """Ask for a run: 202 with its number; 409 where one has not ended."""
        job = request.match_info["job"]
        if job not in TIMERS:
            raise Refused(UNKNOWN_JOB, f"{job[:50]!r} is not one of {', '.join(TIMERS)}")
        try:
            async with self._database.transaction() as connection:
                requested = await runs.request(connection, job, "api")
        except runs.AlreadyRunning as refusal:
            raise Refused(ALREADY_RUNNING, str(refusal), run_id=refusal.run_id) from refusal
        log.info("run.requested", job=job, run_id=requested.run_id)
        return modelled(RunAsked(run_id=requested.run_id, job=job, due_at=requested.due_at), 202)


async def scheduled_jobs(connection: Connection, timezone: str) -> list[ScheduledJob]:
    """Return every scheduled job with its timing, next due instant and newest run."""
    planned = {timer.job: timer for timer in await timers.list_all(connection)}
    found = []
    for timer in TIMERS.values():
        newest = await runs.list_newest(connection, timer.job, 1)
        at = planned.get(timer.job)
        found.append(
            ScheduledJob(
                job=timer.job,
                does=timer.does,
                timing=str(timer.timing),
                timezone=timezone,
                due_at=at.due_at if at is not None else None,
                starts_at=at.starts_at if at is not None else None,
                last_run=Run(**newest[0]) if newest else None,
            )
        )
    return found

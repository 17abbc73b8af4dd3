"""The scheduled jobs over HTTP: when each is due, what the last runs did, and a run by hand.

A run that is asked for is begun by whichever daemon looks next, not by this one's handler: what is answered is that
it is asked for. This module refuses to let anybody in by itself.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from aiohttp import web

from daemon.core.schedule import TIMERS
from daemon.store import runs, timers
from daemon.store.database import Connection, Database
from daemon.web.admin import Guard
from daemon.web.answers import answer, problem, weathering, whole_number

log = structlog.get_logger()

MOST_RUNS: Final = 1_000


class SchedulerPages:
    """`/scheduler/jobs`, `/scheduler/runs` and `/scheduler/run/{job}`; `timezone` is `schedule.timezone`."""

    def __init__(self, database: Database, guard: Guard, timezone: str) -> None:
        self._database = database
        self._guard = guard
        self._timezone = timezone

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [
            web.get("/scheduler/jobs", self._guard.read(weathering(self.jobs))),
            web.get("/scheduler/runs", self._guard.read(weathering(self.newest_runs))),
            web.post("/scheduler/run/{job}", self._guard.operate(weathering(self.run))),
        ]

    async def jobs(self, _: web.Request) -> web.Response:
        """Say of every job when it is due next, and how its last run went."""
        async with self._database.connection() as connection:
            return answer({"jobs": await job_rows(connection, self._timezone)})

    async def newest_runs(self, request: web.Request) -> web.Response:
        """List runs, newest first: `?job=` of one job, `?most=` so many."""
        job, most = request.query.get("job"), whole_number(request.query.get("most", "50"), 1, MOST_RUNS)
        if job is not None and job not in TIMERS:
            return _unknown(job)
        if most is None:
            return problem(400, "bad query", f"`most` is a number from 1 to {MOST_RUNS}")
        async with self._database.connection() as connection:
            return answer({"runs": await runs.list_newest(connection, job, most)})

    async def run(self, request: web.Request) -> web.Response:
        """Ask for a run: 202 with its number; 409 where one has not ended."""
        job = request.match_info["job"]
        if job not in TIMERS:
            return _unknown(job)
        try:
            async with self._database.transaction() as connection:
                requested = await runs.request(connection, job, "api")
        except runs.AlreadyRunning as refusal:
            return problem(409, "already running", str(refusal), run_id=refusal.run_id)
        log.info("run.requested", job=job, run_id=requested.run_id)
        body = {"run_id": requested.run_id, "job": job, "state": "waiting", "due_at": requested.due_at}
        return answer(body, status=202)


async def job_rows(connection: Connection, timezone: str) -> list[dict[str, Any]]:
    """Return every scheduled job with its timing, next due instant and newest run, for JSON and for tables."""
    planned = {timer.job: timer for timer in await timers.list_all(connection)}
    rows = []
    for timer in TIMERS.values():
        newest = await runs.list_newest(connection, timer.job, 1)
        at = planned.get(timer.job)
        rows.append(
            {
                "job": timer.job,
                "does": timer.does,
                "timing": str(timer.timing),
                "timezone": timezone,
                "due_at": at.due_at if at is not None else None,
                "starts_at": at.starts_at if at is not None else None,
                "last_run": newest[0] if newest else None,
            }
        )
    return rows


def _unknown(job: str) -> web.Response:
    return problem(404, "no such job", f"{job[:50]!r} is not one of {', '.join(TIMERS)}")

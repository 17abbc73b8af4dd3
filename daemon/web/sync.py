"""`POST /sync/test/{athlete_id}`: a sync by hand over HTTP, or with `?dry_run=1` what it would do and why.

It refuses to let anybody in by itself.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.clock import Clock
from daemon.core.events import LARGEST_ID
from daemon.core.freshness import Policy
from daemon.jobs.sync_trial import LONGEST_SECONDS, Plan, SyncTrial, plan
from daemon.store import receivers
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.answers import answer, problem, weathering, whole_number

YES: Final = frozenset({"1", "true", "yes"})
NO: Final = frozenset({"", "0", "false", "no"})


class SyncPages:
    """The one route; `client_id` is the Strava app's."""

    def __init__(
        self, database: Database, guard: Guard, client_id: int, policy: Policy, clock: Clock, trial: SyncTrial
    ) -> None:
        self._database = database
        self._guard = guard
        self._client_id = client_id
        self._policy = policy
        self._clock = clock
        self._trial = trial

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.post("/sync/test/{athlete_id}", self._guard.operate(weathering(self.test)))]

    async def test(self, request: web.Request) -> web.Response:
        """Answer 200 with the plan or the result, 202 where it is still under way after a minute."""
        athlete_id = whole_number(request.match_info["athlete_id"], 1, LARGEST_ID)
        dry_run = request.query.get("dry_run", "").lower()
        if athlete_id is None:
            return problem(404, "no such athlete", "an athlete's id is a number: `domestique athletes list`")
        if dry_run not in YES | NO:
            return problem(400, "bad query", "dry_run is 1 or 0")
        return await self._answer(athlete_id, is_dry=dry_run in YES)

    async def _answer(self, athlete_id: int, *, is_dry: bool) -> web.Response:
        planned = await self._plan(athlete_id)
        if planned is None:
            return problem(404, "no such athlete", f"athlete {athlete_id} is unknown: `domestique athletes list`")
        if is_dry:
            return answer(planned.report)
        if planned.obstacle is not None:
            return problem(409, "he cannot be synced", planned.obstacle)
        report = await self._trial.perform(athlete_id, planned.lookback, LONGEST_SECONDS)
        return answer(report, status=200 if report["state"] in {"done", "dead"} else 202)

    async def _plan(self, athlete_id: int) -> Plan | None:
        async with self._database.connection() as connection:
            proof = await receivers.proof(connection, self._client_id)
            return await plan(connection, athlete_id, self._clock.now(), proof, self._policy)

"""`POST /sync/test/{athlete_id}`: a sync by hand over HTTP, or with `?dry_run=1` what it would do and why."""

from __future__ import annotations

from aiohttp import web

from daemon.clock import Clock
from daemon.core.freshness import Policy
from daemon.jobs.sync_trial import LONGEST_SECONDS, Plan, SyncTrial, plan
from daemon.store import receivers
from daemon.store.database import Database
from daemon.web.endpoints import Endpoint, Who, modelled, query_of, whose
from daemon.web.models.sync import SyncFound, SyncPlan, SyncQuery, SyncStands, told
from daemon.web.problems import CONFLICT, UNKNOWN_ATHLETE, Refused


class SyncPages:
    """The one address; `client_id` is the Strava app's."""

    def __init__(self, database: Database, client_id: int, policy: Policy, clock: Clock, trial: SyncTrial) -> None:
        self._database = database
        self._client_id = client_id
        self._policy = policy
        self._clock = clock
        self._trial = trial

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint(
                "POST", "/sync/test/{athlete_id}", self.test, Who.OPERATE, "sync",
                "Look at an athlete's activities now and say what came of it, or plan to: 202 where it is still"
                " under way after a minute.",
                SyncPlan | SyncFound | SyncStands, also={202: SyncFound | SyncStands},
                query=SyncQuery, problems=(CONFLICT,),
            )
        ]  # fmt: skip

    async def test(self, request: web.Request) -> web.Response:
        """Answer 200 with the plan or the result, 202 where it is still under way after a minute."""
        athlete_id, query = whose(request), query_of(request, SyncQuery)
        planned = await self._plan(athlete_id)
        if planned is None:
            raise _unknown(athlete_id)
        if query.dry_run:
            return modelled(SyncPlan.model_validate(planned.report))
        if planned.obstacle is not None:
            raise Refused(CONFLICT, planned.obstacle)
        performed = await self._trial.perform(athlete_id, planned.lookback, LONGEST_SECONDS)
        if performed is None:
            raise _unknown(athlete_id)
        report = told(performed)
        return modelled(report, 200 if report.state in {"done", "dead"} else 202)

    async def _plan(self, athlete_id: int) -> Plan | None:
        async with self._database.connection() as connection:
            proof = await receivers.proof(connection, self._client_id)
            return await plan(connection, athlete_id, self._clock.now(), proof, self._policy)


def _unknown(athlete_id: int) -> Refused:
    return Refused(UNKNOWN_ATHLETE, f"athlete {athlete_id} is unknown: `domestique athletes list`")

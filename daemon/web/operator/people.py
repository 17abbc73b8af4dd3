"""The athletes over HTTP: found by id or name, and when each is looked at, and why."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.clock import Clock
from daemon.core.explained import Explanation, explain
from daemon.core.freshness import Policy, Skip, Sync
from daemon.store import athletes, receivers, sync_states
from daemon.store.database import Connection, Database
from daemon.web import cursors
from daemon.web.cursors import Id
from daemon.web.doors import OF_ATHLETE
from daemon.web.endpoints import Endpoint, Who, cached, query_of, whose
from daemon.web.models.operator import AthleteRow, Athletes, AthletesAsked, Explained, OccasionDecided
from daemon.web.problems import UNKNOWN_ATHLETE, Refused

TAG: Final = "athletes"


class PeoplePages:
    """`client_id` is the Strava app's, whose webhooks are proven or not; `policy` decides who is looked at."""

    def __init__(self, database: Database, client_id: int, policy: Policy, clock: Clock) -> None:
        self._database = database
        self._client_id = client_id
        self._policy = policy
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """Return the addresses."""
        return [
            Endpoint(
                "GET",
                "/athletes",
                self.list_athletes,
                Who.READ,
                TAG,
                "List athletes by id, or those that a search finds.",
                Athletes,
                query=AthletesAsked,
            ),
            Endpoint(
                "GET",
                f"{OF_ATHLETE}/explain",
                self.explain,
                Who.READ,
                TAG,
                "Say when an athlete is looked at, and why.",
                Explained,
                problems=(UNKNOWN_ATHLETE,),
            ),
        ]

    async def list_athletes(self, request: web.Request) -> web.Response:
        """Answer with a page of athletes."""
        asked = query_of(request, AthletesAsked)
        async with self._database.connection() as connection:
            return cached(request, await athletes_page(connection, asked))

    async def explain(self, request: web.Request) -> web.Response:
        """Answer with what each occasion would decide about him now."""
        athlete_id = whose(request)
        async with self._database.connection() as connection:
            explained = await self.explained(connection, athlete_id)
        if explained is None:
            raise Refused(UNKNOWN_ATHLETE, f"there is no athlete {athlete_id}: `domestique athletes list`")
        return cached(request, explained)

    async def explained(self, connection: Connection, athlete_id: int) -> Explained | None:
        """Explain an athlete; None where there is none."""
        known = await sync_states.get(connection, athlete_id)
        if known is None:
            return None
        proof = await receivers.proof(connection, self._client_id)
        return _told(athlete_id, explain(known, self._clock.now(), proof, self._policy))


async def athletes_page(connection: Connection, asked: AthletesAsked) -> Athletes:
    """Read a page of athletes."""
    after = cursors.read(asked.cursor, tuple[Id])
    after_id = after[0] if after is not None else 0
    rows = await athletes.page(connection, asked.search or None, asked.state, after_id, asked.limit + 1)
    is_last = len(rows) <= asked.limit
    items = [AthleteRow.model_validate(row) for row in rows[: asked.limit]]
    return Athletes(items=items, next=None if is_last else cursors.written(items[-1].athlete_id))


def _told(athlete_id: int, explanation: Explanation) -> Explained:
    doubt = explanation.doubt
    return Explained(
        athlete_id=athlete_id,
        webhooks="proven" if doubt is None else doubt.reason,
        unseen_since=doubt.since if doubt is not None else None,
        expected_activities=explanation.unseen.activities,
        waiting_hours=explanation.unseen.waiting_hours,
        uploads_a_week=explanation.weekly,
        likely_hours=list(explanation.likely),
        occasions=[
            OccasionDecided(
                occasion=occasion.value,
                sync=isinstance(decision, Sync),
                why=decision.why,
                reason=decision.reason,
                until=decision.until if isinstance(decision, Skip) else None,
            )
            for occasion, decision in explanation.decisions
        ],
        says=list(explanation.lines()),
    )

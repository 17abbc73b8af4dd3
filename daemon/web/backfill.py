"""`GET /backfill`: how far everybody's history has come, or with `?athlete_id=` one athlete's."""

from __future__ import annotations

from aiohttp import web

from daemon.core.events import LARGEST_ID
from daemon.core.quota import Lengths
from daemon.jobs import backfill_progress
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.answers import answer, problem, weathering, whole_number


class BackfillPage:
    """Progress and when the quota will have carried the rest, read anew at each request."""

    def __init__(self, database: Database, client_id: int, lengths: Lengths, guard: Guard) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/backfill", self._guard.read(weathering(self.show)))]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the progress; 404 for an athlete whose history was never asked for."""
        text = request.query.get("athlete_id")
        athlete_id = whole_number(text, 1, LARGEST_ID) if text is not None else None
        if text is not None and athlete_id is None:
            return problem(400, "bad query", "athlete_id is a number: `domestique athletes list` shows them")
        async with self._database.connection() as connection:
            found = await backfill_progress.read(connection, self._client_id, self._lengths, athlete_id)
        if athlete_id is not None and not found.athletes:
            detail = f"no history was asked for of athlete {athlete_id}: see backfill.days"
            return problem(404, "no such history", detail)
        return answer(found.as_json())

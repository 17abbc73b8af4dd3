"""`GET /quota`: the state of the quota as JSON, for dashboards and scripts that hold a token."""

from __future__ import annotations

from aiohttp import web

from daemon.core import quota
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.answers import answer, weathering


class QuotaPage:
    """One report, read from the ledger at each request."""

    def __init__(self, database: Database, client_id: int, lengths: quota.Lengths, guard: Guard) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/quota", self._guard.read(weathering(self.show)))]

    async def show(self, _: web.Request) -> web.Response:
        """Answer with the report."""
        async with self._database.connection() as connection:
            report = await read_report(connection, self._client_id, self._lengths, CALLS)
        return answer(report.as_json())

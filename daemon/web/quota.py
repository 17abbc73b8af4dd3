"""`GET /quota`: the state of the quota as JSON, for dashboards and scripts that hold a token."""

from __future__ import annotations

import orjson
from aiohttp import web

from daemon.core import quota
from daemon.core.errors import Retryable
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.store.database import Database
from daemon.web.admin import Guard


class QuotaPage:
    """One report, read from the ledger at each request."""

    def __init__(self, database: Database, client_id: int, lengths: quota.Lengths, guard: Guard) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/quota", self._guard.read(self.show))]

    async def show(self, _: web.Request) -> web.Response:
        """Answer with the report; 503 while the database is away."""
        try:
            async with self._database.connection() as connection:
                report = await read_report(connection, self._client_id, self._lengths, CALLS)
        except Retryable as error:
            return web.json_response({"error": f"{error}: ask again in a few seconds"}, status=503)
        body = orjson.dumps(report.as_json(), option=orjson.OPT_UTC_Z)
        return web.Response(body=body, content_type="application/json")

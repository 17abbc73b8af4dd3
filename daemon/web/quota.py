"""`GET /quota`: the state of the quota as JSON, for dashboards and scripts that hold a token."""

from __future__ import annotations

from aiohttp import web

from daemon.core import quota
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.store.database import Database
from daemon.web.endpoints import Endpoint, Who, cached
from daemon.web.models.quota import Quota


class QuotaPage:
    """One report, read from the ledger at each request."""

    def __init__(self, database: Database, client_id: int, lengths: quota.Lengths) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        does = "Say what of Strava's limits is used, by whom, kept for whom, and when what waits will be done."
        return [Endpoint("GET", "/quota", self.show, Who.READ, "quota", does, Quota)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the report."""
        async with self._database.connection() as connection:
            report = await read_report(connection, self._client_id, self._lengths, CALLS)
        return cached(request, Quota.of(report))

"""`GET /metrics` for Prometheus, and the counting of this server's own requests.

A scraper on this machine needs no token, unless the settings say otherwise; all others need one that may read.
Who comes through a reverse proxy is a stranger although the proxy is on this machine: what a proxy adds to a
request says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from daemon.clock import Clock
from daemon.core.attempts import is_this_machine
from daemon.metrics import Metrics
from daemon.web.admin import Guard
from daemon.web.answers import pattern

UNROUTED: Final = "none"
OPEN: Final = "application/openmetrics-text"  # which tells its end, so that a cut answer is known
END: Final = b"# EOF\n"
PASSED_ON: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


class MetricsPage:
    """One route, in whichever of Prometheus' formats is asked for."""

    def __init__(self, metrics: Metrics, guard: Guard, *, is_local_open: bool) -> None:
        self._metrics = metrics
        self._with_token = guard.read(self.show)
        self._is_local_open = is_local_open

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/metrics", self.let_in)]

    async def let_in(self, request: web.Request) -> web.StreamResponse:
        """Show whoever may see."""
        if self._is_local_open and _is_local(request):
            return await self.show(request)
        return await self._with_token(request)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with every metric."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        pieces = []
        for family in self._metrics.registry.collect():
            pieces.append(encode(_Alone(family)).removesuffix(END))
            await asyncio.sleep(0)  # all at once would hold events up for 10 ms and more
        if content_type.startswith(OPEN):
            pieces.append(END)
        return web.Response(body=b"".join(pieces), headers={hdrs.CONTENT_TYPE: content_type})


class _Alone(Collector):
    """One family, as what an encoder takes."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def _is_local(request: web.Request) -> bool:
    return is_this_machine(request.remote) and not any(name in request.headers for name in PASSED_ON)


def counting(metrics: Metrics, clock: Clock) -> Middleware:
    """Return the middleware that counts requests; it goes before all others."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = clock.elapsed_seconds()
        response = await handler(request)
        seconds = clock.elapsed_seconds() - began
        is_routed = request.match_info.route.resource is not None  # what is not may have any method
        method = request.method if is_routed else UNROUTED
        is_whole = isinstance(response, web.Response)
        metrics.request_answered(pattern(request), method, response.status, seconds if is_whole else None)
        return response

    return count

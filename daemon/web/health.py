"""Health over HTTP, from the last beat of the pulse: never a query, never a secret."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from daemon.core.health import Check, Verdict
from daemon.loops.pulse import Pulse


class HealthPages:
    """`/healthz` for the process, `/readyz` for a load balancer, `/health` for an uptime monitor."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready), web.get("/health", self.health)]

    async def alive(self, _: web.Request) -> web.Response:
        """Answer at all."""
        return web.json_response({"status": "alive"})

    async def ready(self, _: web.Request) -> web.Response:
        """Say whether events can be taken: the database answers and keeps what it was given."""
        health = self._pulse.health
        if health is None or self._pulse.is_stale():
            return web.json_response({"status": "not ready", "reasons": ["not measured yet"]}, status=503)
        reasons = [f"{check.value}: {check.advice}" for check in health.checks if check.holds_back_traffic]
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    async def health(self, _: web.Request) -> web.Response:
        """Say how every check does: 503 as soon as one is failing."""
        health = self._pulse.health
        if health is None or self._pulse.is_stale():
            advice = "wait a few seconds; if it stays, restart the service"
            return web.json_response({"status": "failing", "advice": advice, "checks": []}, status=503)
        body = {
            "status": health.verdict.value,
            "measured_at": health.measured.measured_at.isoformat(),
            "checks": [as_json(check) for check in health.checks],
        }
        return web.json_response(body, status=503 if health.verdict is Verdict.FAILING else 200)


def as_json(check: Check) -> dict[str, Any]:
    """Return one check as it stands in the report."""
    return {
        "name": check.name,
        "status": check.verdict.value,
        "since": check.since.isoformat(),
        "value": check.value,
        "threshold": check.threshold,
        "advice": check.advice,
    }

"""Health over HTTP, from the last beat of the pulse: never a query, never a secret."""

from __future__ import annotations

from aiohttp import web

from daemon.core.health import Verdict
from daemon.loops.pulse import Pulse
from daemon.web.endpoints import Endpoint, Who, modelled
from daemon.web.models.health import Alive, Check, HealthReport, Readiness

TAG = "health"


class HealthPages:
    """`/healthz` for the process, `/readyz` for a load balancer, `/health` for an uptime monitor."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint("GET", "/healthz", self.alive, Who.ANYONE, TAG, "Answer as long as the process does.", Alive),
            Endpoint(
                "GET", "/readyz", self.ready, Who.ANYONE, TAG,
                "Say whether events can be taken: 503 while they would be lost.",
                Readiness, also={503: Readiness},
            ),
            Endpoint(
                "GET", "/health", self.health, Who.ANYONE, TAG,
                "Say how every check does, with what to do: 503 as soon as one is failing.",
                HealthReport, also={503: HealthReport},
            ),
        ]  # fmt: skip

    async def alive(self, _: web.Request) -> web.Response:
        """Answer at all."""
        return modelled(Alive(status="alive"))

    async def ready(self, _: web.Request) -> web.Response:
        """Say whether events can be taken: the database answers and keeps what it was given."""
        health = self._pulse.health
        if health is None or self._pulse.is_stale():
            return modelled(Readiness(status="not ready", reasons=["not measured yet"]), 503)
        reasons = [f"{check.value}: {check.advice}" for check in health.checks if check.holds_back_traffic]
        if reasons:
            return modelled(Readiness(status="not ready", reasons=reasons), 503)
        return modelled(Readiness(status="ready", reasons=[]))

    async def health(self, _: web.Request) -> web.Response:
        """Say how every check does: 503 as soon as one is failing."""
        health = self._pulse.health
        if health is None or self._pulse.is_stale():
            advice = "wait a few seconds; if it stays, restart the service"
            return modelled(HealthReport(status=Verdict.FAILING, measured_at=None, advice=advice, checks=[]), 503)
        told = HealthReport(
            status=health.verdict,
            measured_at=health.measured.measured_at,
            advice=None,
            checks=[Check.of(check) for check in health.checks],
        )
        return modelled(told, 503 if health.verdict is Verdict.FAILING else 200)

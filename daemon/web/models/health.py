"""What monitors are told."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from daemon.core import health
from daemon.web.endpoints import Model


class Alive(Model):
    """The process answers."""

    status: Literal["alive"]


class Readiness(Model):
    """Whether events can be taken; `reasons` say why not."""

    status: Literal["ready", "not ready"]
    reasons: list[str]


class Check(Model):
    """One check: `value` now, beyond which `threshold` it rings, `since` when it has been so, and what to do."""

    name: str
    status: health.Verdict
    since: datetime
    value: str
    threshold: str
    advice: str

    @classmethod
    def of(cls, check: health.Check) -> Check:
        """Return a check as it is told."""
        return cls(
            name=check.name,
            status=check.verdict,
            since=check.since,
            value=check.value,
            threshold=check.threshold,
            advice=check.advice,
        )


class HealthReport(Model):
    """The worst of the checks, and each of them; `advice` stands where nothing could be measured."""

    status: health.Verdict
    measured_at: datetime | None
    advice: str | None
    checks: list[Check]

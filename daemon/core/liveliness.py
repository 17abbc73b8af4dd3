"""Whether the watchdog is fed: a restart is for what a restart mends. And the status line of the service manager.

The loop's part is that somebody asks at all. A database that is being restarted is no reason: a new process would
only take our 503 away, which Strava repeats. But a pool that gets nothing from a server that answers others is ours
to mend, and after minutes without any answer a new process, a new name look-up and, where the server is our own, a
new server are worth trying. This module refuses to measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.core.health import Check, Verdict
from daemon.core.quota import MeterUsage

UNMEASURED_SECONDS: Final = 30.0
IGNORED_POOL_SECONDS: Final = 30.0
SILENT_SERVER_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Signs:
    """What there is to judge by, in seconds."""

    unmeasured_seconds: float  # since health was last measured
    server_silent_seconds: float  # since the database last answered anybody
    pool_ignored_seconds: float  # for so long it has been answering others, and not the pool
    tasks_ended: bool  # a root task has ended by itself


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is going on: events in the last minute, jobs that are due, jobs at work."""

    events: int
    jobs_due: int
    jobs_running: int


def illness(signs: Signs) -> str | None:
    """Say what only a restart can mend; None while the watchdog is to be fed."""
    if signs.tasks_ended:
        return "a root task has ended"
    if signs.unmeasured_seconds > UNMEASURED_SECONDS:
        return f"health has not been measured for {signs.unmeasured_seconds:.0f} s"
    if signs.server_silent_seconds > SILENT_SERVER_SECONDS:
        return f"the database has not answered for {signs.server_silent_seconds:.0f} s"
    if signs.pool_ignored_seconds > IGNORED_POOL_SECONDS:
        return f"the database answers, but for {signs.pool_ignored_seconds:.0f} s not the pool"
    return None


def status_line(checks: Sequence[Check], traffic: Traffic | None, quota: Sequence[MeterUsage]) -> str:
    """Say in one line how everything does: what is worst, what is going on, what of the quota is left."""
    parts = [_health(checks)]
    if traffic is not None:
        parts.append(f"{traffic.events} events/min; {traffic.jobs_due} jobs due, {traffic.jobs_running} running")
    scarcest: dict[str, MeterUsage] = {}
    for row in quota:
        if row.window not in scarcest or row.left < scarcest[row.window].left:
            scarcest[row.window] = row
    if scarcest:
        left = ", ".join(f"{row.left} of {row.limit} this {window}" for window, row in scarcest.items())
        parts.append(f"calls left: {left}")
    return "; ".join(parts)


def _health(checks: Sequence[Check]) -> str:
    worst = [
        check for verdict in (Verdict.FAILING, Verdict.WARNING) for check in checks if check.verdict is verdict
    ]
    if not worst:
        return "all is well"
    more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
    return f"{worst[0].verdict.value}: {worst[0].name}: {worst[0].value}{more}"

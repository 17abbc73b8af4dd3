"""What health is judged from, in one round trip, and what is going on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from daemon.core.diagnosis import Connected, Server
from daemon.core.health import TimerState
from daemon.core.liveliness import Traffic
from daemon.core.schedule import TIMERS
from daemon.core.subscription import State
from daemon.store.database import Connection, named_queries
from daemon.store.webhook_endpoints import BY_HAND

_queries: Final = named_queries("vitals")


async def read(connection: Connection, client_id: int) -> dict[str, Any]:
    """Return the database's part of `core.health.Measured`, by field name."""
    found = dict(await _queries.read(connection, client_id=client_id, by_hand=BY_HAND))
    state = found["subscription_state"]
    found["subscription_state"] = State(state) if state is not None else None
    found["settings_off"] = tuple(found["settings_off"])
    found["timers"] = tuple(
        TimerState(job, datetime.fromtimestamp(starts, UTC), _instant(running))
        for job, starts, running in found["timers"]
        if job in TIMERS  # another version's timer is nobody's here
    )
    return found


async def server(connection: Connection) -> Server:
    """Return what the server says of itself."""
    row = dict(await _queries.server(connection))
    return Server(**{**row, "settings_off": tuple(row["settings_off"])})


async def connected(connection: Connection) -> Connected:
    """Return how many athletes there are, and how many of them have not granted what is needed."""
    return Connected(**dict(await _queries.connected(connection)))


async def read_traffic(connection: Connection, now: datetime) -> Traffic:
    """Return what is going on: the events of the last minute, and the jobs."""
    found = await _queries.traffic(connection, since=now - timedelta(minutes=1), now=now)
    return Traffic(events=found["events"], jobs_due=found["jobs_due"], jobs_running=found["jobs_running"])


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None

"""The Strava app that we are: the subscription we hold, and what the last look at it found."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from daemon.core.subscription import Finding
from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("apps")


async def seed(connection: Connection, client_id: int, subscription_id: int | None) -> None:
    """Remember the app, and the configured subscription where none is known yet."""
    await _queries.seed(connection, client_id=client_id, subscription_id=subscription_id)


async def subscription_id(connection: Connection, client_id: int) -> int | None:
    """Return the subscription whose events are ours, or None where it is not known."""
    value: int | None = await _queries.subscription_id(connection, client_id=client_id)
    return value


async def record_finding(connection: Connection, client_id: int, finding: Finding, at: datetime) -> None:
    """Remember what a look at Strava found; a verified subscription is the one in force from then on."""
    await _queries.record_finding(
        connection,
        client_id=client_id,
        state=finding.state.value,
        detail=finding.detail,
        subscription_id=finding.subscription_id,
        at=at,
    )


async def subscription(connection: Connection, client_id: int) -> dict[str, Any]:
    """Return subscription_id, state, detail, checked_at, verified_at and since, each None where not known."""
    row = await _queries.subscription(connection, client_id=client_id)
    names = ("subscription_id", "state", "detail", "checked_at", "verified_at", "since")
    return dict(row) if row is not None else dict.fromkeys(names)

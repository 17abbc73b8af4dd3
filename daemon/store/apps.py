"""The Strava app that we are: the subscription we hold."""

from __future__ import annotations

from typing import Final

from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("apps")


async def seed(connection: Connection, client_id: int, subscription_id: int | None) -> None:
    """Remember the app, and the configured subscription where none is known yet."""
    await _queries.seed(connection, client_id=client_id, subscription_id=subscription_id)


async def subscription_id(connection: Connection, client_id: int) -> int | None:
    """Return the subscription whose events are ours, or None where it is not known."""
    value: int | None = await _queries.subscription_id(connection, client_id=client_id)
    return value

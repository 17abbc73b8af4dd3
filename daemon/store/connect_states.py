"""Connections that athletes have begun: hashes of what the browser holds, for ten minutes, each good for once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from daemon.core.consent import Begun
from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("connect_states")


async def begin(connection: Connection, state_hash: bytes, begun: Begun) -> None:
    """Store that somebody went to Strava with a state."""
    await _queries.begin(
        connection, state_hash=state_hash, browser_hash=begun.browser_hash, expires_at=begun.expires_at
    )


async def take(connection: Connection, state_hash: bytes) -> Begun | None:
    """Return what was begun with a state, and forget it; None where it is unknown or was used."""
    row = await _queries.take(connection, state_hash=state_hash)
    return Begun(**row) if row is not None else None


async def prune(connection: Connection, now: datetime) -> None:
    """Forget what nobody came back with in time."""
    await _queries.prune(connection, now=now)

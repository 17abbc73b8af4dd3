"""Since when events could come in: the stamps of whoever receives, and the proof that rests on them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from daemon.core.freshness import Proof
from daemon.core.uptime import Run, is_broken, stamped
from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("receivers")


async def stamp(connection: Connection, client_id: int, ours: tuple[datetime, float] | None) -> Run:
    """Say that a receiver is up, in the caller's transaction; returns the run as it now stands.

    `ours` is our own last stamp and how many seconds ago it was, by a clock that cannot be set. Instants are the
    database's, because several hosts stamp one row.
    """
    row = await _queries.hold(connection, client_id=client_id)
    if row is None:
        await _queries.open(connection, client_id=client_id)
        row = await _queries.hold(connection, client_id=client_id)
    before = Run(row["up_since"], row["stamped_at"])
    silent_seconds = ours[1] if ours is not None and ours[0] == before.stamped_at else None
    run = stamped(before, row["now"], silent_seconds)
    await _queries.write(connection, client_id=client_id, up_since=run.up_since, stamped_at=run.stamped_at)
    return run


async def proof(connection: Connection, client_id: int) -> Proof:
    """Return what vouches for webhooks: `up_since` is None where nobody receives or no subscription stands.

    It is the later of two instants: since when a receiver has been up, and since when the same subscription has
    been there at every look. One that was gone and made again vouches for nothing before.
    """
    row = await _queries.proof(connection, client_id=client_id)
    if row is None:
        return Proof(None, None, None)
    since = (row["up_since"], row["subscription_since"])
    is_up = row["stamped_at"] is not None and not is_broken(row["stamped_at"], row["now"])
    up_since = max(since) if is_up and None not in since else None
    return Proof(row["subscription_verified_at"], up_since, row["event_at"])

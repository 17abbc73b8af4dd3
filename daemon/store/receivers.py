"""Since when events could come in: the stamps of whoever receives, and the proof that rests on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from daemon.core.freshness import Proof
from daemon.core.habits import Habit, Pattern, everybody
from daemon.core.hearing import Hearing, hearing
from daemon.core.uptime import Run, is_broken, stamped
from daemon.store import sync_states
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("receivers")

LISTENED: Final = timedelta(hours=36)  # silences farther back are no matter: everybody was audited since
SAMPLED: Final = 500  # athletes, whose mean stands for the fleet's


async def stamp(connection: Connection, client_id: int, ours: tuple[datetime, float] | None) -> Run:
    """Say that a receiver is up, in the caller's transaction; returns the run as it now stands.

    `ours` is our own last stamp and how many seconds ago it was, by a clock that cannot be set. Instants are the
    database's, because several hosts stamp one row.
    """
    row = await _queries.hold(connection, client_id=client_id)
    if row is None:
        await _queries.open(connection, client_id=client_id)
        row = await _queries.hold(connection, client_id=client_id)
    before = Run(row["up_since"], row["stamped_at"], row["down_at"])
    silent_seconds = ours[1] if ours is not None and ours[0] == before.stamped_at else None
    run = stamped(before, row["now"], silent_seconds)
    await _queries.write(
        connection, client_id=client_id, up_since=run.up_since, stamped_at=run.stamped_at, down_at=run.down_at
    )
    return run


async def proof(connection: Connection, client_id: int) -> Proof:
    """Return what vouches for webhooks, and what speaks against: gaps of ours, and silences that are unlikely.

    `up_since` is None where nobody receives; a subscription that was gone and made again vouches for nothing before
    `subscribed_at`.
    """
    row = await _queries.proof(connection, client_id=client_id)
    if row is None:
        return Proof(None, None, None)
    now, up_since = row["now"], row["up_since"]
    is_up = row["stamped_at"] is not None and not is_broken(row["stamped_at"], now)
    anybody = await _anybody(connection, now)
    heard = Hearing()
    if is_up:
        listened_since = max(up_since, now - LISTENED)
        rows = await fetched(_queries.heard_minutes(connection, since=listened_since))
        athletes = await sync_states.count_active(connection)
        heard = hearing([heard["at"] for heard in rows], listened_since, athletes, anybody, now)
    return Proof(
        verified_at=row["subscription_verified_at"],
        up_since=up_since if is_up else None,
        event_at=row["event_at"],
        subscribed_at=row["subscription_since"],
        silent_since=heard.silent_since,
        heard_since=heard.heard_since,
        down_at=row["down_at"] if is_up else row["stamped_at"],
        unheard_from=heard.unheard_from,
        anybody=anybody,
    )


async def _anybody(connection: Connection, now: datetime) -> Pattern:
    """Return what to expect of whom nothing is known: the mean of some of the fleet."""
    rows = await fetched(_queries.sample_habits(connection, most=SAMPLED))
    return everybody((Habit(tuple(row["uploads"]), row["uploads_at"], row["connected_at"]) for row in rows), now)

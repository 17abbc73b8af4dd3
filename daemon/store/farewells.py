"""What Strava has still to be told of athletes who are erased: a sealed token each, until it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("farewells")


@dataclass(frozen=True, slots=True)
class Farewell:
    """Whose authorization is to be ended, and the sealed token that ends it."""

    athlete_id: int
    refresh_token: bytes


async def lock(connection: Connection, athlete_id: int) -> None:
    """Keep an athlete's return and the farewell to him apart, until the transaction ends."""
    await _queries.lock(connection, athlete_id=athlete_id)


async def add(connection: Connection, athlete_id: int, refresh_token: bytes, asked_at: datetime) -> int:
    """Keep a sealed token over an erasure, in its transaction; returns the id under which it is found."""
    farewell_id: int = await _queries.add(
        connection, athlete_id=athlete_id, refresh_token=refresh_token, asked_at=asked_at
    )
    return farewell_id


async def read(connection: Connection, farewell_id: int) -> Farewell | None:
    """Return what is to be told; None where there is nothing any more."""
    row = await _queries.read(connection, farewell_id=farewell_id)
    return Farewell(**row) if row is not None else None


async def forget(connection: Connection, farewell_id: int, refresh_token: bytes) -> None:
    """Drop a token: Strava knows. One that has taken its place stays."""
    await _queries.forget(connection, farewell_id=farewell_id, refresh_token=refresh_token)


async def take_back(connection: Connection, athlete_id: int) -> None:
    """Drop what is to be told of an athlete who has come back."""
    await lock(connection, athlete_id)
    await _queries.take_back(connection, athlete_id=athlete_id)


async def prune(connection: Connection, before: datetime) -> None:
    """Drop what could not be told since an instant."""
    await _queries.prune(connection, before=before)

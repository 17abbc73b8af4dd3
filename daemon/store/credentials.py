"""Encrypted tokens as rows; only the vault knows what is inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.store.database import Connection, Database, named_queries

_queries: Final = named_queries("credentials")


@dataclass(frozen=True, slots=True)
class Sealed:
    """An athlete's tokens, encrypted; `version` grows with every change."""

    refresh_token: bytes
    access_token: bytes | None
    expires_at: datetime | None
    version: int
    refresh_began_at: datetime | None


async def read(connection: Connection, athlete_id: int) -> Sealed | None:
    """Return what is stored, or None for an athlete without credentials."""
    row = await _queries.read(connection, athlete_id=athlete_id)
    return Sealed(**row) if row is not None else None


async def put(
    connection: Connection,
    athlete_id: int,
    refresh_token: bytes,
    access_token: bytes | None,
    expires_at: datetime | None,
) -> None:
    """Store tokens from an import or a reconnect over whatever was there."""
    await _queries.put(
        connection,
        athlete_id=athlete_id,
        refresh_token=refresh_token,
        access_token=access_token,
        expires_at=expires_at,
    )


@asynccontextmanager
async def refreshing(database: Database, athlete_id: int) -> AsyncIterator[Connection]:
    """Hold the only right, among all processes, to refresh this athlete's tokens.

    Lends the connection that holds the lock: whatever still works on it proves that the lock is still held.
    Raises Retryable where the lock cannot be had within the connection's command timeout.
    """
    async with database.connection_of_its_own() as connection:
        await _queries.lock_for_refresh(connection, athlete_id=athlete_id)
        yield connection


async def begin_refresh(connection: Connection, athlete_id: int, version: int) -> bool:
    """Leave a mark that a refresh is under way; False where the credentials changed meanwhile."""
    return await _queries.begin_refresh(connection, athlete_id=athlete_id, version=version) is not None


async def finish_refresh(
    connection: Connection,
    athlete_id: int,
    version: int,
    *,
    refresh_token: bytes,
    access_token: bytes | None,
    expires_at: datetime | None,
) -> int | None:
    """Store refreshed tokens over the version they came from; returns the new version, None if it was replaced.

    An access token that could not be read is None, as is its end then: the next call refreshes.
    """
    row = await _queries.finish_refresh(
        connection,
        athlete_id=athlete_id,
        version=version,
        refresh_token=refresh_token,
        access_token=access_token,
        expires_at=expires_at,
    )
    return row["version"] if row is not None else None


async def drop_refresh_mark(connection: Connection, athlete_id: int, version: int) -> None:
    """Take the mark away after a refresh that Strava refused or never saw."""
    await _queries.drop_refresh_mark(connection, athlete_id=athlete_id, version=version)

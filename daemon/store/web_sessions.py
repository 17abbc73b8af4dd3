"""Who is signed in on the pages: hashes of what the cookies hold, never the cookie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.core.bearer import Scope, Token
from daemon.store.database import Connection, named_queries

_queries: Final = named_queries("web_sessions")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose session it is: an athlete's, or that of whoever signed in with an admin token."""

    athlete_id: int | None
    token: Token | None


async def open_session(
    connection: Connection, session_hash: bytes, owner: Owner, now: datetime, until: datetime
) -> None:
    """Store a new session."""
    await _queries.open(
        connection,
        session_hash=session_hash,
        athlete_id=owner.athlete_id,
        token_id=owner.token.token_id if owner.token is not None else None,
        created_at=now,
        expires_at=until,
    )


async def find(connection: Connection, session_hash: bytes, now: datetime) -> Owner | None:
    """Return whose session this is; None where it has ended, or its token has."""
    row = await _queries.find(connection, session_hash=session_hash, now=now)
    if row is None:
        return None
    if row["athlete_id"] is not None:
        return Owner(row["athlete_id"], None)
    columns = {name: row[name] for name in Token.__dataclass_fields__}
    return Owner(None, Token(**{**columns, "scopes": frozenset(map(Scope, row["scopes"]))}))


async def close_session(connection: Connection, session_hash: bytes) -> None:
    """End one session."""
    await _queries.close(connection, session_hash=session_hash)


async def close_all_of(connection: Connection, athlete_id: int) -> None:
    """End every session of an athlete."""
    await _queries.close_all_of(connection, athlete_id=athlete_id)


async def prune(connection: Connection, now: datetime) -> None:
    """Forget sessions that have expired."""
    await _queries.prune(connection, now=now)

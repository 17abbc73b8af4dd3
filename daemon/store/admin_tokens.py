"""Who may use the admin API: hashes of tokens, never a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from daemon.core.bearer import Scope, Token
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("admin_tokens")


async def insert(
    connection: Connection,
    name: str,
    sha256: bytes,
    scopes: frozenset[Scope],
    created_at: datetime,
    expires_at: datetime | None,
) -> Token | None:
    """Store a new token's hash; None where a token of that name is in force (or has expired unrevoked)."""
    row = await _queries.insert(
        connection, name=name, sha256=sha256, scopes=sorted(scopes), created_at=created_at, expires_at=expires_at
    )
    return _token(row) if row is not None else None


async def find(connection: Connection, sha256: bytes) -> Token | None:
    """Return the token with this hash, in force or not."""
    row = await _queries.find(connection, sha256=sha256)
    return _token(row) if row is not None else None


async def mark_used(connection: Connection, token_id: int, at: datetime) -> None:
    """Remember that a token was used."""
    await _queries.mark_used(connection, token_id=token_id, at=at)


async def list_all(connection: Connection) -> list[Token]:
    """Return every token, oldest first."""
    return [_token(row) for row in await fetched(_queries.list_all(connection))]


async def revoke(connection: Connection, name_or_id: str, at: datetime) -> Token | None:
    """Take a token out of force, by name or by number; None where there is no such token in force."""
    if name_or_id.isdecimal():
        token_id = int(name_or_id)
        row = await _queries.revoke_id(connection, token_id=token_id, at=at) if token_id < 2**63 else None
    else:
        row = await _queries.revoke_name(connection, name=name_or_id, at=at)
    return _token(row) if row is not None else None


def _token(row: Any) -> Token:
    return Token(**{**dict(row), "scopes": frozenset(map(Scope, row["scopes"]))})

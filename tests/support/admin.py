"""Tokens for tests of pages behind the guard."""

from __future__ import annotations

from datetime import UTC, datetime

from daemon.core.bearer import Scope, digest, granted, written
from daemon.store import admin_tokens
from daemon.store.database import Database

TOKENS = {scope: written(bytes([number]) * 32) for number, scope in enumerate(Scope, 1)}


async def make_tokens(database: Database) -> None:
    """Make one token of each scope, as `bearer` sends them."""
    async with database.connection() as connection:
        for scope, token in TOKENS.items():
            await admin_tokens.insert(
                connection, f"test-{scope.value}", digest(token), granted(scope), datetime.now(UTC), None
            )


def bearer(scope: Scope | None) -> dict[str, str]:
    """Return the header of whoever has this scope."""
    return {} if scope is None else {"Authorization": f"Bearer {TOKENS[scope]}"}

"""Tokens for tests of addresses behind a door, and the doors."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web

from daemon.clock import Clock
from daemon.core.bearer import Scope, digest, granted, written
from daemon.store import admin_tokens
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.doors import Doors
from daemon.web.endpoints import Endpoint
from daemon.web.server import application
from daemon.web.sessions import Sessions

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


def opened(database: Database, clock: Clock, endpoints: Iterable[Endpoint]) -> web.Application:
    """Return an application that serves these addresses, each behind its door."""
    sessions = Sessions(database, clock)
    return application(Doors(Guard(database, clock, sessions), sessions).routes(endpoints))

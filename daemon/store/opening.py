"""Open the database that the settings name: our own server, started or joined, or one that somebody else runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from daemon import logs
from daemon.config import Settings
from daemon.core.quota import Lengths, Limits
from daemon.store import apps, ledgers
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class Opened:
    """A database ready for use; `server` is the embedded one, if this is it."""

    database: Database
    server: EmbeddedServer | None


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Opened]:
    """Yield the database, migrated, with this app's rows in it.

    An embedded server that nobody runs is started, and stopped on leaving; one that a daemon runs is joined.
    Raises Retryable where no server answers, Permanent where it cannot be used.
    """
    async with open_as_it_is(settings) as opened:
        await prepare(opened.database, settings)
        yield opened


@asynccontextmanager
async def open_as_it_is(settings: Settings) -> AsyncIterator[Opened]:
    """Yield the database whatever is in it, or not; otherwise as `open_database`."""
    async with AsyncExitStack() as stack:
        server: EmbeddedServer | None = None
        if settings.database.embedded:
            server = await stack.enter_async_context(EmbeddedServer(settings.database.directory))
            arguments = server.connect_arguments()
            logs.conceal(str(arguments["password"]))
        else:
            arguments = {"dsn": settings.database.url.get_secret_value()}
        database = await stack.enter_async_context(Database(arguments, settings.database.pool_size))
        yield Opened(database, server)


async def prepare(database: Database, settings: Settings) -> None:
    """Bring the tables to this version, with this app's rows in them."""
    async with database.connection() as connection:
        await migrate(connection)
        await apps.seed(connection, settings.strava.client_id, settings.strava.subscription_id or None)
        await ledgers.open_ledger(connection, settings.strava.client_id, window_limits(settings))


def window_limits(settings: Settings) -> Limits:
    """Return the configured limits, which count until Strava has shown its own."""
    quota = settings.quota
    return Limits(
        overall_quarter=quota.overall_quarter_limit,
        overall_day=quota.overall_day_limit,
        read_quarter=quota.read_quarter_limit,
        read_day=quota.read_day_limit,
    )


def window_lengths(settings: Settings) -> Lengths:
    """Return how long Strava's windows are."""
    return Lengths(settings.quota.quarter_seconds, settings.quota.day_seconds)

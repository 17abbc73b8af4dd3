"""The operator's addresses and pages on a server of their own, over a test's database, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from daemon.clock import Clock, SystemClock
from daemon.core.bearer import Scope
from daemon.core.freshness import Policy
from daemon.core.quota import Lengths, Limits
from daemon.jobs.backlog import Backlog
from daemon.loops.pulse import Pulse
from daemon.loops.staleness import FleetStaleness
from daemon.store import apps, ledgers
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.doors import Doors
from daemon.web.operator.overview import OverviewPages, Place
from daemon.web.operator.pages import OperatorPages
from daemon.web.operator.people import PeoplePages
from daemon.web.operator.queue import QueuePages
from daemon.web.operator.sign_in import SignIn
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.admin import bearer, make_tokens

CLIENT_ID = 77
LIMITS = Limits(600, 30_000, 600, 30_000)


class OperatorHouse:
    """Asks as somebody with a token, or as a browser with cookies; `woken` counts calls of the worker."""

    def __init__(self, address: str, session: aiohttp.ClientSession, pulse: Pulse) -> None:
        self.address = address
        self.session = session
        self.pulse = pulse
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    async def measure(self) -> None:
        """Measure health, again where a busy machine let the database answer too late."""
        async with asyncio.timeout(60):
            await self.pulse.beat()
            while self.pulse.health is None or self.pulse.health.measured.database_error is not None:
                await self.pulse.beat()

    async def ask(
        self, method: str, path: str, scope: Scope | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, decoded body and headers, asked with a token."""
        async with self.session.request(
            method, self.address + path, headers={**bearer(scope), **(headers or {})}
        ) as answer:
            body = await answer.json(content_type=None) if answer.status != 304 else None
            return answer.status, body, answer.headers

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask as who may read."""
        status, body, _ = await self.ask("GET", path, Scope.READ)
        return status, body

    async def operate(self, method: str, path: str) -> tuple[int, Any]:
        """Ask as who may operate."""
        status, body, _ = await self.ask(method, path, Scope.OPERATE)
        return status, body


@asynccontextmanager
async def operator_house(database: Database, clock: Clock | None = None) -> AsyncIterator[OperatorHouse]:
    """Serve the operator's addresses and pages, with a token of each scope."""
    clock = clock or SystemClock()
    await make_tokens(database)
    async with database.connection() as connection:
        await apps.seed(connection, CLIENT_ID, 131300)
        await ledgers.open_ledger(connection, CLIENT_ID, LIMITS)
    fleet = FleetStaleness(database, CLIENT_ID, clock)
    pulse = Pulse(database, CLIENT_ID, Lengths(), lambda: None, fleet, clock)
    sessions = Sessions(database, clock)
    guard = Guard(database, clock, sessions)
    here, backlog = Place(CLIENT_ID, Lengths(), "Europe/Zurich"), Backlog(CLIENT_ID, Lengths(), clock)
    people = PeoplePages(database, CLIENT_ID, Policy(), clock)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        house = OperatorHouse("", session, pulse)
        await house.measure()
        endpoints = [
            *OverviewPages(database, pulse, here, backlog, clock).endpoints(),
            *QueuePages(database, house.wake).endpoints(),
            *people.endpoints(),
        ]
        routes = [
            *Doors(guard, sessions).routes(endpoints),
            *SignIn(database, guard, sessions).routes(),
            *OperatorPages(database, sessions, people).routes(),
        ]
        async with serving(application(routes), "127.0.0.1", 0) as address:
            house.address = address
            yield house

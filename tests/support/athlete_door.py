"""What is told about athletes, served as the daemon serves it; `queued` counts how often the worker was woken."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from daemon.clock import Clock
from daemon.compute.calculator import Calculator
from daemon.core.bearer import Scope, digest, granted, written
from daemon.core.freshness import Policy
from daemon.core.quota import Lengths, Limits
from daemon.jobs.backlog import Backlog
from daemon.science.scoring import Choices
from daemon.store import admin_tokens, apps, ledgers
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.curves import CurvePages
from daemon.web.doors import Doors
from daemon.web.endpoints import Endpoint
from daemon.web.intervals_keys import IntervalsKeys
from daemon.web.profile import ProfilePage
from daemon.web.recompute import RecomputePage
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from daemon.web.thresholds import ThresholdPages
from daemon.web.training import TrainingPages
from daemon.web.wellness import WellnessPages
from tests.support.fake_intervals import CIPHER

READER, OPERATOR = (written(bytes([number]) * 32) for number in range(2))
CLIENT_ID = 12345


class AthleteDoor:
    """Asks as somebody with a token, or as who is signed in."""

    def __init__(self, address: str, session: aiohttp.ClientSession, endpoints: list[Endpoint]) -> None:
        self.address = address
        self.session = session
        self.endpoints = endpoints
        self.queued: list[None] = []

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = OPERATOR,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return status and decoded body; `body` is sent as JSON, bytes as they are; `headers` go without token."""
        if headers is None:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = io.BytesIO(raw) if body is not None else None
        async with self.session.request(method, self.address + path, data=data, headers=headers) as answer:
            decoded = await answer.json(content_type=None)
            expected = "application/problem+json" if answer.status >= 400 else "application/json"
            assert answer.content_type == expected, decoded
            if answer.status >= 400:
                assert decoded["status"] == answer.status
                assert decoded["type"].startswith("/problems/")
            return answer.status, decoded


@asynccontextmanager
async def athlete_door(
    database: Database, clock: Clock, calculator: Calculator, choices: Choices
) -> AsyncIterator[AthleteDoor]:
    """Serve every address about athletes, with a token of each scope."""
    until = clock.now() + timedelta(days=1)
    async with database.connection() as connection:
        for name, token, scope in (("reader", READER, Scope.READ), ("operator", OPERATOR, Scope.OPERATE)):
            await admin_tokens.insert(connection, name, digest(token), granted(scope), clock.now(), until)
        await apps.seed(connection, CLIENT_ID, None)
        await ledgers.open_ledger(connection, CLIENT_ID, Limits(200, 2_000, 100, 1_000))
    sessions = Sessions(database, clock)
    backlog = Backlog(CLIENT_ID, Lengths(), clock)
    async with aiohttp.ClientSession() as session:
        door = AthleteDoor("", session, [])

        def on_queued() -> None:
            door.queued.append(None)

        door.endpoints = [
            *ProfilePage(database, clock, backlog, Policy(), on_queued).endpoints(),
            *TrainingPages(database, clock, choices.basis).endpoints(),
            *CurvePages(database, clock, calculator, choices.grade_model).endpoints(),
            *ThresholdPages(database, clock, on_queued).endpoints(),
            *WellnessPages(database, clock, choices.weights, on_queued).endpoints(),
            *IntervalsKeys(database, clock, CIPHER, on_queued).endpoints(),
            *RecomputePage(database, clock, calculator, choices, on_queued).endpoints(),
        ]
        routes = Doors(Guard(database, clock, sessions), sessions).routes(door.endpoints)
        async with serving(application(routes), "127.0.0.1", 0) as door.address:
            yield door

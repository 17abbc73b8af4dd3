"""The admin API on athletes' keys of Intervals.icu: give one, take it, see how it stands. None is ever shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web
from pydantic import SecretStr

from daemon.clock import Clock
from daemon.intervals.wire import Credential
from daemon.jobs import sync_wellness
from daemon.store import athletes, intervals_credentials
from daemon.store.database import Database
from daemon.vault.cipher import Cipher
from daemon.web.admin import Guard
from daemon.web.answers import answer, problem
from daemon.web.athlete_routes import ATHLETE, answering, athlete_id_of, content_of, nobody

log = structlog.get_logger()

LONGEST_SECRET: Final = 1_000
NOT_CONNECTED: Final = {"state": "not connected"}


class IntervalsKeys:
    """One address below /athletes/{id}; `on_queued` is called when a first sync was queued."""

    def __init__(
        self, database: Database, cipher: Cipher, clock: Clock, guard: Guard, on_queued: Callable[[], None]
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._guard = guard
        self._on_queued = on_queued

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [
            web.get(f"{ATHLETE}/intervals", self._guard.read(answering(self.show))),
            web.put(f"{ATHLETE}/intervals", self._guard.operate(answering(self.give))),
            web.delete(f"{ATHLETE}/intervals", self._guard.operate(answering(self.take))),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Answer how an athlete's key stands."""
        athlete_id = athlete_id_of(request)
        async with self._database.connection() as connection:
            if await athletes.get(connection, athlete_id) is None:
                raise nobody(athlete_id)
            return answer(await intervals_credentials.show(connection, athlete_id) or NOT_CONNECTED)

    async def give(self, request: web.Request) -> web.Response:
        """Take `{"api_key": …}` or `{"bearer": …}` over whatever was there, and queue the first sync."""
        athlete_id, credential = athlete_id_of(request), _credential(await content_of(request))
        if credential is None:
            return problem(422, "nothing was stored", 'send {"api_key": "…"} or {"bearer": "…"}, and nothing else')
        async with self._database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                raise nobody(athlete_id)
            await sync_wellness.connect(connection, self._cipher, athlete_id, credential, self._clock.now())
        log.info("intervals.connected", athlete_id=athlete_id, credential=credential.kind)
        self._on_queued()
        return answer({"state": "active"})

    async def take(self, request: web.Request) -> web.Response:
        """Forget the key; what was read with it stays."""
        athlete_id = athlete_id_of(request)
        async with self._database.connection() as connection:
            removed = await intervals_credentials.remove(connection, athlete_id)
        log.info("intervals.disconnected", athlete_id=athlete_id, was_connected=removed)
        return answer(NOT_CONNECTED)


def _credential(value: object) -> Credential | None:
    match value:
        case {"api_key": str(secret), **rest} if not rest and is_secret(secret):
            return Credential("api_key", SecretStr(secret))
        case {"bearer": str(secret), **rest} if not rest and is_secret(secret):
            return Credential("bearer", SecretStr(secret))
        case _:
            return None


def is_secret(text: str) -> bool:
    """Tell whether a text can be sent as a key: visible ASCII, no longer than a key may be."""
    return 0 < len(text) <= LONGEST_SECRET and text.isascii() and text.isprintable() and " " not in text

"""An athlete's key of Intervals.icu: give one, take it, see how it stands. None is ever shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.intervals.wire import Credential
from daemon.jobs import sync_wellness
from daemon.store import athletes, intervals_credentials
from daemon.store.database import Connection, Database
from daemon.vault.cipher import Cipher
from daemon.web import bodies
from daemon.web.bodies import body_of
from daemon.web.doors import both
from daemon.web.endpoints import Endpoint, Who, cached, modelled, whose
from daemon.web.known_athlete import known, nobody
from daemon.web.models.athlete import IntervalsState
from daemon.web.models.athlete_wishes import ApiKey, Bearer

log = structlog.get_logger()

TAG: Final = "wellness"
EXAMPLE: Final = '{"api_key": "…"} or {"bearer": "…"}, and nothing else'


class IntervalsKeys:
    """One address of three methods; `on_queued` is told when a first sync was queued."""

    def __init__(self, database: Database, clock: Clock, cipher: Cipher, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._cipher = cipher
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        show = Endpoint(
            method="GET",
            path="/intervals",
            handler=self.show,
            who=Who.READ,
            tag=TAG,
            does="Tell how his key of Intervals.icu stands.",
            answers=IntervalsState,
        )
        give = Endpoint(
            method="PUT",
            path="/intervals",
            handler=self.give,
            who=Who.OPERATE,
            tag=TAG,
            does="Take a key over whatever was there, and read his wellness with it.",
            answers=IntervalsState,
            body=ApiKey | Bearer,
            problems=bodies.PROBLEMS,
        )
        take = Endpoint(
            method="DELETE",
            path="/intervals",
            handler=self.take,
            who=Who.OPERATE,
            tag=TAG,
            does="Forget the key; what was read with it stays.",
            answers=IntervalsState,
        )
        return [*both(show), *both(give), *both(take)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer how the key stands."""
        async with self._database.connection() as connection:
            await known(connection, whose(request))
            return cached(request, await _state(connection, whose(request)))

    async def give(self, request: web.Request) -> web.Response:
        """Store the key and queue the first sync."""
        athlete_id = whose(request)
        given: ApiKey | Bearer = await body_of(request, ApiKey | Bearer, EXAMPLE)
        if isinstance(given, ApiKey):
            credential = Credential("api_key", given.api_key)
        else:
            credential = Credential("bearer", given.bearer)
        async with self._database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                raise nobody(athlete_id)
            await sync_wellness.connect(connection, self._cipher, athlete_id, credential, self._clock.now())
            state = await _state(connection, athlete_id)
        log.info("intervals.connected", athlete_id=athlete_id, credential=credential.kind)
        self._on_queued()
        return modelled(state)

    async def take(self, request: web.Request) -> web.Response:
        """Forget the key."""
        athlete_id = whose(request)
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            removed = await intervals_credentials.remove(connection, athlete_id)
            state = await _state(connection, athlete_id)
        log.info("intervals.disconnected", athlete_id=athlete_id, was_connected=removed)
        return modelled(state)


async def _state(connection: Connection, athlete_id: int) -> IntervalsState:
    return IntervalsState.model_validate(await sync_wellness.standing(connection, athlete_id))

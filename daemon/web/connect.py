"""The first page, the way to Strava and back, and signing out.

    GET  /                what this is, and "Connect with Strava"; whoever is signed in goes on to his page
    GET  /connect         to Strava, with a state that is good for once, for ten minutes, in this browser
    GET  /connect/strava  back from there: the tokens are stored, he is signed in, and his first sync begins
    POST /sign-out

Refuses to believe an address that comes back: the state is ours or nothing happens, and what was granted is what
the answer to the code says. Refuses to ask Strava for data while a browser waits: jobs do.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from pydantic import SecretStr

from daemon.config.settings import Strava
from daemon.core import consent
from daemon.core.admission import Lane
from daemon.core.attempts import Allowance
from daemon.core.consent import Begun, Declined, Doubt, Unreadable
from daemon.core.errors import DomestiqueError, Retryable
from daemon.core.settle import describe
from daemon.jobs import newcomers, read_profile, sync_athlete
from daemon.jobs.newcomers import Newcomer
from daemon.jobs.rooms import Rooms
from daemon.store import connect_states, jobs
from daemon.store.database import Connection
from daemon.store.web_sessions import Owner
from daemon.strava import wire
from daemon.web.pages.rendering import page
from daemon.web.pages.trouble import Trouble, Way, showing
from daemon.web.sessions import Kind, Sessions, check_forgery, cookie_name, forget_cookie, set_cookie
from daemon.web.throttle import Throttle, sender_of

log = structlog.get_logger()

RETURN: Final = "/connect/strava"
COOKIE: Final = "connect"
ATHLETES_PAGE: Final = "/athlete"
# One sender clicks a few times; all may be a club that was just told of it. A state is a row for ten minutes.
EACH: Final = Allowance(10, 6.0)
EVERYBODY: Final = Allowance(600, 0.1)
STORE_FOR_SECONDS: Final = 15.0
AGAIN: Final = Way("/connect", "Connect with Strava")
LOST: Final = {
    Doubt.UNKNOWN: "It was used already, or was never given by us.",
    Doubt.EXPIRED: "It was begun more than ten minutes ago.",
    Doubt.ELSEWHERE: "It was begun in another browser, or this one keeps no cookies.",
}


class ConnectPages:
    """`strava` is the section of the settings, `streams_days` tells `retention.streams_days` as it is in force.

    `on_queued` is told when there is a job to claim.
    """

    def __init__(
        self,
        rooms: Rooms,
        sessions: Sessions,
        strava: Strava,
        backfill_days: int,
        streams_days: Callable[[], float],
        on_queued: Callable[[], None],
    ) -> None:
        self._rooms = rooms
        self._sessions = sessions
        self._strava = strava
        self._backfill_days = backfill_days
        self._streams_days = streams_days
        self._on_queued = on_queued
        self._throttle = Throttle(EACH, EVERYBODY, rooms.clock, "a connection")

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here; what changes something answers no HEAD."""
        return [
            web.get("/", showing(self.show_first)),
            web.get("/connect", showing(self.go), allow_head=False),
            web.get(RETURN, showing(self.come_back), allow_head=False),
            web.post("/sign-out", showing(self.sign_out)),
        ]

    async def show_first(self, request: web.Request) -> web.Response:
        """Say what this is; or lead whoever is signed in to his page."""
        if await self._sessions.find(request, Kind.ATHLETE) is not None:
            return _sent_to(ATHLETES_PAGE)
        return page(
            request,
            "index.html",
            can_connect=bool(self._strava.callback_url),
            history_days=max(self._backfill_days, sync_athlete.AUDIT.days),
            streams_days=round(self._streams_days()),
        )

    async def go(self, request: web.Request) -> web.Response:
        """Make a state for this browser and lead it to Strava."""
        if not self._strava.callback_url:
            raise Trouble(503, "Nobody can connect here yet.", "The operator has to set strava.callback_url first.")
        ours = urlsplit(self._strava.callback_url).netloc
        if request.host != ours and "here" not in request.query:
            # Strava comes back to one host only, and the cookie would stay at this one. Once, and no further: a
            # proxy may hide from us under which name it is called.
            return _sent_to(f"{self._strava.callback_url}/connect?here")
        wait_seconds = self._throttle.take(sender_of(request))
        if wait_seconds is not None:
            raise Trouble(
                429,
                "That was too often.",
                "Somebody at your address began to connect many times: wait a minute and try again.",
                way=AGAIN,
                retry_after_seconds=wait_seconds,
            )
        state, browser = secrets.token_urlsafe(consent.STATE_BYTES), _browser(request) or secrets.token_urlsafe(32)
        begun = Begun(_digest(browser), self._rooms.clock.now() + consent.BEGUN_FOR)
        async with self._rooms.database.connection() as connection:
            await connect_states.begin(connection, _digest(state), begun)
        strava = self._strava
        address = wire.authorize_url(
            strava.oauth_url, strava.client_id, strava.callback_url + RETURN, consent.ASKED, SecretStr(state)
        )
        response = _sent_to(address.get_secret_value())
        # Lax: it must be sent along when Strava, another site, leads the browser back.
        set_cookie(request, response, COOKIE, browser, same_site="Lax", lasts=consent.BEGUN_FOR)
        return response

    async def come_back(self, request: web.Request) -> web.Response:
        """Connect the athlete whom Strava sends back, sign him in, and let his first sync begin."""
        returned = consent.read_return(request.query)
        if isinstance(returned, Unreadable):
            raise Trouble(400, "This is no way back from Strava.", "Begin again here.", way=AGAIN)
        if isinstance(returned, Declined):
            if returned.state is not None:
                await self._take(returned.state)
            log.info("connect.declined")
            raise _declined()
        await self._check(request, returned.state)
        if returned.scope is not None and not consent.suffices(returned.scope):
            raise _insufficient()
        answer = await self._exchange(SecretStr(returned.code))
        scope = consent.granted(answer.scope, returned.scope)
        if not consent.suffices(scope):
            raise _insufficient()
        newcomer = _newcomer(answer, scope)
        missing = [(one, consent.MEANINGS[one]) for one in consent.missing(scope)]
        response = page(request, "connected.html", name=newcomer.name, missing=missing)
        forget_cookie(request, response, COOKIE)
        await self._admit(request, response, newcomer)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session of this browser."""
        response = _sent_to("/", status=303)
        session = await self._sessions.find(request, Kind.ATHLETE)
        if session is not None:
            await check_forgery(request, session)
            await self._sessions.close(request, response, Kind.ATHLETE)
        return response

    async def _take(self, state: str) -> Begun | None:
        async with self._rooms.database.connection() as connection:
            return await connect_states.take(connection, _digest(state))

    async def _check(self, request: web.Request, state: str) -> None:
        begun, browser = await self._take(state), _browser(request)
        doubt = consent.doubt(begun, _digest(browser or ""), self._rooms.clock.now())
        if doubt is not None:
            log.warning("connect.doubted", doubt=doubt.value, sender=sender_of(request))
            raise Trouble(400, "This way back from Strava is not good any more.", LOST[doubt], way=AGAIN)

    async def _exchange(self, code: SecretStr) -> wire.TokenAnswer:
        try:
            return await self._rooms.vault.exchange(code)
        except DomestiqueError as error:
            log.warning("connect.failed", reason=describe(error))
            raise _refused(error) from error

    async def _admit(self, request: web.Request, response: web.Response, newcomer: Newcomer) -> None:
        """Store who came, however often the database is away: the code is spent, the tokens are nowhere else."""
        clock = self._rooms.clock
        give_up_at = clock.elapsed_seconds() + STORE_FOR_SECONDS
        while True:
            try:
                async with self._rooms.database.transaction() as connection:
                    await self._store(connection, newcomer, clock.now())
                    owner = Owner(newcomer.athlete_id, None)
                    await self._sessions.open(connection, request, response, Kind.ATHLETE, owner)
                break
            except Retryable as error:
                if clock.elapsed_seconds() > give_up_at:
                    raise
                log.warning("connect.store_failed", athlete_id=newcomer.athlete_id, reason=str(error))
                await asyncio.sleep(0.5)
        self._on_queued()
        log.info("athlete.connected", athlete_id=newcomer.athlete_id, scope=sorted(newcomer.scope))

    async def _store(self, connection: Connection, newcomer: Newcomer, now: datetime) -> None:
        """Admit him and queue his first looks."""
        athlete_id, cipher = newcomer.athlete_id, self._rooms.cipher
        await newcomers.admit(connection, cipher, newcomer, self._backfill_days, now, "Strava")
        first = [
            sync_athlete.new(athlete_id, sync_athlete.AUDIT, Lane.INTERACTIVE, now, "he has connected"),
            *([read_profile.new(athlete_id, now)] if read_profile.is_worth_it(newcomer.scope) else []),
        ]
        await jobs.enqueue(connection, first)


def _newcomer(answer: wire.TokenAnswer, scope: frozenset[str]) -> Newcomer:
    athlete = answer.athlete
    if athlete is None:
        log.error("connect.failed", reason="Strava sent tokens, and not whose they are")
        raise _broken()
    told = {
        "athlete_id": athlete.athlete_id,
        "refresh_token": answer.refresh_token,
        "access_token": answer.access_token,
        "expires_at": answer.expires_at,
        "scope": scope,
        "name": read_profile.name_of(athlete),
        "sex": read_profile.sex_of(athlete),
    }
    return Newcomer.model_validate(told)


def _refused(error: DomestiqueError) -> Trouble:
    """Tell an athlete what to do where his code gave no tokens."""
    if isinstance(error, wire.CodeRefused):
        return Trouble(
            400,
            "Strava does not know this consent any more.",
            "It is good for once and for some minutes: give it again.",
            way=AGAIN,
        )
    if isinstance(error, wire.AppFull):
        return Trouble(
            403,
            "There is no place left.",
            "Strava allows this installation no more athletes than it has now. Tell its operator: he can ask"
            " Strava for more places, or somebody else can leave.",
        )
    if isinstance(error, Retryable):
        return Trouble(
            503,
            "Strava does not answer now.",
            "Nothing was lost: wait a minute and connect again. When Strava has troubles it says so at"
            " status.strava.com.",
            way=AGAIN,
            retry_after_seconds=60,
        )
    return _broken()


def _declined() -> Trouble:
    return Trouble(
        200,
        "You have not connected.",
        "Strava says that you declined, so nothing was stored.",
        "Without your consent there is nothing to show: the training load is made from your activities.",
        way=AGAIN,
    )


def _insufficient() -> Trouble:
    return Trouble(
        200,
        "One box was left empty.",
        "You did not let us see your activities, and the training load is made from nothing else. So nothing was"
        " stored.",
        "Connect once more and leave the box for your activities ticked. Whether those that only you can see count"
        " as well is up to you.",
        way=Way("/connect", "Grant it at Strava"),
    )


def _broken() -> Trouble:
    return Trouble(
        502,
        "This installation cannot connect anybody now.",
        "Strava refused what it was asked in a way that only the operator can mend: his log says more.",
    )


def _sent_to(address: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": address})


def _browser(request: web.Request) -> str | None:
    """Return the key that ties what was begun to this browser; None where there is none that we can have made."""
    key = request.cookies.get(cookie_name(request, COOKIE), "")
    return key if re.fullmatch(r"[A-Za-z0-9_-]{22,64}", key) else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()

"""Who is signed in: a random key in a cookie, its hash in the database, and proof that a form is ours.

An athlete signs in with Strava, an operator with an admin token; one browser may be both. Refuses to decide whom to
sign in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from aiohttp import web

from daemon.clock import Clock
from daemon.core.bearer import Token
from daemon.store import web_sessions
from daemon.store.database import Connection, Database
from daemon.store.web_sessions import Owner
from daemon.web.bodies import form_of
from daemon.web.problems import FORGED, Refused

RANDOM_BYTES: Final = 32
LONGEST_KEY: Final = 64
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf"
FORM: Final = "application/x-www-form-urlencoded"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Kind(StrEnum):
    """As what somebody is signed in."""

    ATHLETE = "athlete"
    OPERATOR = "operator"

    @property
    def lasts(self) -> timedelta:
        """Return after how long one has to sign in again."""
        return timedelta(days=30) if self is Kind.ATHLETE else timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that stands; `csrf` is what a form of this session must bring along."""

    owner: Owner
    csrf: str

    @property
    def athlete_id(self) -> int:
        """Return whose it is, of an athlete's session."""
        assert self.owner.athlete_id is not None
        return self.owner.athlete_id

    @property
    def token(self) -> Token:
        """Return the token behind an operator's session."""
        assert self.owner.token is not None
        return self.owner.token


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(
        self, connection: Connection, request: web.Request, response: web.StreamResponse, kind: Kind, owner: Owner
    ) -> None:
        """Sign somebody in, in the caller's transaction; a session that this browser had is ended."""
        now, before = self._clock.now(), _key(request, kind)
        if before is not None:
            await web_sessions.close_session(connection, _digest(before))
        key = secrets.token_urlsafe(RANDOM_BYTES)
        await web_sessions.open_session(connection, _digest(key), owner, now, now + kind.lasts)
        set_cookie(request, response, kind.value, key, same_site="Strict", lasts=kind.lasts)

    async def find(self, request: web.Request, kind: Kind) -> Session | None:
        """Return the session of this browser, if one stands."""
        key = _key(request, kind)
        if key is None:
            return None
        async with self._database.connection() as connection:
            owner = await web_sessions.find(connection, _digest(key), self._clock.now())
        if owner is None or (owner.athlete_id is None) is (kind is Kind.ATHLETE):
            return None
        return Session(owner, _csrf(key))

    async def close(self, request: web.Request, response: web.StreamResponse, kind: Kind) -> None:
        """Sign out."""
        key = _key(request, kind)
        if key is not None:
            async with self._database.connection() as connection:
                await web_sessions.close_session(connection, _digest(key))
        forget_cookie(request, response, kind.value)


async def check_forgery(request: web.Request, session: Session) -> None:
    """Raise Refused where a request that changes something does not carry the session's proof."""
    if request.method in {"GET", "HEAD"}:
        return
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.content_type == FORM:
        given = str((await form_of(request)).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(errors="replace"), session.csrf.encode()):
        raise Refused(FORGED, "open the page anew and try again")


def is_plain(request: web.Request) -> bool:
    """Tell whether the browser speaks to this machine without TLS, as in the demo or through a tunnel.

    A stranger can write any Host, but not into the requests of somebody else's browser.
    """
    return request.url.host in _LOOPBACK and request.headers.get("X-Forwarded-Proto", "http") == "http"


def cookie_name(request: web.Request, name: str) -> str:
    """Return what a cookie is called: with TLS under the prefix that binds it to this host."""
    return f"domestique-{name}" if is_plain(request) else f"__Host-domestique-{name}"


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, *, same_site: str, lasts: timedelta
) -> None:
    """Set a cookie that no script reads."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=not is_plain(request),
        httponly=True,
        samesite=same_site,
    )


def forget_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """Have the browser drop a cookie."""
    response.del_cookie(
        cookie_name(request, name), path="/", secure=not is_plain(request), httponly=True, samesite="Strict"
    )


def _key(request: web.Request, kind: Kind) -> str | None:
    key = request.cookies.get(cookie_name(request, kind.value))
    return key if key and len(key) <= LONGEST_KEY else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def _csrf(key: str) -> str:
    return hmac.new(key.encode(errors="replace"), b"form", hashlib.sha256).hexdigest()

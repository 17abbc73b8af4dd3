"""The way in for operators: an admin token in a form opens a session of twelve hours.

Nobody is to be signed in by a form of somebody else's (he would then act in the stranger's name): the form brings
a proof that fits a cookie which only our own page sets, and a browser that says whence the request comes must name
us. Both are asked, since other programs on one machine may set cookies for it. Refuses a token in an address, where
it would be logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import structlog
from aiohttp import web

from daemon.core.errors import Retryable
from daemon.store.database import Database
from daemon.store.web_sessions import Owner
from daemon.web.admin import Guard
from daemon.web.bodies import BrokenOff, TooLarge, read_bounded
from daemon.web.pages.rendering import page
from daemon.web.problems import TOO_MANY_ATTEMPTS, Refused
from daemon.web.sessions import (
    CSRF_FIELD,
    FORM,
    Kind,
    Sessions,
    check_forgery,
    cookie_name,
    forget_cookie,
    set_cookie,
)

log = structlog.get_logger()

HOME: Final = "/operator"
ADDRESS: Final = "/operator/sign-in"
VISITOR: Final = "sign-in"  # the cookie of whoever is shown the form
LASTS: Final = timedelta(hours=1)
LARGEST_FORM: Final = 4096
READ_WITHIN_SECONDS: Final = 10.0
LONGEST_KEY: Final = 64
OWN_SITES: Final = frozenset({"same-origin", "none"})  # `none`: the address was typed, or the page opened again

OLD_FORM: Final = "This form was too old, or not ours: please send it again. Cookies have to be allowed."
NOT_GOOD: Final = (
    "This token is unknown, expired or revoked. The command «domestique tokens list» shows which are good."
)
TOO_MANY: Final = "Too many wrong tokens came from where you are: wait {seconds} s, then try once more."
AWAY: Final = "The database does not answer, so no token can be checked: see /health, and try again shortly."


class SignIn:
    """The form, what it is answered, and the way out."""

    def __init__(self, database: Database, guard: Guard, sessions: Sessions) -> None:
        self._database = database
        self._guard = guard
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [
            web.get(ADDRESS, self.ask),
            web.post(ADDRESS, self.sign_in),
            web.post("/operator/sign-out", self.sign_out),
        ]

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Show the form, or lead on whoever is signed in."""
        try:
            if await self._sessions.find(request, Kind.OPERATOR) is not None:
                return leading_to(HOME)
        except Retryable:
            return _form(request, 503, AWAY)
        return _form(request)

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Open a session for a good token; show the form again for any other."""
        try:
            async with asyncio.timeout(READ_WITHIN_SECONDS):
                given = await _fields(request)
        except (TooLarge, BrokenOff, TimeoutError):
            return _form(request, 400, OLD_FORM)
        if not _is_ours(request) or not _is_proven(request, given.get(CSRF_FIELD, "")):
            return _form(request, 403, OLD_FORM)
        try:
            return await self._admit(request, given.get("token", "").strip())
        except Refused as refused:
            seconds = (refused.headers or {}).get("Retry-After", "60")
            sentence = TOO_MANY.format(seconds=seconds) if refused.problem is TOO_MANY_ATTEMPTS else NOT_GOOD
            return _form(request, refused.problem.status, sentence)
        except Retryable:
            return _form(request, 503, AWAY)

    async def _admit(self, request: web.Request, presented: str) -> web.Response:
        token = await self._guard.admitted(request, presented)
        response = leading_to(HOME)
        async with self._database.transaction() as connection:
            await self._sessions.open(connection, request, response, Kind.OPERATOR, Owner(None, token))
        forget_cookie(request, response, VISITOR)
        log.info("operator.signed_in", admin=token.name)
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session, at the session's own word."""
        response = leading_to(ADDRESS)
        try:
            session = await self._sessions.find(request, Kind.OPERATOR)
            if session is not None:
                await check_forgery(request, session)
                await self._sessions.close(request, response, Kind.OPERATOR)
                log.info("operator.signed_out", admin=session.token.name)
        except Refused as refused:
            return refused.response()
        except Retryable:
            return _form(request, 503, AWAY)
        return response


def leading_to(address: str) -> web.Response:
    """Return the answer that has a browser open another page."""
    return web.Response(status=303, headers={"Location": address})


def _form(request: web.Request, status: int = 200, sentence: str | None = None) -> web.Response:
    """Show the form with the proof that fits the visitor's cookie, which he keeps if he has one."""
    key = _visitor(request) or secrets.token_urlsafe(32)
    # A link from another site brings no cookie along, so that its reader looks signed out here.
    is_led_here = request.headers.get("Sec-Fetch-Site") == "cross-site"
    response = page(
        request, "operator-sign-in.html", status, proof=_proof(key), sentence=sentence, is_led_here=is_led_here
    )
    set_cookie(request, response, VISITOR, key, same_site="Strict", lasts=LASTS)
    return response


async def _fields(request: web.Request) -> dict[str, str]:
    if request.content_type != FORM:
        return {}
    body = await read_bounded(request, LARGEST_FORM)
    return dict(parse_qsl(body.decode(errors="replace")))


def _is_ours(request: web.Request) -> bool:
    """Tell whether no header says that the form came from elsewhere.

    An origin of `null` says nothing: our own referrer policy makes browsers send it.
    """
    try:
        host = urlsplit(request.headers.get("Origin", "null")).netloc
    except ValueError:
        return False
    return host.lower() in {"", request.host.lower()} and request.headers.get("Sec-Fetch-Site", "none") in OWN_SITES


def _is_proven(request: web.Request, proof: str) -> bool:
    key = _visitor(request)
    return key is not None and hmac.compare_digest(proof.encode(errors="replace"), _proof(key).encode())


def _visitor(request: web.Request) -> str | None:
    key = request.cookies.get(cookie_name(request, VISITOR))
    return key if key and len(key) <= LONGEST_KEY else None


def _proof(key: str) -> str:
    return hmac.new(key.encode(errors="replace"), b"sign-in", hashlib.sha256).hexdigest()

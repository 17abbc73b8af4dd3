"""Who may use the admin API: a bearer token with the scope that the route needs.

A token that was presented costs the same whether it is unknown, expired or revoked: one hash, one lookup, one
answer; only the log says which. Wrong ones are counted per sender and in all, and beyond that refused without a
lookup. A token that this process has seen good is spared that: a flood of wrong ones locks no operator out.

Refuses tokens in the query or a cookie (addresses are logged, and browsers send cookies by themselves), and to
print one. The operator's page has a session instead, which ends with its token and needs a proof with every change.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.core import attempts, bearer
from daemon.core.bearer import Scope, State, Token
from daemon.core.errors import Retryable
from daemon.store import admin_tokens
from daemon.store.database import Database
from daemon.web.answers import Handler
from daemon.web.problems import (
    DATABASE_AWAY,
    NOT_ALLOWED,
    TOKEN_NEEDED,
    TOKEN_NOT_GOOD,
    TOO_MANY_ATTEMPTS,
    Refused,
)
from daemon.web.sessions import Kind, Sessions, check_forgery
from daemon.web.throttle import Throttle, sender_of

log = structlog.get_logger()

BELIEVED_SECONDS: Final = 3.0  # so long a revocation may take to be noticed
LOOKUP_SECONDS: Final = 5.0
USED_EVERY: Final = timedelta(minutes=1)  # `last_used_at` is no finer
HOW_TO: Final = (
    "send the header `Authorization: Bearer TOKEN`; `domestique tokens create NAME` makes one where the daemon runs"
)


@dataclass(frozen=True, slots=True)
class Known:
    """A token as it was looked up, and when by elapsed time."""

    token: Token
    looked_up_at: float


class Guard:
    """Wraps handlers, so that they run for those who may: with a token, or on the operator's page."""

    def __init__(self, database: Database, clock: Clock, sessions: Sessions) -> None:
        self._database = database
        self._clock = clock
        self._sessions = sessions
        self._known: dict[bytes, Known] = {}  # only tokens that were good: no more than were ever made
        self._looking = asyncio.Lock()  # a burst with one token is one lookup
        self._throttle = Throttle(attempts.EACH, attempts.ALL, clock, "an admin token")

    def read(self, handler: Handler) -> Handler:
        """Let in whoever may read."""
        return self._guarded(handler, Scope.READ)

    def operate(self, handler: Handler) -> Handler:
        """Let in whoever may operate."""
        return self._guarded(handler, Scope.OPERATE)

    def _guarded(self, handler: Handler, scope: Scope) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                token = await self._judge(request, scope)
            except Refused as refused:
                return refused.response()
            with structlog.contextvars.bound_contextvars(admin=token.name):
                return await handler(request)

        return guarded

    async def _judge(self, request: web.Request, scope: Scope) -> Token:
        presented = bearer.presented(request.headers.get("Authorization"))
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                token = await (self._signed_in(request) if presented is None else self.admitted(request, presented))
        except (Retryable, TimeoutError) as error:
            log.warning("admin.not_checked", reason=str(error) or f"no answer within {LOOKUP_SECONDS:.0f} s")
            detail = "the token cannot be checked now: try again shortly"
            raise Refused(DATABASE_AWAY, detail, {"Retry-After": "5"}) from error
        if scope not in token.scopes:
            log.warning("admin.forbidden", token_id=token.token_id, name=token.name, needs=scope.value)
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope.value}"'}
            detail = f"make a token that may: `domestique tokens create NAME --scope {scope.value}`"
            raise Refused(NOT_ALLOWED, detail, challenge)
        return token

    async def _signed_in(self, request: web.Request) -> Token:
        session = await self._sessions.find(request, Kind.OPERATOR)
        if session is None:  # nothing was guessed: nothing is counted
            raise Refused(TOKEN_NEEDED, HOW_TO, {"WWW-Authenticate": "Bearer"})
        await check_forgery(request, session)
        return session.token

    async def admitted(self, request: web.Request, presented: str) -> Token:
        """Return the token that somebody presents; raises Refused, and Retryable while the database is away."""
        found = await self._identify(bearer.digest(presented), sender_of(request))
        if isinstance(found, float):
            seconds = math.ceil(found)
            detail = f"try again in {seconds} s, with a token that `domestique tokens list` shows as active"
            raise Refused(TOO_MANY_ATTEMPTS, detail, {"Retry-After": str(seconds)})
        if found is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            detail = f"it is unknown, expired or revoked (`domestique tokens list`); {HOW_TO}"
            raise Refused(TOKEN_NOT_GOOD, detail, challenge)
        return found

    async def _identify(self, digest: bytes, sender: str) -> Token | float | None:
        """Return whose token this is; None: nobody's; a number: in how many seconds one more attempt is borne."""
        believed = self._believed(digest)
        if believed is not None:
            return believed
        async with self._looking:
            believed = self._believed(digest)  # another request of the same burst may have looked meanwhile
            if believed is not None:
                return believed
            if digest in self._known:
                return await self._look_up(digest, sender)
            wait_seconds = self._throttle.take(sender)
            if wait_seconds is not None:
                return wait_seconds
            token = await self._look_up(digest, sender)
        if token is not None:
            self._throttle.give_back(sender)
        return token

    def _believed(self, digest: bytes) -> Token | None:
        known = self._known.get(digest)
        if known is None or self._clock.elapsed_seconds() - known.looked_up_at > BELIEVED_SECONDS:
            return None
        return known.token if known.token.state(self._clock.now()) is State.ACTIVE else None

    async def _look_up(self, digest: bytes, sender: str) -> Token | None:
        looked_up_at, now = self._clock.elapsed_seconds(), self._clock.now()
        async with self._database.connection() as connection:
            token = await admin_tokens.find(connection, digest)
            if token is not None and token.state(now) is State.ACTIVE:
                self._known[digest] = Known(token, looked_up_at)
                if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
                    await admin_tokens.mark_used(connection, token.token_id, now)
                return token
        self._known.pop(digest, None)
        log.warning(
            "admin.refused",
            sender=sender,
            reason=token.state(now).value if token is not None else "unknown",
            token_id=token.token_id if token is not None else None,
        )
        return None

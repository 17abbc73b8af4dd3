"""The routes of OAuth that the app calls itself: tokens for codes and refresh tokens, and both ways to give back.

Refuses browsers: the page on which an athlete consents is `authorization`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.answers import answer
from sandbox.api import access_token
from sandbox.application import check_app, fields_of, is_the_app
from sandbox.faults import (
    ATHLETE_LIMIT_REACHED,
    DEAD_ACCESS_TOKEN,
    DEAD_REFRESH_TOKEN,
    INVALID_CODE,
    INVALID_GRANT_TYPE,
    UNKNOWN_APPLICATION,
    Refused,
)
from sandbox.strava import STRAVA, FakeStrava
from sandbox.world import athlete_shape


async def token(request: web.Request) -> web.Response:
    """POST /oauth/token with a code or a refresh token."""
    strava, fields = request.app[STRAVA], await fields_of(request)
    check_app(request, fields)
    exchange = EXCHANGES.get(fields.get("grant_type", ""))
    if exchange is None:
        raise Refused(INVALID_GRANT_TYPE)
    return answer(exchange(strava, fields))


def _for_code(strava: FakeStrava, fields: Mapping[str, str]) -> dict[str, Any]:
    now = strava.clock.now()
    code = strava.tokens.redeem(fields.get("code", ""), now, strava.quirks.code_ready_after)
    if code is None:
        raise Refused(INVALID_CODE)
    if not strava.has_room_for(code.athlete_id):
        raise Refused(ATHLETE_LIMIT_REACHED)
    grant = strava.tokens.grant(code.athlete_id, code.scope, now)
    return {
        "token_type": "Bearer",
        "expires_at": grant.expires_at,
        "expires_in": grant.expires_at - int(now),
        "refresh_token": grant.refresh_token,
        "access_token": grant.access_token,
        "scope": grant.scope,
        "athlete": athlete_shape(strava.world.athletes[grant.athlete_id], detailed=False),
    }


def _for_refresh_token(strava: FakeStrava, fields: Mapping[str, str]) -> dict[str, Any]:
    now = strava.clock.now()
    grant = strava.tokens.refresh(fields.get("refresh_token", ""), now)
    if grant is None:
        raise Refused(DEAD_REFRESH_TOKEN)
    return {
        "token_type": "Bearer",
        "access_token": grant.access_token,
        "expires_at": grant.expires_at,
        "expires_in": grant.expires_at - int(now),
        "refresh_token": grant.refresh_token,
    }


EXCHANGES = {"authorization_code": _for_code, "refresh_token": _for_refresh_token}


async def revoke(request: web.Request) -> web.Response:
    """POST /oauth/revoke with HTTP Basic; an unknown token is no error (RFC 7009, section 2.2)."""
    strava = request.app[STRAVA]
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client_id = secret = ""
    if scheme.lower() != "basic" or not is_the_app(request, client_id, secret):
        raise Refused(UNKNOWN_APPLICATION)
    owner_id = strava.tokens.owner_of((await fields_of(request)).get("token", ""))
    if owner_id is not None:
        strava.revoke(owner_id, event=True)
    return answer({})


async def deauthorize(request: web.Request) -> web.Response:
    """POST /oauth/deauthorize with an access token."""
    strava = request.app[STRAVA]
    spoken = access_token(request) or (await fields_of(request)).get("access_token", "")
    owner_id = strava.tokens.owner_of(spoken)
    if owner_id is None:
        raise Refused(DEAD_ACCESS_TOKEN)
    strava.revoke(owner_id, event=True)
    return answer({"access_token": spoken})


HANDLERS = {"token": token, "revoke": revoke, "deauthorize": deauthorize}


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes; they stand before the API's own catch-all."""
    for name, handler in HANDLERS.items():
        router.add_post(f"/oauth/{name}", handler, name=name)
        # The published description has them here too, and clients use both.
        router.add_post(f"/api/v3/oauth/{name}", handler, name=f"{name}_in_api")

"""The routes of OAuth and of the event subscription: those that speak with the app's own secret.

Refuses codes and consent pages: no code is ever issued here, athletes have connected already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

import orjson
from aiohttp import web

from sandbox.answers import answer
from sandbox.api import access_token
from sandbox.faults import (
    ALREADY_SUBSCRIBED,
    DEAD_ACCESS_TOKEN,
    DEAD_REFRESH_TOKEN,
    INVALID_CLIENT,
    INVALID_CODE,
    INVALID_GRANT_TYPE,
    NOT_VERIFIABLE,
    PATH_NOT_FOUND,
    UNKNOWN_APPLICATION,
    Refused,
)
from sandbox.strava import STRAVA


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the parameters of a call, which clients put into the query, a form or a JSON body."""
    fields = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return fields
        return fields | ({key: str(value) for key, value in body.items()} if isinstance(body, dict) else {})
    return fields | {key: value for key, value in (await request.post()).items() if isinstance(value, str)}


def _is_the_app(request: web.Request, client_id: str, client_secret: str) -> bool:
    options = request.app[STRAVA].options
    return client_id == str(options.client_id) and client_secret == options.client_secret


def _check_app(request: web.Request, fields: Mapping[str, str]) -> None:
    if not _is_the_app(request, fields.get("client_id", ""), fields.get("client_secret", "")):
        raise Refused(INVALID_CLIENT)


async def token(request: web.Request) -> web.Response:
    """POST /oauth/token with a refresh token."""
    strava, fields = request.app[STRAVA], await _fields(request)
    _check_app(request, fields)
    if fields.get("grant_type") == "authorization_code":
        raise Refused(INVALID_CODE)
    if fields.get("grant_type") != "refresh_token":
        raise Refused(INVALID_GRANT_TYPE)
    now = strava.clock.now()
    grant = strava.tokens.refresh(fields.get("refresh_token", ""), now)
    if grant is None:
        raise Refused(DEAD_REFRESH_TOKEN)
    shown = {
        "token_type": "Bearer",
        "access_token": grant.access_token,
        "expires_at": grant.expires_at,
        "expires_in": grant.expires_at - int(now),
        "refresh_token": grant.refresh_token,
    }
    return answer(shown)


async def revoke(request: web.Request) -> web.Response:
    """POST /oauth/revoke with HTTP Basic; an unknown token is no error (RFC 7009, section 2.2)."""
    strava = request.app[STRAVA]
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client_id = secret = ""
    if scheme.lower() != "basic" or not _is_the_app(request, client_id, secret):
        raise Refused(UNKNOWN_APPLICATION)
    owner_id = strava.tokens.owner_of((await _fields(request)).get("token", ""))
    if owner_id is not None:
        strava.revoke(owner_id, event=True)
    return answer({})


async def deauthorize(request: web.Request) -> web.Response:
    """POST /oauth/deauthorize with an access token."""
    strava = request.app[STRAVA]
    spoken = access_token(request) or (await _fields(request)).get("access_token", "")
    owner_id = strava.tokens.owner_of(spoken)
    if owner_id is None:
        raise Refused(DEAD_ACCESS_TOKEN)
    strava.revoke(owner_id, event=True)
    return answer({"access_token": spoken})


async def create_subscription(request: web.Request) -> web.Response:
    """POST /push_subscriptions: the handshake happens while this call waits."""
    strava, fields = request.app[STRAVA], await _fields(request)
    _check_app(request, fields)
    callback_url, verify_token = fields.get("callback_url", ""), fields.get("verify_token", "")
    if strava.push.subscription is not None:
        raise Refused(ALREADY_SUBSCRIBED)
    if not callback_url.startswith(("http://", "https://")):
        raise Refused(NOT_VERIFIABLE)
    challenge = hashlib.blake2b(f"{strava.clock.now()}".encode(), digest_size=8).hexdigest()
    await strava.push.verify(callback_url, verify_token, challenge)
    subscription = strava.subscribe(callback_url)
    return answer(subscription.shape(), 201, b"\n")


async def show_subscriptions(request: web.Request) -> web.Response:
    """GET /push_subscriptions."""
    _check_app(request, request.query)
    subscription = request.app[STRAVA].push.subscription
    return answer([subscription.shape()] if subscription is not None else [], 200, b"\n")


async def delete_subscription(request: web.Request) -> web.Response:
    """DELETE /push_subscriptions/{id}."""
    strava = request.app[STRAVA]
    _check_app(request, await _fields(request))
    subscription = strava.push.subscription
    if subscription is None or str(subscription.id) != request.match_info["id"]:
        raise Refused(PATH_NOT_FOUND)
    strava.push.subscription = None
    return web.Response(status=204)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes; they stand before the API's own catch-all."""
    for path in ("/oauth/token", "/api/v3/oauth/token"):
        router.add_post(path, token, name="token" if path == "/oauth/token" else "token_in_api")
    router.add_post("/oauth/revoke", revoke, name="revoke")
    router.add_post("/oauth/deauthorize", deauthorize, name="deauthorize")
    subscriptions = router.add_resource("/api/v3/push_subscriptions", name="push_subscriptions")
    subscriptions.add_route("POST", create_subscription)
    subscriptions.add_route("GET", show_subscriptions)
    router.add_delete("/api/v3/push_subscriptions/{id}", delete_subscription, name="push_subscription")

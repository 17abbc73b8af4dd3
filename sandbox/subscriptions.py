"""The routes of the event subscription, of which an app has one.

Refuses to deliver events: that is `push`.
"""

from __future__ import annotations

import hashlib

from aiohttp import web

from sandbox.answers import answer
from sandbox.application import check_app, fields_of
from sandbox.faults import ALREADY_SUBSCRIBED, NOT_VERIFIABLE, PATH_NOT_FOUND, Refused
from sandbox.strava import STRAVA


async def create_subscription(request: web.Request) -> web.Response:
    """POST /push_subscriptions: the handshake happens while this call waits."""
    strava, fields = request.app[STRAVA], await fields_of(request)
    check_app(request, fields)
    callback_url, verify_token = fields.get("callback_url", ""), fields.get("verify_token", "")
    if strava.push.subscription is not None:
        raise Refused(ALREADY_SUBSCRIBED)
    if not callback_url.startswith(("http://", "https://")):
        raise Refused(NOT_VERIFIABLE)
    challenge = hashlib.blake2b(f"{strava.clock.now()}".encode(), digest_size=8).hexdigest()
    await strava.push.verify(callback_url, verify_token, challenge)
    if strava.push.subscription is not None:  # another call was quicker while this one shook hands
        raise Refused(ALREADY_SUBSCRIBED)
    subscription = strava.subscribe(callback_url)
    return answer(subscription.shape(), 201, b"\n")


async def show_subscriptions(request: web.Request) -> web.Response:
    """GET /push_subscriptions."""
    check_app(request, await fields_of(request))
    subscription = request.app[STRAVA].push.subscription
    return answer([subscription.shape()] if subscription is not None else [], 200, b"\n")


async def delete_subscription(request: web.Request) -> web.Response:
    """DELETE /push_subscriptions/{id}."""
    strava = request.app[STRAVA]
    check_app(request, await fields_of(request))
    subscription = strava.push.subscription
    if subscription is None or str(subscription.id) != request.match_info["id"]:
        raise Refused(PATH_NOT_FOUND)
    strava.push.subscription = None
    return web.Response(status=204)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes; they stand before the API's own catch-all."""
    subscriptions = router.add_resource("/api/v3/push_subscriptions", name="push_subscriptions")
    subscriptions.add_route("POST", create_subscription)
    subscriptions.add_route("GET", show_subscriptions)
    router.add_delete("/api/v3/push_subscriptions/{id}", delete_subscription, name="push_subscription")

"""The routes under /api/v3 that read: athlete, zones, list, detail, streams.

Refuses to count and to break things on purpose: the server does both around them.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

from aiohttp import web

from sandbox.answers import answer
from sandbox.faults import (
    DEAD_ACCESS_TOKEN,
    NOT_FOUND,
    NOT_FOUND_RECORDED,
    PATH_NOT_FOUND,
    UNKNOWN_APPLICATION,
    Refused,
    bad_request,
    scope_missing,
)
from sandbox.shapes import streams_of
from sandbox.strava import STRAVA, FakeStrava
from sandbox.tokens import Doubt, Grant
from sandbox.world import Activity, athlete_shape

LAST_SECOND = 253_402_300_799  # the year 9999: an instant in milliseconds lies beyond it
PAGE_DEFAULT = 30
PAGE_MOST = 200


def access_token(request: web.Request) -> str:
    """Return the token of a request, in its header or, as older clients send it, in the query."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.query.get("access_token", "")


def _grant(request: web.Request, scope: str | None = None) -> Grant:
    strava = request.app[STRAVA]
    holder = strava.tokens.holder(access_token(request), strava.clock.now())
    if isinstance(holder, Doubt):
        raise Refused(DEAD_ACCESS_TOKEN if holder is Doubt.DEAD else UNKNOWN_APPLICATION)
    if scope is not None and not holder.covers(scope):
        raise Refused(scope_missing(scope, 403 if strava.quirks.missing_scope == "forbidden" else 401))
    return holder


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    try:
        value = int(request.query.get(name, default))
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Refused(bad_request("Application", name))
    return value


def _not_found(strava: FakeStrava) -> Refused:
    return Refused(NOT_FOUND if strava.quirks.error_bodies == "modern" else NOT_FOUND_RECORDED)


def _activity(request: web.Request, grant: Grant) -> Activity:
    strava, text = request.app[STRAVA], request.match_info["id"]
    found = strava.world.find(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else None
    if found is None or not found.visible(grant, strava.clock.now()):
        raise _not_found(strava)
    return found


async def athlete(request: web.Request) -> web.Response:
    """GET /athlete."""
    grant = _grant(request)
    shown = athlete_shape(
        request.app[STRAVA].world.athletes[grant.athlete_id], detailed=grant.covers("profile:read_all")
    )
    return answer(shown)


async def zones(request: web.Request) -> web.Response:
    """GET /athlete/zones: five heart rate zones, the top one open, and power zones where an FTP is known."""
    grant = _grant(request, "profile:read_all")
    owner = request.app[STRAVA].world.athletes[grant.athlete_id]
    most = owner.max_hr or 190
    edges = [0, *(round(most * share) for share in (0.59, 0.74, 0.81, 0.88)), -1]
    shown = {"heart_rate": {"custom_zones": False, "zones": _zones(edges)}}
    if owner.ftp is not None:
        watts = [0, *(round(owner.ftp * share) for share in (0.55, 0.75, 0.9, 1.05, 1.2, 1.5)), -1]
        shown["power"] = {"zones": _zones(watts)}
    return answer(shown)


def _zones(edges: list[int]) -> list[dict[str, int]]:
    return [{"min": low, "max": high} for low, high in pairwise(edges)]


async def activities(request: web.Request) -> web.Response:
    """GET /athlete/activities: what may not be seen is taken out after paging, so pages come short."""
    strava, grant = request.app[STRAVA], _grant(request, "activity:read")
    after = _whole(request, "after", 0, 0, LAST_SECOND)
    before = _whole(request, "before", LAST_SECOND, 0, LAST_SECOND)
    page = _whole(request, "page", 1, 1, 2**31)
    size = _whole(request, "per_page", PAGE_DEFAULT, 1, PAGE_MOST)
    if strava.quirks.short_pages:
        size = max(1, size * 2 // 3)
    alone = "after" in request.query and "before" not in request.query
    listed = strava.world.listing(
        grant.athlete_id,
        after=after if "after" in request.query else float("-inf"),
        before=before if "before" in request.query else float("inf"),
        now=strava.clock.now(),
        newest_first=not (alone and strava.quirks.after_alone == "oldest_first"),
    )
    shown = []
    for found in listed[(page - 1) * size : page * size]:
        if found.visible(grant, strava.clock.now()):
            shown.append(found.summary())
            await asyncio.sleep(0)  # an activity that is drawn for the first time takes milliseconds
    return answer(shown)


async def activity(request: web.Request) -> web.Response:
    """GET /activities/{id}."""
    return answer(_activity(request, _grant(request, "activity:read")).detail())


async def streams(request: web.Request) -> web.Response:
    """GET /activities/{id}/streams."""
    strava, found = request.app[STRAVA], _activity(request, _grant(request, "activity:read"))
    key_by_type = request.query.get("key_by_type", "").lower() in {"true", "1"}
    if strava.clock.now() < found.streams_ready_at:
        if found.streams_until_ready == "missing":
            raise _not_found(strava)
        return answer({} if key_by_type else [])
    held = found.streams()
    if not held:
        raise _not_found(strava)
    keys = {key.strip() for key in request.query.get("keys", "").split(",")}
    return answer(streams_of(held, keys, key_by_type=key_by_type))


async def unknown(_request: web.Request) -> web.Response:
    """Answer for whatever else lies under /api/v3."""
    raise Refused(PATH_NOT_FOUND)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the reading routes; a route's name is its endpoint's name in counts and switches."""
    router.add_get("/api/v3/athlete", athlete, name="athlete")
    router.add_get("/api/v3/athlete/zones", zones, name="zones")
    router.add_get("/api/v3/athlete/activities", activities, name="activities")
    router.add_get("/api/v3/activities/{id}", activity, name="activity")
    router.add_get("/api/v3/activities/{id}/streams", streams, name="streams")
    router.add_route("*", "/api/v3/{tail:.*}", unknown, name="unknown")

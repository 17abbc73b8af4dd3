"""The routes of the fake Intervals.icu under /api/v1, and who may ask.

Refuses to count them toward Strava's quota.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import orjson
from aiohttp import web

from sandbox.answers import answer
from sandbox.faults import Refusal, Refused
from sandbox.strava import STRAVA
from sandbox.world import Athlete

ENDPOINTS = ("intervals_athlete", "wellness")
OWNER = "0"  # whoever the key belongs to
USER = "API_KEY"
MOST_DAYS = 1_500
DAYS_UNASKED = 30


def _refusal(status: int, error: str) -> Refused:
    return Refused(Refusal(status, orjson.dumps({"status": status, "error": error})))


def speaker(request: web.Request) -> int | None:
    """Return whose key a request carries."""
    try:
        return _holder(request)
    except Refused:
        return None


def _holder(request: web.Request) -> int:
    """Return whose key it is. Raises Refused: 403 for a personal key that is sent as a bearer token."""
    intervals = request.app[STRAVA].intervals
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    holder = None
    if scheme.lower() == "bearer":
        holder = intervals.holder(given.strip(), "bearer")
        if holder is None and intervals.holder(given.strip(), "api_key") is not None:
            raise _refusal(403, "Forbidden")
    elif scheme.lower() == "basic":
        try:
            user, _, key = b64decode(given, validate=True).decode().partition(":")
        except (NotBase64, UnicodeDecodeError):
            user, key = "", ""
        holder = intervals.holder(key, "api_key") if user == USER else None
    if holder is None:
        raise _refusal(401, "Unauthorized")
    return holder


def _athlete(request: web.Request) -> Athlete:
    strava, holder, asked = request.app[STRAVA], _holder(request), request.match_info["id"]
    if asked not in {OWNER, strava.intervals.name(holder)}:
        raise _refusal(403, "Forbidden")
    return strava.world.athletes[holder]


def _day(request: web.Request, name: str, default: date) -> date:
    try:
        return date.fromisoformat(request.query.get(name, default.isoformat()))
    except ValueError:
        raise _refusal(422, f"{name} is not a date") from None


def _chosen(record: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return the fields that were asked for; with `fields` null ones are left out."""
    return {name: record[name] for name in fields if record.get(name) is not None} if fields else record


async def athlete(request: web.Request) -> web.Response:
    """GET /api/v1/athlete/{id}."""
    found = _athlete(request)
    shown = {
        "id": request.app[STRAVA].intervals.name(found.id),
        "name": f"{found.firstname} {found.lastname}",
        "sex": found.sex,
        "city": found.home.city,
        "timezone": found.home.zone,
    }
    return answer(shown)


async def wellness(request: web.Request) -> web.Response:
    """GET /api/v1/athlete/{id}/wellness?oldest&newest&fields."""
    found, intervals = _athlete(request), request.app[STRAVA].intervals
    newest_on = _day(request, "newest", intervals.today(found))
    oldest_on = _day(request, "oldest", newest_on - timedelta(days=DAYS_UNASKED))
    if (newest_on - oldest_on).days > MOST_DAYS:
        raise _refusal(422, "too many days")
    asked = [name for text in request.query.getall("fields", []) for name in text.split(",") if name]
    return answer([_chosen(record, asked) for record in intervals.records(found, oldest_on, newest_on)])


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes; a route's name is its endpoint's name in counts and switches."""
    router.add_get("/api/v1/athlete/{id}", athlete, name="intervals_athlete")
    router.add_get("/api/v1/athlete/{id}/wellness", wellness, name="wellness")

"""The app that speaks for itself: where it puts its parameters, and whether its id and secret are right.

Refuses to know athletes and their tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from sandbox.faults import INVALID_CLIENT, Refused
from sandbox.strava import STRAVA


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the parameters of a call, which clients put into the query, a form or a JSON body."""
    fields = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return fields
        return fields | ({key: str(value) for key, value in body.items()} if isinstance(body, dict) else {})
    return fields | {key: value for key, value in (await request.post()).items() if isinstance(value, str)}


def is_the_app(request: web.Request, client_id: str, client_secret: str) -> bool:
    """Say whether these are the app's id and secret."""
    options = request.app[STRAVA].options
    return client_id == str(options.client_id) and client_secret == options.client_secret


def check_app(request: web.Request, fields: Mapping[str, str]) -> None:
    """Check the id and secret among the parameters. Raises Refused."""
    if not is_the_app(request, fields.get("client_id", ""), fields.get("client_secret", "")):
        raise Refused(INVALID_CLIENT)

"""What the admin API shares: answers as JSON, problems in the form of RFC 9457, and numbers that are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import orjson
import structlog
from aiohttp import web

from daemon.core.errors import Retryable
from daemon.web.problems import DATABASE_AWAY, described

log = structlog.get_logger()

LONGEST_NUMBER: Final = 19  # digits of a bigint
RETRY: Final = {"Retry-After": "5"}

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200) -> web.Response:
    """Return JSON; days as 2026-03-01, instants as ISO 8601 with a Z."""
    return web.Response(
        body=orjson.dumps(body, option=orjson.OPT_UTC_Z), status=status, content_type="application/json"
    )


def whole_number(text: str, least: int, most: int) -> int | None:
    """Return a number that a query or a path holds; None where it is none, or out of bounds."""
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_NUMBER:
        return None
    number = int(text)
    return number if least <= number <= most else None


def pattern(request: web.Request) -> str:
    """Return the pattern of a route, "none" where there is none: a path holds ids, and may hold a secret."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def weathering(handler: Handler) -> Handler:
    """Wrap a handler that asks the database: while it is away, the answer is 503."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Retryable as error:
            log.warning("request.not_answered", route=pattern(request), reason=str(error))
            return described(DATABASE_AWAY, "it is down or restarting: try again in a few seconds", RETRY)

    return handle

"""What the admin API's routes on one athlete share: his id, a JSON body, answers, and how a handler refuses."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from daemon.web.answers import Handler, problem, weathering
from daemon.web.bodies import TooLarge, read_bounded

LARGEST_BODY: Final = 1024 * 1024
READ_WITHIN_SECONDS: Final = 15.0
ATHLETE: Final = "/athletes/{id:[0-9]{1,18}}"


class Refused(Exception):
    """Raised by a handler to answer with a problem."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def answering(handler: Handler) -> Handler:
    """Wrap a handler, so that its refusals are answers, and a database that is away is one."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return refused.response

    return weathering(answered)


def athlete_id_of(request: web.Request) -> int:
    """Return the athlete's id from the path."""
    return int(request.match_info["id"])


def nobody(athlete_id: int) -> Refused:
    """Return the refusal for an athlete whom we do not have."""
    detail = "`domestique athletes list` shows who there is"
    return Refused(problem(404, f"there is no athlete {athlete_id}", detail))


async def content_of(request: web.Request) -> Any:
    """Return the decoded body. Raises Refused."""
    try:
        async with asyncio.timeout(READ_WITHIN_SECONDS):
            return orjson.loads(await read_bounded(request, LARGEST_BODY))
    except orjson.JSONDecodeError as error:
        where = f"{error.msg}, at line {error.lineno} column {error.colno}"
        raise Refused(problem(400, "the body is not JSON", where)) from error
    except TooLarge as error:
        response = problem(413, "the body is too large", f"send at most {LARGEST_BODY} bytes at once")
        response.force_close()
        raise Refused(response) from error
    except TimeoutError as error:
        response = problem(408, "the body did not come", f"send it within {READ_WITHIN_SECONDS:.0f} s")
        response.force_close()
        raise Refused(response) from error

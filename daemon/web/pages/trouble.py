"""What went wrong on a page, told to a person: what happened, what to do, and a link to do it.

Refuses to tell machines; they are told in `problems`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from daemon.core.errors import Retryable
from daemon.web.answers import Handler, pattern
from daemon.web.pages.rendering import page
from daemon.web.problems import Refused

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """A link out of it."""

    href: str
    words: str


HOME: Final = Way("/", "To the first page")


class Trouble(Exception):
    """Raised by a page's handler to show what is wrong instead; `says` are whole sentences."""

    def __init__(
        self,
        status: int,
        heading: str,
        *says: str,
        way: Way = HOME,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(heading)
        self.status = status
        self.heading = heading
        self.says = says
        self.way = way
        self.retry_after_seconds = retry_after_seconds

    def shown(self, request: web.Request) -> web.Response:
        """Return the page."""
        response = page(request, "trouble.html", self.status, heading=self.heading, says=self.says, way=self.way)
        if self.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(math.ceil(self.retry_after_seconds))
        return response


def showing(handler: Handler) -> Handler:
    """Wrap a page's handler, so that what it refuses is a page, and a database that is away is one, too."""

    async def shown(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Trouble as trouble:
            return trouble.shown(request)
        except Refused as refused:
            title, detail = _sentence(refused.problem.title), _sentence(refused.detail)
            return Trouble(refused.problem.status, title, detail).shown(request)
        except Retryable as error:
            log.warning("request.not_answered", route=pattern(request), reason=str(error))
            return Trouble(
                503,
                "The database does not answer.",
                "It is down or restarting: try again in a few seconds.",
                retry_after_seconds=5,
            ).shown(request)

    return shown


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

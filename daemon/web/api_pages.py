"""The description of the API: for programs at `/openapi.json`, for people at `/api`, and every problem at its type.

All of it is the same for everybody and made once, so it is open to anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from daemon.core.deliveries import PING, Ping
from daemon.core.news import TOLD
from daemon.web.endpoints import JSON, Endpoint, Who, tagged
from daemon.web.openapi import document
from daemon.web.pages.rendering import HEADERS, page
from daemon.web.problems import every
from daemon.web.readable import chapters, messages

TAG: Final = "description"
# All that is sent to endpoints of the operator's.
MESSAGES: Final[Mapping[str, type]] = {**{topic.value: shape for topic, shape in TOLD.items()}, PING: Ping}


class ApiPages:
    """`described` are the given endpoints and this one's own."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        does = "Describe every address, with all that it takes and answers."
        own = Endpoint("GET", "/openapi.json", self.description, Who.ANYONE, TAG, does, dict[str, Any])
        self.described = (*endpoints, own)
        self._document = document(self.described, MESSAGES)
        self._written = orjson.dumps(self._document)
        self._page: bytes | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the pages for people."""
        return [web.get("/api", self.read), web.get("/problems/{name}", self.problem)]

    async def description(self, _: web.Request) -> web.Response:
        """Answer with the document."""
        return web.Response(body=self._written, content_type=JSON)

    async def read(self, request: web.Request) -> web.Response:
        """Show the document as a page, which is rendered once."""
        if self._page is None:
            told = page(request, "api.html", document=self._document, chapters=chapters(self._document),
                        messages=messages(self._document), problems=every().values())  # fmt: skip
            assert isinstance(told.body, bytes)
            self._page = told.body
        response = web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=HEADERS)
        return tagged(request, response)

    async def problem(self, request: web.Request) -> web.Response:
        """Tell one kind of problem."""
        known = every().get(request.match_info["name"])
        if known is None:
            return page(request, "lost.html", 404, sentence="There is no such problem here.")
        return page(request, "problem.html", problem=known)

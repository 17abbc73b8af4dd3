"""The athlete's page: one document for whoever is signed in; its scripts ask `/me/…` for everything that it shows.

Refuses to read anything about the athlete: what is told of him has one source, the addresses below /me.
"""

from __future__ import annotations

import structlog
from aiohttp import web

from daemon.core.errors import Retryable
from daemon.web.answers import pattern
from daemon.web.pages.rendering import page
from daemon.web.sessions import Kind, Sessions

log = structlog.get_logger()


class AthletePage:
    """Serves /athlete."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/athlete", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Show the page, or lead whoever is not signed in to the first page, where he can."""
        try:
            session = await self._sessions.find(request, Kind.ATHLETE)
        except Retryable as error:
            log.warning("request.not_answered", route=pattern(request), reason=str(error))
            sentence = "The database does not answer: open the page again in a few seconds."
            return page(request, "lost.html", 503, sentence=sentence)
        if session is None:
            return web.Response(status=303, headers={"Location": "/"})
        return page(request, "athlete.html", csrf=session.csrf)

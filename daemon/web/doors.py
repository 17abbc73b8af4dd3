"""Opens each address to those who may: makes routes of endpoints.

A token or the operator's page for the admin API, a signed-in athlete for what is about himself. Handlers refuse by
raising; here that becomes an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import structlog
from aiohttp import web

from daemon.core.events import LARGEST_ID
from daemon.web.admin import Guard
from daemon.web.answers import Handler, weathering, whole_number
from daemon.web.endpoints import ATHLETE_ID, Endpoint, Who
from daemon.web.problems import SIGN_IN_NEEDED, UNKNOWN_ATHLETE, Refused
from daemon.web.sessions import Kind, Sessions, check_forgery

OF_ATHLETE = "/athletes/{athlete_id}"  # the admin API's addresses about one athlete begin so
OF_HIMSELF = "/me"  # and those of the athlete himself so


class Doors:
    """Wraps handlers, so that they run for those who may."""

    def __init__(self, guard: Guard, sessions: Sessions) -> None:
        self._guard = guard
        self._sessions = sessions

    def routes(self, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
        """Return what the server shall route."""
        return [web.route(each.method, each.path, self._opened(each)) for each in endpoints]

    def _opened(self, endpoint: Endpoint) -> Handler:
        handler = weathering(refusing(_with_athlete(endpoint)))
        match endpoint.who:
            case Who.READ:
                return self._guard.read(handler)
            case Who.OPERATE:
                return self._guard.operate(handler)
            case Who.ATHLETE:
                return weathering(refusing(self._himself(endpoint.handler)))
            case Who.ANYONE:
                return handler

    def _himself(self, handler: Handler) -> Handler:
        async def opened(request: web.Request) -> web.StreamResponse:
            session = await self._sessions.find(request, Kind.ATHLETE)
            if session is None:
                raise Refused(SIGN_IN_NEEDED, "sign in with Strava: open the first page")
            await check_forgery(request, session)
            request[ATHLETE_ID] = session.athlete_id
            with structlog.contextvars.bound_contextvars(athlete_id=session.athlete_id):
                return await handler(request)

        return opened


def both(endpoint: Endpoint) -> list[Endpoint]:
    """Return an address about an athlete for tokens, below /athletes/{athlete_id}, and for himself, below /me."""
    return [
        replace(endpoint, path=OF_ATHLETE + endpoint.path, problems=(*endpoint.problems, UNKNOWN_ATHLETE)),
        replace(endpoint, path=OF_HIMSELF + endpoint.path, who=Who.ATHLETE),
    ]


def refusing(handler: Handler) -> Handler:
    """Wrap a handler, so that its refusals are answers."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return refused.response()

    return answered


def _with_athlete(endpoint: Endpoint) -> Handler:
    if "{athlete_id}" not in endpoint.path:
        return endpoint.handler

    async def opened(request: web.Request) -> web.StreamResponse:
        athlete_id = whole_number(request.match_info["athlete_id"], 1, LARGEST_ID)
        if athlete_id is None:
            raise Refused(UNKNOWN_ATHLETE, "an athlete's id is a number: `domestique athletes list`")
        request[ATHLETE_ID] = athlete_id
        return await endpoint.handler(request)

    return opened

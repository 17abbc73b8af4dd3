"""Opens each address to those who may: makes routes of endpoints.

A token or the operator's page for the admin API, a signed-in athlete for what is about himself. Handlers refuse by
raising; here that becomes an answer. What holds for every address behind a door is done here once: a query that is
not described is refused, so is a body that is no JSON, and what is read carries an ETag.

An address that is open to anyone takes a query and a type as they come: monitors append what they like, and an
event that Strava sends in another dress is an event all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import structlog
from aiohttp import hdrs, web

from daemon.core.events import LARGEST_ID
from daemon.web.admin import Guard
from daemon.web.answers import Handler, weathering, whole_number
from daemon.web.endpoints import ATHLETE_ID, JSON, Endpoint, Nothing, Who, query_of, tagged
from daemon.web.problems import SIGN_IN_NEEDED, UNKNOWN_ATHLETE, UNSUPPORTED_TYPE, Refused
from daemon.web.sessions import Kind, Sessions, check_forgery

OF_ATHLETE = "/athletes/{athlete_id}"  # the admin API's addresses about one athlete begin so
OF_HIMSELF = "/me"  # and those of the athlete himself so
UNSAID: Final = "application/octet-stream"  # what a client's library writes where its user says nothing


class Doors:
    """Wraps handlers, so that they run for those who may."""

    def __init__(self, guard: Guard, sessions: Sessions) -> None:
        self._guard = guard
        self._sessions = sessions

    def routes(self, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
        """Return what the server shall route; what is read as JSON also answers HEAD."""
        return [
            web.get(each.path, self._opened(each), allow_head=each.is_tagged)
            if each.method == hdrs.METH_GET
            else web.route(each.method, each.path, self._opened(each))
            for each in endpoints
        ]

    def _opened(self, endpoint: Endpoint) -> Handler:
        handler = weathering(refusing(_as_described(endpoint, _with_athlete(endpoint))))
        match endpoint.who:
            case Who.READ:
                return self._guard.read(handler)
            case Who.OPERATE:
                return self._guard.operate(handler)
            case Who.ATHLETE:
                return weathering(refusing(self._himself(_as_described(endpoint, endpoint.handler))))
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


def _as_described(endpoint: Endpoint, handler: Handler) -> Handler:
    is_strict = endpoint.who is not Who.ANYONE

    async def answered(request: web.Request) -> web.StreamResponse:
        if is_strict:
            query_of(request, endpoint.query or Nothing)
        if is_strict and endpoint.body is not None:
            _check_type(request)
        response = await handler(request)
        is_read = endpoint.is_tagged and response.status == 200 and response.etag is None
        if is_read and isinstance(response, web.Response) and isinstance(response.body, bytes):
            return tagged(request, response)
        return response

    return answered


def _check_type(request: web.Request) -> None:
    given = request.content_type  # without a header: UNSAID
    if given not in {JSON, UNSAID} and not given.endswith("+json"):
        raise Refused(UNSUPPORTED_TYPE, f"send `Content-Type: {JSON}`; this said {given[:80]}")


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

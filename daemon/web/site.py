"""All that this daemon serves: addresses that are described, and pages for people, which are not.

Routes and description are made from one list, so nothing is served that is not described; what is left out is named
below, with the reason. Refuses to serve anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiohttp import web

from daemon.web.api_pages import ApiPages
from daemon.web.doors import Doors
from daemon.web.endpoints import Endpoint

# Paths that are not in openapi.json, and why.
NOT_DESCRIBED: Final[Mapping[str, str]] = {
    "/": "the first page",
    "/connect": "leads a browser to Strava",
    "/connect/strava": "where Strava sends the browser back to",
    "/sign-out": "a form's address",
    "/athlete": "the athlete's page",
    "/athlete/leave": "a page, and its form's address",
    "/operator": "the operator's page",
    "/operator/athletes": "a page",
    "/operator/athletes/{athlete_id}": "a page",
    "/operator/sign-in": "a page, and its form's address",
    "/operator/sign-out": "a form's address",
    "/metrics": "Prometheus' own format, told in docs/monitoring",
    "/api": "the description, as a page",
    "/problems/{name}": "a page that tells one kind of problem",
}


class Site:
    """`endpoints` are behind their doors; `pages` look themselves at who comes."""

    def __init__(self, doors: Doors, endpoints: Iterable[Endpoint], pages: Sequence[web.RouteDef] = ()) -> None:
        api = ApiPages(tuple(endpoints))
        self.endpoints = api.described
        shown = [*pages, *api.routes()]
        unnamed = [route.path for route in shown if route.path not in NOT_DESCRIBED]
        if unnamed:
            raise ValueError(f"{', '.join(unnamed)}: make it an Endpoint, or say in NOT_DESCRIBED why it is none")
        self._routes = [*doors.routes(self.endpoints), *shown]

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route."""
        return self._routes

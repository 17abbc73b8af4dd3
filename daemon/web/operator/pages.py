"""What operators look at: the overview, which a script fills and keeps current, and the athletes, as plain pages.

Whoever may only read is offered nothing that he may not do. Refuses to let anybody in: `sign_in` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import structlog
from aiohttp import web

from daemon.core.bearer import Scope
from daemon.core.errors import Retryable
from daemon.core.events import LARGEST_ID
from daemon.store import athletes
from daemon.store.database import Database
from daemon.web.answers import pattern, whole_number
from daemon.web.endpoints import query_of
from daemon.web.models.operator import Athletes, AthletesAsked
from daemon.web.operator.people import PeoplePages, athletes_page
from daemon.web.operator.sign_in import ADDRESS, HOME, leading_to
from daemon.web.pages.rendering import page
from daemon.web.problems import Refused
from daemon.web.sessions import Kind, Session, Sessions

log = structlog.get_logger()

AWAY: Final = "The database does not answer now. /health says more; try again in a few seconds."
Shown: TypeAlias = Callable[[web.Request, Session], Awaitable[web.Response]]


class OperatorPages:
    """`people` explains athletes."""

    def __init__(self, database: Database, sessions: Sessions, people: PeoplePages) -> None:
        self._database = database
        self._sessions = sessions
        self._people = people

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [
            web.get(HOME, self._for_operators(self.overview)),
            web.get(f"{HOME}/athletes", self._for_operators(self.list_athletes)),
            web.get(f"{HOME}/athletes/{{athlete_id}}", self._for_operators(self.athlete)),
        ]

    def _for_operators(self, shown: Shown) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Lead whoever is not signed in to the form."""

        async def show(request: web.Request) -> web.StreamResponse:
            try:
                session = await self._sessions.find(request, Kind.OPERATOR)
                if session is None:
                    return leading_to(ADDRESS)
                return await shown(request, session)
            except Retryable as error:
                log.warning("request.not_answered", route=pattern(request), reason=str(error))
                return page(request, "lost.html", 503, sentence=AWAY)

        return show

    async def overview(self, request: web.Request, session: Session) -> web.Response:
        """Show the frame of the overview."""
        return page(request, "operator.html", **_signed_in(session))

    async def list_athletes(self, request: web.Request, session: Session) -> web.Response:
        """Show a page of athletes; a query that is wrong is answered with the whole list and why."""
        wrong, asked = None, AthletesAsked()
        found = Athletes(items=[], next=None)
        try:
            # A form sends its empty fields too.
            given = {name: value for name, value in request.query.items() if value}
            asked = query_of(request.clone(rel_url=request.rel_url.with_query(given)), AthletesAsked)
            async with self._database.connection() as connection:
                found = await athletes_page(connection, asked)
        except Refused as refused:
            wrong = refused.detail
        following = {"search": asked.search, "state": asked.state, "cursor": found.next, "limit": asked.limit}
        more = request.rel_url.with_query({name: value for name, value in following.items() if value is not None})
        return page(
            request,
            "operator-athletes.html",
            400 if wrong is not None else 200,
            found=found,
            asked=asked,
            wrong=wrong,
            more=str(more) if found.next is not None else None,
            **_signed_in(session),
        )

    async def athlete(self, request: web.Request, session: Session) -> web.Response:
        """Show one athlete: who he is here, when he is looked at, and why."""
        athlete_id = whole_number(request.match_info["athlete_id"], 1, LARGEST_ID)
        if athlete_id is None:
            raise web.HTTPNotFound
        async with self._database.connection() as connection:
            known = await athletes.get(connection, athlete_id)
            explained = await self._people.explained(connection, athlete_id)
        if known is None or explained is None:
            raise web.HTTPNotFound
        return page(request, "operator-athlete.html", athlete=known, explained=explained, **_signed_in(session))


def _signed_in(session: Session) -> dict[str, Any]:
    return {
        "csrf": session.csrf,
        "admin": session.token.name,
        "may_operate": Scope.OPERATE in session.token.scopes,
    }

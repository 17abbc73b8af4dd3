"""An athlete's wellness: days posted from any source, and what they make of his loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.core.wellness import FaultyDays, parse_days
from daemon.jobs import wellness_days
from daemon.science.wellness import Weights
from daemon.store import athletes
from daemon.store.database import Database
from daemon.web import bodies
from daemon.web.bodies import content_of
from daemon.web.doors import both
from daemon.web.endpoints import Endpoint, Who, cached_plain, modelled, query_of, whose
from daemon.web.known_athlete import known, nobody
from daemon.web.models.athlete import DaysPosted, Wellness
from daemon.web.models.athlete_wishes import MorningsSince, PostedDays
from daemon.web.problems import BAD_QUERY, UNACCEPTABLE, Refused

log = structlog.get_logger()

TAG: Final = "wellness"


class WellnessPages:
    """`weights` is `science.weights`; `on_queued` is told when loads are to follow."""

    def __init__(self, database: Database, clock: Clock, weights: Weights, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._weights = weights
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        show = Endpoint(
            method="GET",
            path="/wellness",
            handler=self.show,
            who=Who.READ,
            tag=TAG,
            does="Return the last days: values, sources, and the modifier that they make of the day's loads.",
            answers=Wellness,
            query=MorningsSince,
            problems=(BAD_QUERY,),
        )
        post = Endpoint(
            method="POST",
            path="/wellness",
            handler=self.post,
            who=Who.OPERATE,
            tag=TAG,
            does="Take a list of days, all or none; the same list again changes nothing.",
            answers=DaysPosted,
            body=PostedDays,
            problems=(*bodies.PROBLEMS, UNACCEPTABLE),
        )
        return [*both(show), *both(post)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the days of which something is known."""
        athlete_id, asked = whose(request), query_of(request, MorningsSince)
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            days = await wellness_days.report(connection, athlete_id, asked.days, self._weights, self._clock.now())
        return cached_plain(request, {"days": days})

    async def post(self, request: web.Request) -> web.Response:
        """Take the list."""
        athlete_id, now = whose(request), self._clock.now()
        try:
            patches = parse_days(await content_of(request), now)
        except FaultyDays as error:
            raise _faulty(error) from error
        async with self._database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                raise nobody(athlete_id)
            count = await wellness_days.settle_post(connection, athlete_id, patches, self._weights, now)
        log.info("wellness.posted", athlete_id=athlete_id, days=len(patches), changed=count)
        self._on_queued()
        return modelled(DaysPosted(days=len(patches), changed=count))


def _faulty(error: FaultyDays) -> Refused:
    first = error.faults[0]
    place = f"entry {first.index}" + (f", {first.field}" if first.field is not None else "")
    faults = [{"index": one.index, "field": one.field, "detail": one.message} for one in error.faults]
    return Refused(UNACCEPTABLE, f"{place}: {first.message}", errors=faults)

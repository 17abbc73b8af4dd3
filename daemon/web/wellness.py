"""The admin API on an athlete's wellness: post days from any source, and see what they make of his loads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.core.wellness import EASTERNMOST, FaultyDays, merged, parse_days
from daemon.jobs import wellness_days
from daemon.science.wellness import Weights, modifiers
from daemon.store import athletes, wellness, wellness_readings
from daemon.store.database import Connection, Database
from daemon.web.admin import Guard
from daemon.web.answers import answer, problem, whole_number
from daemon.web.athlete_routes import ATHLETE, Refused, answering, athlete_id_of, content_of, nobody

log = structlog.get_logger()

DAYS_SHOWN: Final = 30
MOST_DAYS_SHOWN: Final = 1_000


async def report(
    connection: Connection, athlete_id: int, now: datetime, days: int, weights: Weights
) -> list[dict[str, Any]]:
    """Return the last days of which something is known, newest first: values, sources, modifier and its parts.

    The modifiers are those that a load of the day would have now.
    """
    last_on = (now + EASTERNMOST).date()
    first_on = last_on - timedelta(days=days)
    known = merged(await wellness.read(connection, athlete_id, first_on, last_on))
    if not known:
        return []
    readings = await wellness_readings.between(connection, athlete_id, first_on - wellness_days.REACH, last_on)
    made = await asyncio.to_thread(modifiers, min(known), max(known), readings, weights)
    return [
        {
            "on": modifier.on,
            "values": dict(known[modifier.on].values),
            "sources": dict(known[modifier.on].sources),
            "modifier": modifier.value,
            "explanation": modifier.explanation,
            "parts": [asdict(part) for part in modifier.parts],
        }
        for modifier in reversed(made)
        if modifier.on in known
    ]


class WellnessPages:
    """Routes below /athletes/{id}; `on_queued` is called when loads are to follow."""

    def __init__(
        self, database: Database, weights: Weights, clock: Clock, guard: Guard, on_queued: Callable[[], None]
    ) -> None:
        self._database = database
        self._weights = weights
        self._clock = clock
        self._guard = guard
        self._on_queued = on_queued

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [
            web.get(f"{ATHLETE}/wellness", self._guard.read(answering(self.show))),
            web.post(f"{ATHLETE}/wellness", self._guard.operate(answering(self.post))),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the last `days` days."""
        athlete_id = athlete_id_of(request)
        days = whole_number(request.query.get("days", str(DAYS_SHOWN)), 1, MOST_DAYS_SHOWN)
        if days is None:
            return problem(400, "days is no number of days", f"days must be 1 to {MOST_DAYS_SHOWN}")
        async with self._database.connection() as connection:
            if await athletes.get(connection, athlete_id) is None:
                raise nobody(athlete_id)
            return answer(await report(connection, athlete_id, self._clock.now(), days, self._weights))

    async def post(self, request: web.Request) -> web.Response:
        """Take a list of days, all or none; the same list again changes nothing."""
        athlete_id, now = athlete_id_of(request), self._clock.now()
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
        return answer({"days": len(patches), "changed": count})


def _faulty(error: FaultyDays) -> Refused:
    first = error.faults[0]
    place = f"entry {first.index}" + (f", {first.field}" if first.field is not None else "")
    faults = [{"index": one.index, "field": one.field, "detail": one.message} for one in error.faults]
    return Refused(problem(422, "nothing was stored", f"{place}: {first.message}", errors=faults))

"""Thresholds and fitness of an athlete over HTTP, for those with a token.

    GET    /athletes/{id}/thresholds                    read
    PUT    /athletes/{id}/thresholds/{kind}             operate   {"value": 250, "from": "2026-03-01"}
    DELETE /athletes/{id}/thresholds/{kind}[?from=DAY]  operate
    GET    /athletes/{id}/fitness[?days=28]             read

Refuses to let anybody in by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.jobs import athlete_thresholds, follow_fitness, local_days
from daemon.jobs.athlete_thresholds import Unacceptable, UnknownAthlete
from daemon.science.evidence import Kind
from daemon.science.fitness import Basis
from daemon.store import athletes
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.answers import Handler, answer, problem, weathering, whole_number
from daemon.web.athlete_routes import ATHLETE, athlete_id_of

log = structlog.get_logger()

MOST_DAYS: Final = 3660
BY_HAND: Final = "admin API"


class AthletePages:
    """`basis` is `science.fitness_basis`; `on_queued` is told when there is a job to claim."""

    def __init__(
        self, database: Database, guard: Guard, clock: Clock, basis: Basis, on_queued: Callable[[], None]
    ) -> None:
        self._database = database
        self._guard = guard
        self._clock = clock
        self._basis = basis
        self._on_queued = on_queued

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        read, operate = self._guard.read, self._guard.operate
        kind = f"{ATHLETE}/thresholds/{{kind}}"
        return [
            web.get(f"{ATHLETE}/thresholds", read(_told(self.show_thresholds))),
            web.put(kind, operate(_told(self.set_threshold))),
            web.delete(kind, operate(_told(self.withdraw_threshold))),
            web.get(f"{ATHLETE}/fitness", read(_told(self.show_fitness))),
        ]

    async def show_thresholds(self, request: web.Request) -> web.Response:
        """Say what is in force today and since when, with the whole history."""
        async with self._database.connection() as connection:
            found = await athlete_thresholds.report(connection, athlete_id_of(request), self._clock.now())
        return answer(found.as_json())

    async def set_threshold(self, request: web.Request) -> web.Response:
        """Set a value by hand; without `from` it counts from the athlete's today."""
        kind, (value, from_on) = _kind(request), _wish(await request.read())
        async with self._database.transaction() as connection:
            effective_on = await athlete_thresholds.set_value(
                connection, athlete_id_of(request), kind, value, from_on, by=BY_HAND, now=self._clock.now()
            )
        self._on_queued()
        log.info(
            "threshold.set", athlete_id=athlete_id_of(request), kind=kind.value, value=value, from_on=effective_on
        )
        return answer({"kind": kind.value, "value": value, "from": effective_on})

    async def withdraw_threshold(self, request: web.Request) -> web.Response:
        """Withdraw the manual values of a kind, or that of one day."""
        kind, from_on = _kind(request), _day(request.query.get("from"))
        async with self._database.transaction() as connection:
            effective_on = await athlete_thresholds.withdraw(
                connection, athlete_id_of(request), kind, from_on, self._clock.now()
            )
        self._on_queued()
        log.info("threshold.withdrawn", athlete_id=athlete_id_of(request), kind=kind.value, from_on=effective_on)
        return answer({"kind": kind.value, "from": effective_on})

    async def show_fitness(self, request: web.Request) -> web.Response:
        """Return fitness, fatigue and form of the last days."""
        count = whole_number(request.query.get("days", "28"), 1, MOST_DAYS)
        if count is None:
            raise Unacceptable(f"`days` is a number from 1 to {MOST_DAYS}")
        athlete_id = athlete_id_of(request)
        async with self._database.connection() as connection:
            if await athletes.get(connection, athlete_id) is None:
                raise UnknownAthlete(f"athlete {athlete_id} is not connected here")
            today = await local_days.today(connection, athlete_id, self._clock.now())
            first_on = today - timedelta(days=count - 1)
            days = await follow_fitness.up_to(connection, athlete_id, first_on, today, self._basis)
        return answer({"athlete_id": athlete_id, "days": [asdict(day) for day in days]})


def _told(handler: Handler) -> Handler:
    """Turn what a handler refuses into a problem."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except UnknownAthlete as error:
            return problem(404, "no such athlete", f"{error}; `domestique athletes list` shows who is")
        except Unacceptable as error:
            return problem(400, "this cannot be", str(error))

    return weathering(handle)


def _kind(request: web.Request) -> Kind:
    try:
        return Kind(request.match_info["kind"])
    except ValueError as error:
        raise Unacceptable(f"{request.match_info['kind'][:50]!r} is not one of {', '.join(Kind)}") from error


def _wish(body: bytes) -> tuple[float, date | None]:
    wrong = (
        'the body must be JSON such as {"value": 250, "from": "2026-03-01"}; without "from" it counts from today'
    )
    try:
        wish: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unacceptable(wrong) from error
    if not isinstance(wish, dict) or not wish.keys() <= {"value", "from"}:
        raise Unacceptable(wrong)
    value, from_on = wish.get("value"), wish.get("from")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(from_on, str | None):
        raise Unacceptable(wrong)
    return float(value), _day(from_on)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise Unacceptable(
            f"{text[:50]!r} is not a day such as 2026-03-01" if text else "a day is missing"
        ) from error

"""An athlete's thresholds: what is in force and why, what was before, and values set or withdrawn by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.jobs import athlete_thresholds
from daemon.jobs.athlete_thresholds import Unacceptable, UnknownAthlete
from daemon.science.evidence import Kind
from daemon.store.database import Database
from daemon.web import bodies
from daemon.web.bodies import body_of
from daemon.web.doors import OF_HIMSELF, both
from daemon.web.endpoints import Endpoint, Who, cached, modelled, query_of, whose
from daemon.web.known_athlete import nobody
from daemon.web.models.athlete import Doubt, ThresholdRow, Thresholds, ThresholdSet, ThresholdWithdrawn
from daemon.web.models.athlete_wishes import FromDay, ThresholdWish
from daemon.web.problems import BAD_QUERY, NOT_FOUND, UNACCEPTABLE, Refused

log = structlog.get_logger()

TAG: Final = "thresholds"
EXAMPLE: Final = '{"value": 250, "from": "2026-03-01"}, without "from" to count from today'


class ThresholdPages:
    """`on_queued` is told when there is a job to claim."""

    def __init__(self, database: Database, clock: Clock, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        show = Endpoint(
            method="GET",
            path="/thresholds",
            handler=self.show,
            who=Who.READ,
            tag=TAG,
            does="Tell what is in force today, all that was ever written with its evidence, and what is doubtful.",
            answers=Thresholds,
        )
        put = Endpoint(
            method="PUT",
            path="/thresholds/{kind}",
            in_path={"kind": Kind},
            handler=self.set_value,
            who=Who.OPERATE,
            tag=TAG,
            does="Set a value by hand: it wins from its day until it is withdrawn, and the loads since follow.",
            answers=ThresholdSet,
            body=ThresholdWish,
            problems=(*bodies.PROBLEMS, NOT_FOUND, UNACCEPTABLE),
        )
        withdraw = Endpoint(
            method="DELETE",
            path="/thresholds/{kind}",
            in_path={"kind": Kind},
            handler=self.withdraw,
            who=Who.OPERATE,
            tag=TAG,
            does="Withdraw what was set by hand, all of it or that of one day: what was fitted counts again.",
            answers=ThresholdWithdrawn,
            query=FromDay,
            problems=(BAD_QUERY, NOT_FOUND),
        )
        return [*both(show), *both(put), *both(withdraw)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the whole report."""
        athlete_id = whose(request)
        async with self._database.connection() as connection:
            try:
                found = await athlete_thresholds.report(connection, athlete_id, self._clock.now())
            except UnknownAthlete as error:
                raise nobody(athlete_id) from error
        rows = [_row(row) for row in found.history]
        return cached(
            request,
            Thresholds(
                today=found.today,
                in_force={row.kind: row for row in rows if row.state == "in force"},
                history=sorted(rows, key=lambda row: (row.effective_on, row.threshold_id)),
                doubts=[Doubt.model_validate(doubt) for doubt in found.doubts],
            ),
        )

    async def set_value(self, request: web.Request) -> web.Response:
        """Set a value; without `from` it counts from the athlete's today."""
        athlete_id, kind = whose(request), _kind(request)
        wish: ThresholdWish = await body_of(request, ThresholdWish, EXAMPLE)
        async with self._database.transaction() as connection:
            try:
                from_on = await athlete_thresholds.set_value(
                    connection, athlete_id, kind, wish.value, wish.from_on, by=_by(request), now=self._clock.now()
                )
            except UnknownAthlete as error:
                raise nobody(athlete_id) from error
            except Unacceptable as error:
                raise Refused(UNACCEPTABLE, str(error)) from error
        self._on_queued()
        log.info("threshold.set", athlete_id=athlete_id, kind=kind.value, value=wish.value, from_on=from_on)
        return modelled(ThresholdSet.model_validate({"kind": kind, "value": wish.value, "from": from_on}))

    async def withdraw(self, request: web.Request) -> web.Response:
        """Withdraw the manual values of a kind, or that of one day."""
        athlete_id, kind, asked = whose(request), _kind(request), query_of(request, FromDay)
        async with self._database.transaction() as connection:
            try:
                from_on = await athlete_thresholds.withdraw(
                    connection, athlete_id, kind, asked.from_on, self._clock.now()
                )
            except UnknownAthlete as error:
                raise nobody(athlete_id) from error
            except Unacceptable as error:
                raise Refused(NOT_FOUND, str(error)) from error
        self._on_queued()
        log.info("threshold.withdrawn", athlete_id=athlete_id, kind=kind.value, from_on=from_on)
        return modelled(ThresholdWithdrawn.model_validate({"kind": kind, "from": from_on}))


def _kind(request: web.Request) -> Kind:
    try:
        return Kind(request.match_info["kind"])
    except ValueError as error:
        raise Refused(NOT_FOUND, f"a threshold is one of {', '.join(Kind)}") from error


def _by(request: web.Request) -> str:
    """Say by what a value was set, for its evidence."""
    return "his own page" if request.path.startswith(f"{OF_HIMSELF}/") else "admin API"


def _row(row: Mapping[str, Any]) -> ThresholdRow:
    return ThresholdRow.model_validate({name: row[name] for name in ThresholdRow.model_fields})

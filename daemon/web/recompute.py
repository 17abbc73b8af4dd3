"""An athlete's loads computed again from what is stored, or first what that would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.compute.calculator import Calculator
from daemon.core.admission import Lane
from daemon.jobs import recompute_load
from daemon.science.scoring import Choices
from daemon.store import athletes, jobs
from daemon.store.database import Database
from daemon.web.doors import OF_ATHLETE
from daemon.web.endpoints import Endpoint, Who, modelled, query_of, whose
from daemon.web.known_athlete import nobody
from daemon.web.models.athlete import RecomputeAsked, RecomputePreview
from daemon.web.models.athlete_wishes import RecomputeFrom
from daemon.web.problems import BAD_QUERY, UNKNOWN_ATHLETE

log = structlog.get_logger()

TAG: Final = "training"


class RecomputePage:
    """For operators only; `choices` is the section `science`, `on_queued` is told when there is a job to claim."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calculator: Calculator,
        choices: Choices,
        on_queued: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._calculator = calculator
        self._choices = choices
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint(
                method="POST",
                path=f"{OF_ATHLETE}/recompute",
                handler=self.recompute,
                who=Who.OPERATE,
                tag=TAG,
                does="Compute his loads from a day on again without a call to Strava, or say what would change.",
                answers=RecomputeAsked | RecomputePreview,
                query=RecomputeFrom,
                problems=(BAD_QUERY, UNKNOWN_ATHLETE),
            )
        ]

    async def recompute(self, request: web.Request) -> web.Response:
        """Queue it, or compute here and store nothing."""
        athlete_id, asked = whose(request), query_of(request, RecomputeFrom)
        if asked.preview:
            return modelled(await self._preview(athlete_id, asked.from_on))
        async with self._database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                raise nobody(athlete_id)
            job = recompute_load.by_hand(athlete_id, asked.from_on, self._clock.now(), Lane.INTERACTIVE)
            await jobs.enqueue(connection, [job])
        self._on_queued()
        log.info("recompute.asked", athlete_id=athlete_id, from_on=asked.from_on)
        return modelled(RecomputeAsked.model_validate({"state": "queued", "from": asked.from_on}))

    async def _preview(self, athlete_id: int, from_on: date) -> RecomputePreview:
        async with self._database.connection() as connection:
            found = await recompute_load.preview(
                connection, self._calculator, athlete_id, from_on, self._clock.now(), self._choices
            )
        if found is None:
            raise nobody(athlete_id)
        changes = [asdict(change) for change in found.changes]
        return RecomputePreview.model_validate({**found.summary(), "changes": changes})

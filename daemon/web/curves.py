"""The power curve and the pace curve: this season's bests against the last one's, with the model in force.

Refuses to compute them: the worker process does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from aiohttp import web

from daemon.clock import Clock
from daemon.compute.calculator import Calculator
from daemon.compute.works import Seasons
from daemon.jobs import local_days
from daemon.science import envelope
from daemon.science.critical_band import band, fitted_of
from daemon.science.critical_models import POWER, SPEED, Model
from daemon.science.evidence import Kind
from daemon.science.lineage import entries_on
from daemon.science.pace import GradeModel
from daemon.science.sports import Family
from daemon.store import shown_activities, thresholds
from daemon.store.database import Connection, Database
from daemon.store.shown_activities import Channel
from daemon.web.doors import both
from daemon.web.endpoints import Endpoint, Who, cached, whose
from daemon.web.known_athlete import known
from daemon.web.models.athlete import Best, CriticalFit, Curves, ModelPoint, Season

TAG: Final = "training"
SEASON: Final = timedelta(days=365)
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sort:
    """One kind of curve: of whose activities, which of their curves, and the model that is held against it."""

    unit: Literal["W", "m/s"]
    family: Family
    channel: Channel
    kind: Kind
    model: Model
    missing: str


_GRADED: Final[Mapping[GradeModel, Channel]] = {
    GradeModel.STRAVA: "graded_strava",
    GradeModel.MINETTI: "graded_minetti",
}
# As the thresholds are told: rides whose power a device measured (no other has a power curve), and graded runs,
# since nobody tests himself on a walk.
RIDES: Final = Sort(
    unit="W",
    family=Family.RIDE,
    channel="power",
    kind=Kind.FTP,
    model=POWER,
    missing="No ride of the last two years has power that a device measured: a power meter draws this curve.",
)
RUNS: Final[Mapping[GradeModel, Sort]] = {
    grade_model: Sort(
        unit="m/s",
        family=Family.RUN,
        channel=channel,
        kind=Kind.CRITICAL_SPEED,
        model=SPEED,
        missing="No run of the last two years has speed and altitude: a watch with GPS draws this curve.",
    )
    for grade_model, channel in _GRADED.items()
}


class CurvePages:
    """`grade_model` is `science.grade_model`."""

    def __init__(self, database: Database, clock: Clock, calculator: Calculator, grade_model: GradeModel) -> None:
        self._database = database
        self._clock = clock
        self._calculator = calculator
        self._runs = RUNS[grade_model]

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        power = Endpoint(
            method="GET",
            path="/curves/power",
            handler=self.show_power,
            who=Who.READ,
            tag=TAG,
            does="Return the best measured power of each duration, this season and the last, and critical power.",
            answers=Curves,
        )
        pace = Endpoint(
            method="GET",
            path="/curves/pace",
            handler=self.show_pace,
            who=Who.READ,
            tag=TAG,
            does="Return the best graded speed of each duration, this season and the last, and critical speed.",
            answers=Curves,
        )
        return [*both(power), *both(pace)]

    async def show_power(self, request: web.Request) -> web.Response:
        """Answer with the rides' curves."""
        return cached(request, await self._curves(whose(request), RIDES))

    async def show_pace(self, request: web.Request) -> web.Response:
        """Answer with the runs' curves."""
        return cached(request, await self._curves(whose(request), self._runs))

    async def _curves(self, athlete_id: int, sort: Sort) -> Curves:
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            today = await local_days.today(connection, athlete_id, self._clock.now())
            begins_on = today - SEASON + ONE_DAY
            before_on = begins_on - SEASON
            sent = await shown_activities.curves(
                connection, athlete_id, sort.channel, sort.family, before_on, today
            )
            row = await _in_force(connection, athlete_id, sort.kind, today)
        # No connection is held here: the worker process may be at something longer.
        this, last = await self._calculator.bests(Seasons(sent, begins_on)) if sent else ([], [])
        return Curves(
            unit=sort.unit,
            this_season=_season(begins_on, today, this),
            last_season=_season(before_on, begins_on - ONE_DAY, last),
            fit=_fit(row, sort.model) if row is not None else None,
            missing=None if sent else sort.missing,
        )


async def _in_force(connection: Connection, athlete_id: int, kind: Kind, today: date) -> dict[str, Any] | None:
    entry = entries_on(await thresholds.entries(connection, athlete_id), today).get(kind)
    return await thresholds.get(connection, entry.threshold_id) if entry is not None else None


def _season(from_on: date, to_on: date, bests: Sequence[envelope.Best]) -> Season:
    told = [
        Best(seconds=one.seconds, value=one.value, activity_id=one.activity_id, on=one.local_on) for one in bests
    ]
    return Season(from_on=from_on, to_on=to_on, bests=told)


def _fit(row: dict[str, Any], model: Model) -> CriticalFit:
    """Return what is in force, and its line over the durations for which the model was made.

    The line is that of the value that counts: where one step was not enough to reach what the data say, it lies
    beside the bests, and `explanation` tells why.
    """
    fitted = fitted_of(row["value"], row["standard_error"], row["evidence"])
    points = band(fitted, model.durations.tolist()) if fitted is not None else ()
    return CriticalFit(
        threshold_id=row["threshold_id"],
        value=row["value"],
        standard_error=row["standard_error"],
        capacity=fitted.line.reserve if fitted is not None else None,
        capacity_standard_error=fitted.reserve_error if fitted is not None else None,
        method=row["method"],
        effective_on=row["effective_on"],
        explanation=row["explanation"],
        points=[ModelPoint(**asdict(point)) for point in points],
    )

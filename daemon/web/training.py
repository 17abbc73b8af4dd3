"""What an athlete did and what it adds up to: fitness day by day, his activities, and one load explained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from aiohttp import web

from daemon.clock import Clock
from daemon.core.events import LARGEST_ID
from daemon.jobs import follow_fitness, local_days
from daemon.science.fitness import ATL_DAYS, CTL_DAYS, Basis
from daemon.science.in_force import UNITS
from daemon.science.load import is_estimated
from daemon.store import shown_activities, thresholds
from daemon.store.database import Database
from daemon.web import cursors
from daemon.web.answers import whole_number
from daemon.web.cursors import Id, Instant
from daemon.web.doors import both
from daemon.web.endpoints import Endpoint, Who, cached, cached_plain, query_of, whose
from daemon.web.known_athlete import known
from daemon.web.models.athlete import Activities, ActivityExplained, ActivityRow, Fitness, LoadExplained
from daemon.web.models.athlete_wishes import PageOfActivities, Since
from daemon.web.problems import BAD_QUERY, NOT_FOUND, Refused

TAG: Final = "training"
AT_STRAVA: Final = "https://www.strava.com/activities"
BASES: Final[Mapping[Basis, str]] = {
    Basis.RAW: "as they were measured",
    Basis.UTL: "with the wellness of their day in them",
}
_ROW: Final = (
    "activity_id", "name", "sport_type", "start_at", "local_start_at", "moving_seconds", "distance_m", "method",
    "load", "streams_state",
)  # fmt: skip
_LOAD: Final = (
    "method", "raw", "modifier", "load", "explanation", "inputs", "refused", "modifier_explanation",
    "modifier_parts", "version", "computed_at",
)  # fmt: skip


class TrainingPages:
    """`basis` is `science.fitness_basis`."""

    def __init__(self, database: Database, clock: Clock, basis: Basis) -> None:
        self._database = database
        self._clock = clock
        self._basis = basis

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        fitness = Endpoint(
            method="GET",
            path="/fitness",
            handler=self.show_fitness,
            who=Who.READ,
            tag=TAG,
            does="Return fitness, fatigue and form of the last days up to his today, with each activity's load.",
            answers=Fitness,
            query=Since,
            problems=(BAD_QUERY,),
        )
        activities = Endpoint(
            method="GET",
            path="/activities",
            handler=self.list_activities,
            who=Who.READ,
            tag=TAG,
            does="List activities, newest first, a page at a time; what comes in meanwhile moves no page.",
            answers=Activities,
            query=PageOfActivities,
            problems=(BAD_QUERY,),
        )
        activity = Endpoint(
            method="GET",
            path="/activities/{activity_id}",
            handler=self.explain_activity,
            who=Who.READ,
            tag=TAG,
            does="Explain one load: method, inputs, thresholds in force, refused methods, wellness.",
            answers=ActivityExplained,
            problems=(NOT_FOUND,),
        )
        return [*both(fitness), *both(activities), *both(activity)]

    async def show_fitness(self, request: web.Request) -> web.Response:
        """Answer with the days, and the bars of the activities in them."""
        athlete_id, asked = whose(request), query_of(request, Since)
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            today = await local_days.today(connection, athlete_id, self._clock.now())
            first_on = today - timedelta(days=asked.days - 1)
            days = await follow_fitness.up_to(connection, athlete_id, first_on, today, self._basis)
            loads = await shown_activities.loads_between(connection, athlete_id, first_on, today, self._basis)
            assumed = await thresholds.assumed_ids(connection, athlete_id)
        explanation = (
            f"Fitness and fatigue are means of the daily load that fade over {CTL_DAYS} and {ATL_DAYS} days; form"
            f" is yesterday's fitness less yesterday's fatigue. Loads count {BASES[self._basis]}."
        )
        _mark_estimated(loads, assumed)
        return cached_plain(
            request, {"basis": self._basis, "explanation": explanation, "days": days, "activities": loads}
        )

    async def list_activities(self, request: web.Request) -> web.Response:
        """Answer with a page."""
        athlete_id, asked = whose(request), query_of(request, PageOfActivities)
        after = cursors.read(asked.cursor, tuple[Instant, Id])
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            # One more than is shown: whether there is a next page.
            rows = await shown_activities.page(connection, athlete_id, asked.sport, after, asked.limit + 1)
            assumed = await thresholds.assumed_ids(connection, athlete_id)
        shown = rows[: asked.limit]
        has_more = len(rows) > asked.limit
        cursor = cursors.written(shown[-1]["start_at"], shown[-1]["activity_id"]) if has_more else None
        return cached(request, Activities(items=[_activity(row, assumed) for row in shown], next=cursor))

    async def explain_activity(self, request: web.Request) -> web.Response:
        """Answer with one activity; that of another athlete is not found."""
        athlete_id = whose(request)
        activity_id = whole_number(request.match_info["activity_id"], 1, LARGEST_ID)
        async with self._database.connection() as connection:
            await known(connection, athlete_id)
            row = None
            if activity_id is not None:
                row = await shown_activities.one(connection, athlete_id, activity_id)
            assumed = await thresholds.assumed_ids(connection, athlete_id)
        if row is None:
            raise Refused(NOT_FOUND, "there is no such activity of his here: `activities` lists those that are")
        return cached(
            request,
            ActivityExplained(
                activity=_activity(row, assumed),
                strava_url=f"{AT_STRAVA}/{activity_id}",
                elevation_gain_m=row["elevation_gain_m"],
                average_heart_rate=row["average_heart_rate"],
                average_watts=row["average_watts"],
                load=_load(row, assumed) if row["method"] is not None else None,
                quality=row["quality"],
            ),
        )


def _mark_estimated(loads: Iterable[dict[str, Any]], assumed: Collection[int]) -> None:
    """Put `estimated` in the place of each load's thresholds; those that are the same are read once."""
    known: dict[tuple[str, str], bool] = {}
    for load in loads:
        case = (load["method"], load.pop("thresholds"))
        if case not in known:
            known[case] = is_estimated(case[0], orjson.loads(case[1]), assumed)
        load["estimated"] = known[case]


def _activity(row: Mapping[str, Any], assumed: Collection[int]) -> ActivityRow:
    return ActivityRow(
        **{name: row[name] for name in _ROW},
        estimated=row["method"] is not None and is_estimated(row["method"], row["thresholds"], assumed),
    )


def _load(row: Mapping[str, Any], assumed: Collection[int]) -> LoadExplained:
    used = [{"name": name, "unit": UNITS[name], **one} for name, one in row["thresholds"].items()]
    return LoadExplained.model_validate(
        {
            **{name: row[name] for name in _LOAD},
            "thresholds": used,
            "estimated": is_estimated(row["method"], row["thresholds"], assumed),
        }
    )

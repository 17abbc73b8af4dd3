"""The load of an activity that was just stored, and what has to follow from it.

Called in the transaction that stores the activity. Refuses to compute many: `recompute_load` does, off the loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from daemon.core.admission import Lane
from daemon.jobs import fit_thresholds, follow_fitness
from daemon.science.load import Load
from daemon.science.scoring import WELLNESS_REACH, Choices, Done, Known, score_all
from daemon.science.statistics import Totals
from daemon.store import activities, athletes, thresholds, wellness_readings
from daemon.store.database import Connection
from daemon.store.jobs import NewJob


@dataclass(frozen=True, slots=True)
class Result:
    """A stored load, whether it changed, and the jobs that are to be queued with it."""

    load: Load
    changed: bool
    follow: tuple[NewJob, ...]


async def known_of(connection: Connection, athlete_id: int, first_on: date, last_on: date) -> Known:
    """Return what loads of these local days are computed with."""
    athlete = await athletes.get(connection, athlete_id)
    return Known(
        entries=await thresholds.entries(connection, athlete_id),
        sex=athlete["sex"] if athlete is not None else None,
        readings=await wellness_readings.between(connection, athlete_id, first_on - WELLNESS_REACH, last_on),
    )


async def put(
    connection: Connection, columns: Mapping[str, Any], totals: Totals, choices: Choices, lane: Lane, now: datetime
) -> Result:
    """Store the load of an activity (`columns` of its row) and mark the athlete's fitness from its day on."""
    athlete_id, local_on = columns["athlete_id"], columns["local_start_at"].date()
    known = await known_of(connection, athlete_id, local_on, local_on)
    done = Done(columns["activity_id"], local_on, columns["sport_type"], totals)
    (scored,) = score_all([done], known, choices)
    if not await activities.put_loads(connection, orjson.dumps([scored.columns()]), now):
        return Result(scored.load, changed=False, follow=())
    await athletes.dirty_fitness(connection, athlete_id, local_on)
    follow = [follow_fitness.new(athlete_id, lane, now)]
    fit = await fit_thresholds.if_due(connection, athlete_id, now)
    return Result(scored.load, changed=True, follow=(*follow, fit) if fit is not None else tuple(follow))

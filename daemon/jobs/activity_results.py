"""From an activity's detail and streams to stored rows: shared by every look.

One transaction: activity, statistics, load, fitness mark, news, the next look, and the job itself. No HTTP inside.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

import structlog

from daemon.core.admission import Admission
from daemon.core.errors import NotFound
from daemon.core.look import relook_at
from daemon.jobs.rooms import Rooms
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.statistics import ActivityFacts, Statistics
from daemon.store import activities, athletes, jobs, outbox
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob
from daemon.strava.wire import Activity

log = structlog.get_logger()

LOOK_AT_STREAMS: Final = "look_at_streams"


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of the streams after a look; `streams_state` None leaves statistics and state as they are."""

    body: bytes | None
    streams_state: str | None
    look_again_at: datetime | None = None
    looked: int = 0


UNCHANGED: Final = Findings(body=None, streams_state=None)
NO_STREAMS: Final = Findings(body=None, streams_state="none")


def columns_of(activity: Activity) -> dict[str, Any]:
    """Return the columns of the table activities that Strava fills."""
    return {field.name: getattr(activity, field.name) for field in fields(activity)}


async def fetch_streams(
    rooms: Rooms, athlete_id: int, activity_id: int, step: Admission, *, looked: int
) -> Findings:
    """Ask for the streams; none yet means another look, `looked` looks for late streams having been made."""
    try:
        body = await rooms.vault.call(athlete_id, lambda token: rooms.strava.streams(token, activity_id, step))
    except NotFound:
        body = b""
    if len(body) > len(b'{"":{}}'):
        return Findings(body=body, streams_state="kept")
    again_at = relook_at(looked, rooms.clock.now())
    return Findings(None, "wanted" if again_at else "none", again_at, looked + 1)


async def settle(job: Job, rooms: Rooms, columns: Mapping[str, Any], findings: Findings) -> None:
    """Store everything that a look found and complete its job."""
    now = rooms.clock.now()
    activity_id, athlete_id = columns["activity_id"], columns["athlete_id"]
    computed: Statistics | None = None
    compressed: bytes | None = None
    if findings.streams_state is not None:
        computed = await rooms.calculator.summarize(findings.body, _facts(columns))
        if findings.body is not None and rooms.streams_days > 0:
            compressed = await asyncio.to_thread(zlib.compress, findings.body)
    async with rooms.database.transaction() as connection:
        stored = await activities.get(connection, activity_id)
        state = findings.streams_state or (stored["streams_state"] if stored else "none")
        await activities.unbury(connection, activity_id, athlete_id)
        changed = await activities.upsert(connection, {**columns, "streams_state": state}, now)
        statistics = await _stored_statistics(connection, columns, computed, now)
        if compressed is not None:
            await activities.put_streams(connection, activity_id, compressed, now)
        thresholds = await _thresholds(connection, columns)
        load = score(statistics, thresholds, columns["sport_type"], rooms.grade_model)
        if await activities.put_load(connection, activity_id, load, now):
            changed = True
            await athletes.dirty_fitness(connection, athlete_id, columns["local_start_at"].date())
        if findings.look_again_at is not None:
            await jobs.enqueue(connection, [_look_again(job, columns, findings)])
        if changed:
            await outbox.write(connection, "activity.processed", athlete_id, _news(columns, state, load, stored))
        await jobs.complete(connection, job, "stored" if changed else "nothing had changed")
    log.info(
        "activity.processed" if changed else "activity.unchanged",
        sport_type=columns["sport_type"],
        method=load.method,
        load=load.raw,
        streams=state,
    )


async def _stored_statistics(
    connection: Connection, columns: Mapping[str, Any], computed: Statistics | None, now: datetime
) -> Statistics:
    """Return the statistics now in force, stored; facts of the detail that need no streams are kept current."""
    activity_id = columns["activity_id"]
    stored = await activities.statistics(connection, activity_id)
    if computed is None:
        assert stored is not None  # only a stored activity is ever left as it is
        computed = replace(
            stored, device_watts=columns["device_watts"], perceived_exertion=columns["perceived_exertion"]
        )
        if (computed.device_watts, computed.perceived_exertion) == (stored.device_watts, stored.perceived_exertion):
            return stored
    await activities.put_statistics(connection, activity_id, computed, now)
    return computed


async def _thresholds(connection: Connection, columns: Mapping[str, Any]) -> Thresholds:
    athlete = await athletes.get(connection, columns["athlete_id"])
    rows = await athletes.thresholds_in_force(connection, columns["athlete_id"], columns["local_start_at"].date())

    def in_force(kind: str) -> Threshold | None:
        row = rows.get(kind)
        return Threshold(row["value"], row["method"], row["threshold_id"]) if row is not None else None

    return Thresholds(
        ftp_watts=in_force("ftp"),
        critical_speed_m_per_s=in_force("critical_speed"),
        css_m_per_s=in_force("css"),
        lthr_bpm=in_force("lthr"),
        max_hr_bpm=in_force("max_hr"),
        resting_hr_bpm=in_force("resting_hr"),
        sex=athlete["sex"] if athlete is not None else None,
    )


def _facts(columns: Mapping[str, Any]) -> ActivityFacts:
    return ActivityFacts(**{field.name: columns[field.name] for field in fields(ActivityFacts)})


def _look_again(job: Job, columns: Mapping[str, Any], findings: Findings) -> NewJob:
    """Its own key, so that it neither delays nor swallows a fresh event."""
    assert findings.look_again_at is not None
    return NewJob(
        kind=LOOK_AT_STREAMS,
        lane=job.lane,
        dedup_key=f"{LOOK_AT_STREAMS}:{columns['activity_id']}",
        run_at=findings.look_again_at,
        serial_key=columns["athlete_id"],
        payload={"activity_id": columns["activity_id"], "looked": findings.looked},
    )


def _news(columns: Mapping[str, Any], state: str, load: Load, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "activity_id": columns["activity_id"],
        "is_new": stored is None,
        "name": columns["name"],
        "sport_type": columns["sport_type"],
        "start_at": columns["start_at"],
        "streams": state,
        "method": load.method,
        "load": load.raw,
        "explanation": load.explanation,
    }

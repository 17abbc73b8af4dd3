"""From an activity's detail and streams to stored rows: shared by every look.

One transaction: activity, statistics, load, fitness mark, news, the next look, what it tells of the athlete, and
the job itself. No HTTP inside. Jobs are queued before the athlete's sync state is written, as where events are
folded: one order knows no deadlock.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

import structlog

from daemon.core.admission import Admission, Lane
from daemon.core.errors import NotFound
from daemon.core.look import relook_at
from daemon.core.news import Topic
from daemon.jobs import load_results
from daemon.jobs.rooms import Rooms
from daemon.science.load import Load
from daemon.science.statistics import ActivityFacts, Statistics, summarize
from daemon.store import activities, jobs, outbox, sync_states
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


def columns_held(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same columns of a stored row."""
    return {field.name: stored[field.name] for field in fields(Activity)}


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


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing an activity came to; `is_new` where it was not even listed before."""

    is_new: bool
    changed: bool
    streams_state: str
    load: Load


async def settle(
    job: Job,
    rooms: Rooms,
    columns: Mapping[str, Any],
    findings: Findings,
    *,
    visible_at: datetime | None = None,
    if_unscored: NewJob | None = None,
    follow: Sequence[NewJob] = (),
) -> None:
    """Store everything that a look found and complete its job.

    `visible_at` is when it became visible, if it is new; `if_unscored` is queued where nothing better than an
    estimate gives a load, `follow` in any case.
    """
    now = rooms.clock.now()
    computed: Statistics | None = None
    compressed: bytes | None = None
    if findings.streams_state is not None:
        computed = await rooms.calculator.summarize(findings.body, facts_of(columns))
        if findings.body is not None and rooms.streams_days > 0:
            compressed = await asyncio.to_thread(zlib.compress, findings.body)
    async with rooms.database.transaction() as connection:
        stored = await store(
            connection,
            columns,
            findings.streams_state,
            computed,
            now,
            rooms=rooms,
            lane=job.lane,
            found_by=job.kind,
            compressed=compressed,
        )
        looks = _next_looks(job, columns, findings, stored.load, if_unscored)
        await jobs.enqueue(connection, [*follow, *looks])
        if stored.is_new and visible_at is not None:
            await sync_states.see_uploads(connection, columns["athlete_id"], [visible_at])
        await sync_states.see_activity(connection, columns["athlete_id"], columns["start_at"])
        await jobs.complete(connection, job, "stored" if stored.changed else "nothing had changed")
    log.info(
        "activity.processed" if stored.changed else "activity.unchanged",
        sport_type=columns["sport_type"],
        method=stored.load.method,
        load=stored.load.raw,
        streams=stored.streams_state,
    )


async def store(
    connection: Connection,
    columns: Mapping[str, Any],
    streams_state: str | None,
    computed: Statistics | None,
    now: datetime,
    *,
    rooms: Rooms,
    lane: Lane,
    found_by: str,
    compressed: bytes | None = None,
) -> Stored:
    """Store one activity with its load and its news in the caller's transaction, which holds the athlete's turn.

    `streams_state` and `computed` None leave state and statistics as they are; `compressed` streams are kept.
    """
    activity_id, athlete_id = columns["activity_id"], columns["athlete_id"]
    before = await activities.get(connection, activity_id)
    # One that was only listed so far has made no news yet.
    is_news = before is None or await activities.load(connection, activity_id) is None
    state = streams_state or (before["streams_state"] if before else "none")
    await activities.unbury(connection, activity_id, athlete_id)
    changed = await activities.upsert(connection, {**columns, "streams_state": state}, now)
    statistics = await _stored_statistics(connection, columns, computed, now)
    if compressed is not None:
        await activities.put_streams(connection, activity_id, compressed, now)
    result = await load_results.put(connection, columns, statistics, rooms.choices, lane, now)
    load, changed = result.load, changed or result.changed
    await jobs.enqueue(connection, result.follow)
    if changed:
        news = _news(columns, state, load, is_new=is_news, found_by=found_by)
        await outbox.write(connection, Topic.ACTIVITY_PROCESSED, athlete_id, news)
    return Stored(before is None, changed, state, load)


async def _stored_statistics(
    connection: Connection, columns: Mapping[str, Any], computed: Statistics | None, now: datetime
) -> Statistics:
    """Return the statistics now in force, stored; facts of the detail that need no streams are kept current."""
    activity_id = columns["activity_id"]
    if computed is None:
        stored = await activities.statistics(connection, activity_id)
        if stored is None:  # it was only listed so far
            computed = summarize(None, facts_of(columns))
        else:
            current = (columns["device_watts"], columns["perceived_exertion"])
            if (stored.device_watts, stored.perceived_exertion) == current:
                return stored
            computed = replace(stored, device_watts=current[0], perceived_exertion=current[1])
    await activities.put_statistics(connection, activity_id, computed, now)
    return computed


def facts_of(columns: Mapping[str, Any]) -> ActivityFacts:
    """Return what an activity tells without its streams."""
    return ActivityFacts(**{field.name: columns[field.name] for field in fields(ActivityFacts)})


def look_for_streams(
    athlete_id: int, activity_id: int, lane: Lane, run_at: datetime, *, looked: int = 0, is_listed: bool = False
) -> NewJob:
    """Make the job that fetches the streams alone; its own key, so that it neither delays nor swallows an event.

    `is_listed` says that the detail was never asked for.
    """
    return NewJob(
        kind=LOOK_AT_STREAMS,
        lane=lane,
        dedup_key=f"{LOOK_AT_STREAMS}:{activity_id}",
        run_at=run_at,
        serial_key=athlete_id,
        payload={"activity_id": activity_id, "looked": looked, "is_listed": is_listed},
    )


def _next_looks(
    job: Job, columns: Mapping[str, Any], findings: Findings, load: Load, if_unscored: NewJob | None
) -> list[NewJob]:
    if findings.look_again_at is None:
        is_scored = load.raw is not None and load.method != "estimated"
        return [if_unscored] if if_unscored is not None and not is_scored else []
    look = look_for_streams(
        columns["athlete_id"],
        columns["activity_id"],
        job.lane,
        findings.look_again_at,
        looked=findings.looked,
        is_listed=bool(job.payload.get("is_listed")),
    )
    return [look]


def _news(columns: Mapping[str, Any], state: str, load: Load, *, is_new: bool, found_by: str) -> dict[str, Any]:
    return {
        "activity_id": columns["activity_id"],
        "is_new": is_new,
        "found_by": found_by,
        "name": columns["name"],
        "sport_type": columns["sport_type"],
        "start_at": columns["start_at"],
        "streams": state,
        "method": load.method,
        "load": load.raw,
        "explanation": load.explanation,
    }

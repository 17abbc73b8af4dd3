"""From the lines of a list to stored rows and queued looks: shared by all that read an athlete's list.

A line is all of an activity but its streams and its perceived exertion, so it is stored as it came: an edit that
leaves the streams alone costs no call, a new activity costs the call for its streams. Only what a list cannot tell
is looked at: whether an absent activity is gone, and how hard one felt that has nothing else to score it by.

All of it happens in the caller's transaction, which holds the athlete's turn; no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from daemon.core.admission import Lane
from daemon.core.errors import Revoked, ScopeMissing
from daemon.core.events import Look, MalformedEvent, parse
from daemon.core.freshness import Athlete
from daemon.core.listing import SETTLING, Comparison, Held, Line, Window, became_visible_at, compare, unannounced
from daemon.jobs import activity_results, look_at_activity
from daemon.jobs.rooms import Rooms
from daemon.science.statistics import summarize
from daemon.store import activities, athletes, events, jobs, runs, sync_states
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob
from daemon.strava.wire import Activity

log = structlog.get_logger()

MOST_SUSPECTS: Final = 50  # a list that Strava shows empty by mistake must not cost a call for every activity
SUSPECT_AGAIN: Final = timedelta(days=1)
MOST_EVENTS: Final = 2_000  # of one athlete that are searched for an announcement, newest first

_UNLISTED: Final = {"activity_id", "athlete_id", "perceived_exertion"}
LISTED: Final = tuple(name for name in Activity.__dataclass_fields__ if name not in _UNLISTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a list told that was not known; ids, newest first. `caused` are the keys of the jobs that follow."""

    new: tuple[int, ...]
    edited: tuple[int, ...]
    suspected: tuple[int, ...]
    missed: tuple[int, ...]
    caused: tuple[str, ...]

    @property
    def has_news(self) -> bool:
        """Tell whether anything follows from it."""
        return bool(self.new or self.edited or self.suspected)

    @property
    def words(self) -> str:
        """Say it in one line."""
        if not self.has_news:
            return "no news"
        return f"{len(self.new)} new, {len(self.edited)} edited, {len(self.suspected)} possibly deleted"


def lines_of(page: Iterable[Activity], athlete_id: int) -> dict[int, Line]:
    """Return a page's lines by id; another athlete's is left out, since a token shows its owner's alone."""
    return {
        activity.activity_id: Line(activity.activity_id, {name: getattr(activity, name) for name in LISTED})
        for activity in page
        if activity.athlete_id == athlete_id
    }


async def settle_refused(job: Job, rooms: Rooms, error: ScopeMissing) -> None:
    """Complete a job for which the athlete has not granted his activities: until he does, nobody asks again."""
    assert job.serial_key is not None
    async with rooms.database.transaction() as connection:
        await athletes.lose_activities(connection, job.serial_key)
        await runs.fail_asks(connection, job.serial_key, str(error))
        await jobs.complete(connection, job, str(error))
    log.warning("athlete.not_synced", reason=str(error))


async def fail_asks(job: Job, rooms: Rooms, error: Revoked) -> None:
    """Tell the runs that asked: the athlete rests, and the job waits for a reconnect."""
    assert job.serial_key is not None
    async with rooms.database.transaction() as connection:
        await runs.fail_asks(connection, job.serial_key, str(error))


def columns_of(line: Line, athlete_id: int, held: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of the table activities; what a list does not tell stays as it is held."""
    exertion = held["perceived_exertion"] if held is not None else None
    return {
        "activity_id": line.activity_id,
        "athlete_id": athlete_id,
        "perceived_exertion": exertion,
        **line.fields,
    }


async def apply(
    connection: Connection,
    job: Job,
    athlete: Athlete,
    lines: Mapping[int, Line],
    window: Window,
    asked_at: datetime,
    *,
    rooms: Rooms,
    is_wanted: Callable[[Line], bool] = lambda line: True,
) -> Outcome:
    """Store what a list of a whole window shows, and queue the looks that follow, in the job's own lane.

    Lines that are not `is_wanted` are only taken where they are stored already.
    """
    newest_id = await sync_states.newest_id(connection, athlete.athlete_id)
    rows = await activities.hold_against(
        connection, athlete.athlete_id, window.after_at, window.before_at, list(lines)
    )
    held = {row["activity_id"]: row for row in rows}
    comparison = compare(lines, [_held(row) for row in rows], window, asked_at)
    unknown = [line for line in comparison.new if is_wanted(line)]
    # A list may still show what was deleted a moment ago.
    gone = await activities.buried_since(connection, [line.activity_id for line in unknown], asked_at - SETTLING)
    new = [line for line in unknown if line.activity_id not in gone]
    follow = [
        *[await _store_new(connection, job, athlete.athlete_id, line, asked_at, rooms) for line in new],
        *await _store_edited(connection, job, comparison, held, asked_at, rooms),
    ]
    suspected = [
        activity_id
        for activity_id in comparison.absent
        if held[activity_id]["suspected_at"] is None or held[activity_id]["suspected_at"] < asked_at - SUSPECT_AGAIN
    ][:MOST_SUSPECTS]
    await activities.suspect(connection, suspected, asked_at)
    follow += [
        look_at_activity.new(Look(athlete.athlete_id, activity_id, asked_at, expects_gone=True), job.lane, asked_at)
        for activity_id in suspected
    ]
    await jobs.enqueue(connection, follow)
    await _learn(connection, athlete, lines.values(), new, asked_at)
    announced = await _announced(connection, athlete.athlete_id) if new else frozenset()
    return Outcome(
        new=tuple(line.activity_id for line in new),
        edited=tuple(line.activity_id for line in (*comparison.reshaped, *comparison.edited)),
        suspected=tuple(suspected),
        missed=unannounced(new, announced, athlete.connected_at, newest_id, asked_at),
        caused=tuple(follower.dedup_key for follower in follow),
    )


def _held(row: Mapping[str, Any]) -> Held:
    return Held(Line(row["activity_id"], {name: row[name] for name in LISTED}), row["first_seen_at"])


async def _store_new(
    connection: Connection, job: Job, athlete_id: int, line: Line, now: datetime, rooms: Rooms
) -> NewJob:
    """Store a line; what follows is one call: for the streams, or for the exertion where there are none."""
    if await store_listed(connection, job.kind, job.lane, athlete_id, line, now, rooms):
        return _look_for_streams(job, athlete_id, line.activity_id, now)
    return look_at_activity.new(Look(athlete_id, line.activity_id, now, expects_gone=False), job.lane, now)


async def store_listed(
    connection: Connection, kind: str, lane: Lane, athlete_id: int, line: Line, now: datetime, rooms: Rooms
) -> bool:
    """Store a new activity from its line alone; returns whether its streams are wanted.

    One that was entered by hand has none, and is scored at once, by a job of this `kind`.
    """
    columns = columns_of(line, athlete_id, None)
    if line.fields["manual"]:
        bare = summarize(None, activity_results.facts_of(columns))
        await activity_results.store(connection, columns, "none", bare, now, rooms=rooms, lane=lane, found_by=kind)
        return False
    await activities.unbury(connection, line.activity_id, athlete_id)
    await activities.upsert(connection, {**columns, "streams_state": "wanted"}, now)
    return True


async def _store_edited(
    connection: Connection,
    job: Job,
    comparison: Comparison,
    held: Mapping[int, Mapping[str, Any]],
    now: datetime,
    rooms: Rooms,
) -> list[NewJob]:
    """Store edits; only another shape costs a call, for the streams."""
    assert job.serial_key is not None
    follow = []
    for line in comparison.edited:
        row = held[line.activity_id]
        columns = columns_of(line, job.serial_key, row)
        if row["version"] is None:  # only listed so far: its news comes with its streams
            await activities.upsert(connection, {**columns, "streams_state": row["streams_state"]}, now)
        else:
            await activity_results.store(
                connection, columns, None, None, now, rooms=rooms, lane=job.lane, found_by=job.kind
            )
    for line in comparison.reshaped:
        columns = columns_of(line, job.serial_key, held[line.activity_id])
        if line.fields["manual"]:
            bare = summarize(None, activity_results.facts_of(columns))
            await activity_results.store(
                connection, columns, "none", bare, now, rooms=rooms, lane=job.lane, found_by=job.kind
            )
        else:
            await activities.upsert(connection, {**columns, "streams_state": "wanted"}, now)
            follow.append(_look_for_streams(job, job.serial_key, line.activity_id, now))
    return follow


def _look_for_streams(job: Job, athlete_id: int, activity_id: int, now: datetime) -> NewJob:
    return activity_results.look_for_streams(athlete_id, activity_id, job.lane, now, is_listed=True)


async def _learn(
    connection: Connection, athlete: Athlete, lines: Iterable[Line], new: Iterable[Line], now: datetime
) -> None:
    await see_lines(connection, athlete.athlete_id, lines)
    visible_ats = [became_visible_at(line, athlete.synced_at, now) for line in new]
    await sync_states.see_uploads(connection, athlete.athlete_id, visible_ats)


async def see_lines(connection: Connection, athlete_id: int, lines: Iterable[Line]) -> None:
    """Store what any list tells of its athlete: the newest start, and at first the highest id."""
    shown = list(lines)
    if shown:
        await sync_states.see_activity(connection, athlete_id, max(line.start_at for line in shown))
        await sync_states.see_first_list(connection, athlete_id, max(line.activity_id for line in shown))


async def _announced(connection: Connection, athlete_id: int) -> frozenset[int]:
    """Return the activities that events have named."""
    named = set()
    for body in await events.list_owned(connection, athlete_id, MOST_EVENTS):
        try:
            event = parse(body)
        except MalformedEvent:
            continue  # stored before an upgrade of ours became stricter
        if event.object_type == "activity":
            named.add(event.object_id)
    return frozenset(named)

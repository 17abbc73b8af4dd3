"""Make stored numbers again that another version of the algorithms made: see `science.versions`.

Loads at once, from what is kept. Statistics newest first, one activity a job: from the streams that are still here,
else with one call from the quota that nothing else needs. Where Strava has the streams no more, what is kept stays,
and says its version. Refuses to touch what is of this version.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog

from daemon.core.admission import Lane
from daemon.core.errors import Permanent
from daemon.core.look import RELOOK_AFTER
from daemon.jobs import activity_results, recompute_load
from daemon.jobs.activity_results import NO_STREAMS, Findings
from daemon.jobs.rooms import Rooms
from daemon.science.versions import LOAD_VERSION, STATISTICS_VERSION
from daemon.store import activities, jobs
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "renew_statistics"
REASON: Final = "another version computed them"


class Begun(NamedTuple):
    """Of how many athletes loads, and of how many statistics, are made again."""

    loads_of: int
    statistics_of: int


def new(athlete_id: int, now: datetime, below: tuple[datetime, int] | None = None) -> NewJob:
    """Make the step for the newest outdated activity below a cursor (start, id)."""
    payload: dict[str, Any] = {}
    if below is not None:
        payload = {"below_at": below[0].isoformat(), "below_id": below[1]}
    return NewJob(
        kind=KIND,
        lane=Lane.BACKFILL,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=now,
        serial_key=athlete_id,
        payload=payload,
    )


async def begin(connection: Connection, athlete_ids: Collection[int], now: datetime) -> Begun:
    """Queue what this version has to make again for these athletes; nothing to do costs nothing."""
    loads = await activities.hold_outdated_loads(connection, athlete_ids, LOAD_VERSION)
    await jobs.enqueue(
        connection, [recompute_load.new(athlete_id, from_on, REASON, now) for athlete_id, from_on in loads.items()]
    )
    outdated = await activities.hold_outdated(connection, athlete_ids, STATISTICS_VERSION)
    await jobs.enqueue(connection, [new(athlete_id, now) for athlete_id in outdated])
    return Begun(len(loads), len(outdated))


async def run(job: Job, rooms: Rooms) -> None:
    """Renew one activity and queue the next."""
    assert job.serial_key is not None
    async with rooms.database.connection() as connection:
        stored = await activities.next_outdated(connection, job.serial_key, STATISTICS_VERSION, _below(job.payload))
        if stored is None:
            await jobs.complete(connection, job, "all are of this version")
            return
        kept = await activities.stored_streams(connection, stored["activity_id"])
    columns, state, now = activity_results.columns_held(stored), stored["streams_state"], rooms.clock.now()
    following = new(job.serial_key, now, (columns["start_at"], columns["activity_id"]))
    try:
        findings = NO_STREAMS if state == "none" else await _findings(job, rooms, columns, kept)
    except Permanent as error:
        log.warning("renewal.passed_over", activity_id=columns["activity_id"], reason=str(error))
        findings = None
    if findings is not None and findings.streams_state == state:
        await activity_results.settle(job, rooms, columns, findings, follow=[following])
        return
    async with rooms.database.transaction() as connection:
        await jobs.enqueue(connection, [following])
        await jobs.complete(connection, job, f"the streams of {columns['activity_id']} are gone: it stays as it is")


async def _findings(job: Job, rooms: Rooms, columns: Mapping[str, Any], kept: bytes | None) -> Findings:
    if kept is not None:
        return Findings(body=await asyncio.to_thread(zlib.decompress, kept), streams_state="kept")
    async with rooms.gate.step(job.lane, calls=1) as step:
        return await activity_results.fetch_streams(
            rooms, columns["athlete_id"], columns["activity_id"], step, looked=len(RELOOK_AFTER)
        )


def _below(payload: Mapping[str, Any]) -> tuple[datetime, int] | None:
    if "below_at" not in payload:
        return None
    return datetime.fromisoformat(payload["below_at"]), int(payload["below_id"])

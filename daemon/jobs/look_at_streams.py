"""Look for streams that came late, or that the quota had not let us fetch: one call, no detail."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from daemon.core.events import Look
from daemon.jobs import activity_results, look_at_activity
from daemon.jobs.rooms import Rooms
from daemon.store import activities, jobs
from daemon.store.jobs import Job, NewJob

KIND: Final = activity_results.LOOK_AT_STREAMS


async def run(job: Job, rooms: Rooms) -> None:
    """Fetch the streams of a stored activity that still wants them, and settle the job."""
    activity_id = int(job.payload["activity_id"])
    async with rooms.database.connection() as connection:
        stored = await activities.get(connection, activity_id)
        if stored is None or stored["streams_state"] != "wanted" or stored["athlete_id"] != job.serial_key:
            await jobs.complete(connection, job, "no streams are wanted any more")
            return
    async with rooms.gate.step(job.lane, calls=1) as step:
        findings = await activity_results.fetch_streams(
            rooms, stored["athlete_id"], activity_id, step, looked=int(job.payload["looked"])
        )
    await activity_results.settle(
        job,
        rooms,
        activity_results.columns_held(stored),
        findings,
        if_unscored=_look_at_detail(job, rooms.clock.now()) if job.payload.get("is_listed") else None,
    )


def _look_at_detail(job: Job, now: datetime) -> NewJob:
    """Make the look at one that was only listed: the detail alone tells the perceived exertion."""
    assert job.serial_key is not None
    look = Look(job.serial_key, int(job.payload["activity_id"]), now, expects_gone=False)
    return look_at_activity.new(look, job.lane, now)

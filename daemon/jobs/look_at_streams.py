"""Look for streams that came late, or that the quota had not let us fetch: one call, no detail."""

from __future__ import annotations

from typing import Final

from daemon.jobs import activity_results
from daemon.jobs.rooms import Rooms
from daemon.store import activities, jobs
from daemon.store.jobs import Job

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
    columns = {
        name: value
        for name, value in stored.items()
        if name not in {"streams_state", "first_seen_at", "changed_at"}
    }
    await activity_results.settle(job, rooms, columns, findings)

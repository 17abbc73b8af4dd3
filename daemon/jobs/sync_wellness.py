"""Read a window of an athlete's wellness again at Intervals.icu, and store what changed.

Without a serial key: it may run beside any other work on the athlete, so that a slow Intervals.icu never holds his
live work up. Its own order is kept by numbers: of two syncs under way only the one that began last stores. A key
that is refused rests this athlete's wellness and nothing else of his.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import structlog

from daemon.core.admission import Lane
from daemon.core.errors import Revoked
from daemon.core.news import Topic
from daemon.core.wellness import window
from daemon.intervals.wire import Credential
from daemon.jobs import wellness_days
from daemon.jobs.rooms import Rooms
from daemon.store import athletes, intervals_credentials, jobs, outbox
from daemon.store.database import Connection
from daemon.store.intervals_credentials import BegunSync
from daemon.store.jobs import Job, NewJob
from daemon.vault import intervals
from daemon.vault.cipher import Cipher

log = structlog.get_logger()

KIND: Final = "sync_wellness"
DAY_SECONDS: Final = 86_400
CONNECT_DAYS: Final = 30  # at least: `window` makes more of a first sync


def new(athlete_id: int, days: int, lane: Lane, run_at: datetime, reason: str) -> NewJob:
    """Make the job that reads the last `days` days again; asks for the same athlete merge to the longest window."""
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=run_at,
        payload={"athlete_id": athlete_id, "reason": reason},
        lookback_seconds=days * DAY_SECONDS,
        asks_strava=False,
    )


async def standing(connection: Connection, athlete_id: int) -> dict[str, Any]:
    """Return how an athlete's key stands, for people; without one only that."""
    return await intervals_credentials.show(connection, athlete_id) or {"state": "not connected"}


async def connect(
    connection: Connection, cipher: Cipher, athlete_id: int, credential: Credential, now: datetime
) -> None:
    """Store an athlete's key and queue his first sync, in the caller's transaction."""
    await intervals.store_credential(connection, cipher, athlete_id, credential, now)
    first = new(athlete_id, CONNECT_DAYS, Lane.INTERACTIVE, now, "a key of Intervals.icu was given")
    await jobs.enqueue(connection, [first])


async def run(job: Job, rooms: Rooms) -> None:
    """Ask Intervals.icu once (at the first sync twice) and settle; raises what the client raises, but Revoked."""
    athlete_id = int(job.payload["athlete_id"])
    async with rooms.database.transaction() as connection:
        sync = await intervals_credentials.begin_sync(connection, athlete_id)
        if sync is None:
            await _settle_needless(connection, job, athlete_id, "no key of Intervals.icu is in force")
            return
    with structlog.contextvars.bound_contextvars(athlete_id=athlete_id):
        await _sync(job, rooms, athlete_id, sync)


async def _sync(job: Job, rooms: Rooms, athlete_id: int, sync: BegunSync) -> None:
    credential = intervals.opened(rooms.cipher, athlete_id, sync)
    days = (job.lookback_seconds or DAY_SECONDS) // DAY_SECONDS
    days_asked = window(days, rooms.clock.now(), sync.synced_at)
    try:
        intervals_id = sync.intervals_id or await rooms.intervals.athlete(credential)
        seen = await rooms.intervals.wellness(credential, *days_asked)
    except Revoked as error:
        await _settle_refused(job, rooms, athlete_id, sync, str(error))
        return
    now = rooms.clock.now()
    async with rooms.database.transaction() as connection:
        if not await intervals_credentials.finish_sync(connection, athlete_id, sync, intervals_id, now):
            await _settle_needless(connection, job, athlete_id, "a newer sync has begun, or the key is gone")
            return
        count = await wellness_days.settle_sync(
            connection, athlete_id, seen, days_asked, rooms.choices.weights, now
        )
        await jobs.complete(connection, job, f"{count} days changed" if count else "nothing had changed")
    log.info("wellness.synced", days=len(seen), changed=count, reason=job.payload["reason"])


async def _settle_needless(connection: Connection, job: Job, athlete_id: int, outcome: str) -> None:
    """Settle what has nothing to store; where the athlete is gone, not even that it ran may be kept."""
    if await athletes.hold_known(connection, [athlete_id]):
        await jobs.complete(connection, job, outcome)
    else:
        await jobs.vanish(connection, job)


async def _settle_refused(job: Job, rooms: Rooms, athlete_id: int, sync: BegunSync, reason: str) -> None:
    async with rooms.database.transaction() as connection:
        refused = await intervals_credentials.refuse(connection, athlete_id, sync, reason, rooms.clock.now())
        if refused:
            await outbox.write(connection, Topic.INTERVALS_REFUSED, athlete_id, {"reason": reason})
            await jobs.complete(connection, job, reason)
        else:
            await _settle_needless(connection, job, athlete_id, "the key was replaced meanwhile")
    log.warning("intervals.refused", reason=reason, still_stored=refused)

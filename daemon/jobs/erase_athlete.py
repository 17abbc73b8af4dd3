"""Erase an athlete: at once where he or the operator says so, or days after he took the authorization back.

By hand he is marked first: from then on nobody is signed in as him, no event finds him, no job of his starts, and
a running one can store nothing once he is gone. Strava is told before the token is deleted; where it does not
answer, the sealed token outlives the erasure, and nothing else does. Killed at any moment, it is repeated from the
start. The days of grace are `retention.deauthorized_days`; who connects again before is left alone.

Refuses to judge who may ask for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from daemon.core.admission import Lane
from daemon.core.errors import DomestiqueError
from daemon.core.news import Topic
from daemon.core.settle import describe
from daemon.jobs.rooms import Rooms
from daemon.store import athletes, credentials, events, jobs, outbox, runs, web_sessions
from daemon.store.athletes import Belongings
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, NewJob
from daemon.vault import farewell
from daemon.vault.tokens import Vault

log = structlog.get_logger()

KIND: Final = "erase_athlete"
PATIENCE: Final = timedelta(seconds=3)  # until every daemon has read the news, which goes with him
TOLD_WITHIN_SECONDS: Final = 10.0  # no erasure waits longer for Strava

By = Literal["athlete", "operator"]


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it: `erased` False where there was nobody to erase; `told` whether Strava knows."""

    erased: bool
    told: bool


def new(athlete_id: int, run_at: datetime) -> NewJob:
    """Make the job. It waits neither for the quota nor for the athlete's turn, which a job that hangs may hold.

    Whatever still runs for him loses its lease with the erasure and stores nothing.
    """
    return NewJob(
        kind=KIND,
        lane=Lane.INTERACTIVE,
        dedup_key=f"{KIND}:{athlete_id}",
        run_at=run_at,
        payload={"athlete_id": athlete_id},
        asks_strava=False,
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Do it, unless he has come back; of the job nothing stays either."""
    await finish(rooms.database, rooms.vault, int(job.payload["athlete_id"]), rooms.clock.now(), job)


async def begin(connection: Connection, athlete_id: int, by: By, now: datetime) -> Belongings | None:
    """Mark an athlete as leaving, sign him out everywhere and queue his erasure, in the caller's transaction.

    Returns what will be erased, None where there is no such athlete.
    """
    if not await athletes.leave(connection, athlete_id, now):
        return None
    await web_sessions.close_all_of(connection, athlete_id)
    await outbox.write(connection, Topic.ATHLETE_DISCONNECTED, athlete_id, {"by": by})
    await jobs.enqueue(connection, [new(athlete_id, now + PATIENCE)])
    return await athletes.belongings(connection, athlete_id)


async def finish(database: Database, vault: Vault, athlete_id: int, now: datetime, job: Job | None = None) -> Ended:
    """Tell Strava, then delete everything in one transaction, the job with it; who has come back is left alone."""
    async with database.connection() as connection:
        athlete = await athletes.get(connection, athlete_id)
    # Whose authorization has ended at Strava has nothing to end there.
    told = await _tell(vault, athlete_id) if athlete is not None and athlete["leaving_at"] is not None else True
    async with database.transaction() as connection:
        departed = await athletes.lock_departed(connection, athlete_id)
        if job is not None:
            await jobs.vanish(connection, job)
        if departed is None:
            return Ended(erased=False, told=told)
        if not told:
            await _leave_farewell(connection, athlete_id, now)
        await erase(connection, athlete_id)
    log.info("athlete.erased", athlete_id=athlete_id, by_hand=departed.leaving_at is not None, told=told)
    return Ended(erased=True, told=told)


async def _tell(vault: Vault, athlete_id: int) -> bool:
    try:
        async with asyncio.timeout(TOLD_WITHIN_SECONDS):
            await vault.revoke(athlete_id)
    except (DomestiqueError, TimeoutError) as error:
        reason = describe(error) if isinstance(error, DomestiqueError) else "no answer in time"
        log.warning("athlete.revocation_put_off", athlete_id=athlete_id, reason=reason)
        return False
    return True


async def _leave_farewell(connection: Connection, athlete_id: int, now: datetime) -> None:
    sealed = await credentials.read(connection, athlete_id)
    if sealed is not None:
        await farewell.leave(connection, athlete_id, sealed.refresh_token, now)


async def erase(connection: Connection, athlete_id: int) -> None:
    """Delete all that hangs on an athlete, and all that names him, in the caller's transaction, which holds him."""
    # Jobs first: from then on nothing is at work that could write any of the rest.
    await jobs.forget_athlete(connection, athlete_id)
    await events.forget_owner(connection, athlete_id)
    await outbox.forget_athlete(connection, athlete_id)
    await runs.forget_athlete(connection, athlete_id)
    await athletes.erase(connection, athlete_id)
    # And last: whoever queued without holding him, but held a row of his, has committed by now.
    await jobs.forget_athlete(connection, athlete_id)

"""A farewell: the sealed token of an athlete who is erased, and the job that ends with it what it opens at Strava.

Refuses to know why Strava has not been told yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from daemon.core.admission import Lane
from daemon.store import farewells, jobs
from daemon.store.database import Connection
from daemon.store.jobs import NewJob

KIND: Final = "say_farewell"


async def leave(connection: Connection, athlete_id: int, refresh_token: bytes, now: datetime) -> None:
    """Keep a sealed token over an erasure and queue its job, in the caller's transaction.

    The job names nobody, and its call counts toward no quota.
    """
    farewell_id = await farewells.add(connection, athlete_id, refresh_token, now)
    job = NewJob(
        kind=KIND,
        lane=Lane.SCHEDULED,
        dedup_key=f"{KIND}:{farewell_id}",
        run_at=now,
        payload={"farewell_id": farewell_id},
        asks_strava=False,
    )
    await jobs.enqueue(connection, [job])

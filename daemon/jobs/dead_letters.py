"""Dead jobs at a person's word: queued again, one or all of a kind, or dropped for good. For the CLI and the API.

A dropped job is deleted; a line in the log is all that stays of it.
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from daemon.store import jobs
from daemon.store.database import Database

log = structlog.get_logger()

MOST_AT_ONCE: Final = 500


async def retry(database: Database, job_id: int) -> bool:
    """Queue a dead job again; False where it is not dead."""
    async with database.transaction() as connection:
        is_revived = await jobs.revive(connection, job_id)
    if is_revived:
        log.info("job.revived", job_id=job_id)
    return is_revived


async def retry_all(database: Database, kind: str) -> int:
    """Queue again what is dead of a kind by now, a few hundred at a time; returns how many."""
    async with database.connection() as connection:
        dead = await jobs.count_dead(connection, kind)
    retried = 0
    while retried < dead:  # what dies meanwhile has had its turn
        async with database.transaction() as connection:
            count = await jobs.revive_some(connection, kind, min(MOST_AT_ONCE, dead - retried))
        if count == 0:
            break
        retried += count
    if retried:
        log.info("jobs.revived", kind=kind, jobs=retried)
    return retried


async def drop(database: Database, job_id: int) -> dict[str, Any] | None:
    """Delete a dead job; returns its kind, serial_key, attempts and outcome, None where it is not dead."""
    async with database.transaction() as connection:
        dropped = await jobs.drop_dead(connection, job_id)
    if dropped is not None:
        log.warning(
            "job.dropped",
            job_id=job_id,
            kind=dropped["kind"],
            athlete_id=dropped["serial_key"],
            attempts=dropped["attempts"],
            reason=dropped["outcome"],
        )
    return dropped

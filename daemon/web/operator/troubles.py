"""What failed lately, alike things together, each with its sentence of advice.

Read from the database, where it survives restarts and every daemon's troubles meet; the log has more of each.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from daemon.core.remedies import Stage, Trouble, advise, merged
from daemon.store import athletes, intervals_credentials, jobs, runs
from daemon.store.database import Connection
from daemon.web.models.operator import TroubleRow

MOST_LOOKED_AT: Final = 1_000  # of each sort, the newest
MOST_TOLD: Final = 30
FAILED_WITHIN: Final = timedelta(days=2)  # runs of timers: a later run has gone over it
CONNECTIONS: Final = "connections"
INTERVALS: Final = "intervals"


async def read_troubles(connection: Connection, now: datetime) -> list[TroubleRow]:
    """Read what failed, what needs a person first."""
    return [
        TroubleRow(
            where=trouble.where,
            stage=trouble.stage,
            sentence=trouble.sentence,
            advice=advise(trouble.sentence, trouble.where),
            count=trouble.count,
            newest_at=trouble.newest_at,
            next_at=trouble.next_at,
            athlete_id=trouble.athlete_id,
        )
        for trouble in merged(await _read(connection, now))[:MOST_TOLD]
    ]


async def _read(connection: Connection, now: datetime) -> list[Trouble]:
    dead = [
        Trouble(
            row["kind"], Stage.DEAD, _told(row["outcome"]), row["jobs"], row["newest_at"], None, row["athlete_id"]
        )
        for row in await jobs.why_dead(connection, MOST_LOOKED_AT)
    ]
    failing = [
        Trouble(row["kind"], Stage.RETRYING, row["outcome"], row["jobs"], None, row["next_at"], row["athlete_id"])
        for row in await jobs.why_failing(connection, MOST_LOOKED_AT)
    ]
    failed_runs = [
        Trouble(
            row["job"],
            Stage.FAILED if row["state"] == "failed" else Stage.RETRYING,
            row["error"],
            row["runs"],
            row["newest_at"],
            None if row["state"] == "failed" else row["next_at"],
        )
        for row in await runs.why_failed(connection, now - FAILED_WITHIN, MOST_LOOKED_AT)
    ]
    resting = [
        Trouble(
            CONNECTIONS,
            Stage.NEEDS_AUTHORIZATION,
            _told(row["state_reason"]),
            row["athletes"],
            row["newest_at"],
            None,
            row["athlete_id"],
        )
        for row in await athletes.why_resting(connection, MOST_LOOKED_AT)
    ]
    refused = [
        Trouble(
            INTERVALS,
            Stage.REFUSED,
            row["state_reason"],
            row["athletes"],
            row["newest_at"],
            None,
            row["athlete_id"],
        )
        for row in await intervals_credentials.why_refused(connection)
    ]
    return [*dead, *failing, *failed_runs, *resting, *refused]


def _told(sentence: str | None) -> str:
    return sentence or "nobody wrote down why"

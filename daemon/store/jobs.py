"""The queue: one row per job, one statement per change. The SQL says why each is safe under concurrency."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from daemon.core.admission import Lane
from daemon.core.errors import DomestiqueError
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("jobs")

MOST_ATTEMPTS: Final = "most_attempts"  # in a payload: how often this job may be tried, if more than usual


class LeaseLost(DomestiqueError):
    """Another worker has this job by now: roll back, settle nothing."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to queue; `serial_key` is the athlete, for work on his data."""

    kind: str
    lane: Lane
    dedup_key: str
    run_at: datetime
    serial_key: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    lookback_seconds: int | None = None
    asks_strava: bool = True
    while_resting: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; `token` fences everything that settles it, `attempts` counts this one too."""

    job_id: int
    kind: str
    lane: Lane
    serial_key: int | None
    dedup_key: str
    payload: Mapping[str, Any]
    lookback_seconds: int | None
    attempts: int
    token: UUID
    queued_at: datetime

    def most_attempts(self, usual: int) -> int:
        """Return after how many attempts it is given up, as in the rescue of jobs whose worker died."""
        return max(usual, int(self.payload.get(MOST_ATTEMPTS, 0)))


async def enqueue(connection: Connection, jobs: Iterable[NewJob]) -> list[int]:
    """Queue jobs, each merged into its queued twin; the keys must differ from each other. Returns job ids."""
    ordered = sorted(jobs, key=lambda job: job.dedup_key)
    if not ordered:
        return []
    rows = await fetched(
        _queries.enqueue(
            connection,
            kinds=[job.kind for job in ordered],
            lanes=[job.lane.value for job in ordered],
            serial_keys=[job.serial_key for job in ordered],
            dedup_keys=[job.dedup_key for job in ordered],
            payloads=[dict(job.payload) for job in ordered],
            lookbacks=[job.lookback_seconds for job in ordered],
            asks_strava=[job.asks_strava for job in ordered],
            while_resting=[job.while_resting for job in ordered],
            run_ats=[job.run_at for job in ordered],
        )
    )
    return [row["job_id"] for row in rows]


async def claim_due(
    connection: Connection,
    kinds: Collection[str],
    lanes: Sequence[Lane],
    open_lanes: Sequence[Lane],
    lease_seconds: float,
    most: int,
) -> list[Job]:
    """Take up to `most` due jobs of these kinds and lanes, one per athlete, never one of an athlete at work.

    Jobs that ask Strava are only taken where their lane is open. Among those of a lane athletes take turns.
    """
    rows = await fetched(
        _queries.claim_due(
            connection,
            kinds=sorted(kinds),
            lanes=[lane.value for lane in lanes],
            open_lanes=[lane.value for lane in open_lanes],
            lease_seconds=lease_seconds,
            most=most,
        )
    )
    return [Job(**{**row, "lane": Lane(row["lane"])}) for row in rows]


async def extend_leases(connection: Connection, jobs: Sequence[Job], lease_seconds: float) -> set[int]:
    """Keep jobs for `lease_seconds` more from now; returns the ids that are still ours."""
    rows = await fetched(
        _queries.extend_leases(
            connection,
            job_ids=[job.job_id for job in jobs],
            tokens=[job.token for job in jobs],
            lease_seconds=lease_seconds,
        )
    )
    return {row["job_id"] for row in rows}


async def complete(connection: Connection, job: Job, outcome: str) -> None:
    """Settle a job as done, in the transaction that holds its results; raises LeaseLost."""
    row = await _queries.complete(connection, job_id=job.job_id, token=job.token, outcome=outcome)
    _held(row, job)


async def bury(connection: Connection, job: Job, reason: str) -> None:
    """Settle a job as dead, visible and revivable; raises LeaseLost."""
    row = await _queries.bury(connection, job_id=job.job_id, token=job.token, outcome=reason)
    _held(row, job)


async def requeue(
    connection: Connection, job: Job, run_at: datetime, reason: str, *, give_back: bool = False
) -> None:
    """Put a job back, merged into a follow-up where one waits; `give_back` undoes the attempt."""
    row = await _queries.requeue(
        connection, job_id=job.job_id, token=job.token, run_at=run_at, outcome=reason, give_back=give_back
    )
    _held(row, job)


def _held(row: object, job: Job) -> None:
    if row is None:
        raise LeaseLost(f"job {job.job_id} ({job.kind}) was taken over by another worker")


async def rescue_expired(connection: Connection, max_attempts: int) -> tuple[int, int]:
    """Queue again what died with its worker, bury what died too often; returns both counts."""
    buried = await fetched(_queries.bury_expired(connection, max_attempts=max_attempts))
    rescued = await fetched(_queries.rescue_expired(connection, max_attempts=max_attempts))
    return len(rescued), len(buried)


async def revive(connection: Connection, job_id: int) -> bool:
    """Queue a dead job again by hand; False where it is not dead."""
    return await _queries.revive(connection, job_id=job_id) is not None


async def count_by_state(connection: Connection) -> list[dict[str, Any]]:
    """Return kind, state, jobs and oldest_run_at for all that is not done."""
    return [dict(row) for row in await fetched(_queries.count_by_state(connection))]


async def census(connection: Connection) -> list[dict[str, Any]]:
    """Return lane, kind, state, jobs and oldest_due_at (of the queued that may run) of all that is not done."""
    return [dict(row) for row in await fetched(_queries.census(connection))]


async def backlog(connection: Connection) -> list[dict[str, Any]]:
    """Return lane, kind, jobs and oldest_run_at of all that waits for Strava."""
    return [dict(row) for row in await fetched(_queries.backlog(connection))]


async def list_dead(connection: Connection, most: int) -> list[dict[str, Any]]:
    """Return the newest dead jobs with what they died of."""
    return [dict(row) for row in await fetched(_queries.list_dead(connection, most=most))]


async def prune(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` jobs that were done before an instant; returns how many."""
    count: int = await _queries.prune(connection, before=before, most=most)
    return count


async def prune_strays(connection: Connection, before: datetime, most: int) -> int:
    """Drop up to `most` jobs queued before an instant for athletes who are gone; returns how many were found."""
    rows = await fetched(_queries.hold_strays(connection, before=before, most=most))
    if rows:
        await _queries.drop_strays(connection, job_ids=[row["job_id"] for row in rows])
    return len(rows)


async def forget_athlete(connection: Connection, athlete_id: int) -> None:
    """Drop every job on an athlete's data, for his erasure; what runs of them can settle nothing.

    Looks until there is none: what completed while we waited for it may have left a follow-up.
    """
    while await _queries.forget_athlete(connection, athlete_id=athlete_id):
        pass


async def vanish(connection: Connection, job: Job) -> None:
    """Settle a job without a trace, in the transaction that holds its results; raises LeaseLost."""
    row = await _queries.vanish(connection, job_id=job.job_id, token=job.token)
    _held(row, job)


async def read(connection: Connection, job_id: int) -> dict[str, Any] | None:
    """Return state, run_at, attempts and outcome of a job; None where it was merged into another or pruned."""
    row = await _queries.read(connection, job_id=job_id)
    return dict(row) if row is not None else None


async def list_open(connection: Connection, athlete_id: int, dedup_keys: Collection[str]) -> list[dict[str, Any]]:
    """Return dedup_key, state, run_at and outcome of those of an athlete's jobs that are queued or running."""
    rows = await fetched(_queries.list_open(connection, athlete_id=athlete_id, dedup_keys=sorted(dedup_keys)))
    return [dict(row) for row in rows]


async def count_athletes_waiting(connection: Connection, kind: str, due_by: datetime | None = None) -> int:
    """Return how many athletes have a job of this kind that runs or waits; with `due_by` not those due later."""
    count: int = await _queries.count_athletes_waiting(connection, kind=kind, due_by=due_by)
    return count


async def summed_up(connection: Connection) -> list[dict[str, Any]]:
    """Return kind, state, jobs, failing and oldest_at (the first death of the dead) of all that is not done."""
    return [dict(row) for row in await fetched(_queries.summed_up(connection))]


async def page_dead(
    connection: Connection, kind: str | None, after: tuple[datetime, int] | None, most: int
) -> list[dict[str, Any]]:
    """Return dead jobs, the newest first, behind one that is told by when it died and its id."""
    after_at, after_id = after if after is not None else (None, None)
    rows = _queries.page_dead(connection, kind=kind, after_at=after_at, after_id=after_id, most=most)
    return [dict(row) for row in await fetched(rows)]


async def page_queued(
    connection: Connection, kind: str | None, after: tuple[str, datetime, int] | None, most: int
) -> list[dict[str, Any]]:
    """Return queued jobs in the order in which they are claimed, behind one told by lane, `fair_at` and id."""
    after_lane, after_at, after_id = after if after is not None else (None, None, None)
    rows = _queries.page_queued(
        connection, kind=kind, after_lane=after_lane, after_at=after_at, after_id=after_id, most=most
    )
    return [dict(row) for row in await fetched(rows)]


async def page_running(
    connection: Connection, kind: str | None, after_id: int | None, most: int
) -> list[dict[str, Any]]:
    """Return running jobs by id."""
    rows = _queries.page_running(connection, kind=kind, after_id=after_id, most=most)
    return [dict(row) for row in await fetched(rows)]


async def count_dead(connection: Connection, kind: str) -> int:
    """Return how many jobs of a kind are dead."""
    count: int = await _queries.count_dead(connection, kind=kind)
    return count


async def revive_some(connection: Connection, kind: str, most: int) -> int:
    """Queue up to `most` dead jobs of a kind again; returns how many."""
    count: int = await _queries.revive_some(connection, kind=kind, most=most)
    return count


async def drop_dead(connection: Connection, job_id: int) -> dict[str, Any] | None:
    """Delete a dead job; returns kind, serial_key, attempts and outcome, None where it is not dead."""
    row = await _queries.drop_dead(connection, job_id=job_id)
    return dict(row) if row is not None else None


async def why_dead(connection: Connection, most: int) -> list[dict[str, Any]]:
    """Return kind, outcome, jobs, newest_at and an athlete_id for what the newest dead died of."""
    return [dict(row) for row in await fetched(_queries.why_dead(connection, most=most))]


async def why_failing(connection: Connection, most: int) -> list[dict[str, Any]]:
    """Return kind, outcome, jobs, next_at and an athlete_id for what keeps queued jobs failing."""
    return [dict(row) for row in await fetched(_queries.why_failing(connection, most=most))]

"""Runs of the scheduled jobs, and whom each asked to be synced.

A run is held by a lease and a token, as a job is; every step is fenced, so that whoever lost the lease changes
nothing. What a run has decided lies in its asks: a run whose daemon died goes on where it was. This module refuses
to know what a job does, and when it is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from daemon.core.errors import DomestiqueError
from daemon.store.database import Connection, fetched, named_queries
from daemon.store.jobs import LeaseLost

_queries: Final = named_queries("scheduler_runs")

# A look reached back from when it began, an ask from when it was decided, and their clocks are two hosts'.
COVERAGE_SLACK_SECONDS: Final = 300.0


class AlreadyRunning(DomestiqueError):
    """A job never overlaps itself: what was asked for is under way, or waits for a daemon."""

    def __init__(self, job: str, run_id: int, started_at: datetime | None) -> None:
        state = f"at work since {started_at:%Y-%m-%d %H:%M:%S} UTC" if started_at is not None else "about to begin"
        super().__init__(f"{job} is already running: run {run_id} is {state}. Ask again when it has ended.")
        self.run_id = run_id
        self.started_at = started_at


@dataclass(frozen=True, slots=True)
class Run:
    """A run in our hands; `attempts` counts this one too."""

    run_id: int
    job: str
    trigger: str
    due_at: datetime
    attempts: int
    token: UUID


@dataclass(frozen=True, slots=True)
class Requested:
    """A run that waits for a daemon to begin it."""

    run_id: int
    job: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: `decided` asks wait to be queued, `asked` ones for their looks."""

    cursor_athlete_id: int
    considered_all: bool
    considered: int
    skipped: Mapping[str, int]
    decided: int
    asked: int


@dataclass(frozen=True, slots=True)
class NewAsk:
    """The decision to sync an athlete; `why` is a slug for counting, a higher `urgency` goes first."""

    athlete_id: int
    why: str
    reason: str
    lookback_seconds: int
    urgency: float


@dataclass(frozen=True, slots=True)
class Ask:
    """An ask whose job is to be queued now."""

    athlete_id: int
    reason: str
    lookback_seconds: int
    urgency: float


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one look at an athlete's list brought; `outcome` is "synced" or "failed"."""

    outcome: str
    calls: int = 0
    new_activities: int = 0
    edited: int = 0
    deleted: int = 0
    missed_webhooks: int = 0


# ── who holds a run ─────────────────────────────────────────────────────────────────────────────────────


async def request(connection: Connection, job: str, trigger: str) -> Requested:
    """Ask for a run due now, by a command ("manual") or over HTTP ("api").

    Raises AlreadyRunning where one has not ended.
    """
    row = await _queries.request(connection, job=job, trigger=trigger)
    if not row["is_new"]:
        raise AlreadyRunning(job, row["run_id"], row["started_at"])
    return Requested(row["run_id"], job, row["due_at"])


async def take_waiting(connection: Connection, jobs: Sequence[str], lease_seconds: float) -> Run | None:
    """Take the oldest run of these jobs that waits, or whose daemon died; None where there is none."""
    row = await _queries.take_waiting(connection, jobs=list(jobs), lease_seconds=lease_seconds)
    return Run(**row) if row is not None else None


async def extend_leases(connection: Connection, held: Sequence[Run], lease_seconds: float) -> set[int]:
    """Keep runs for `lease_seconds` more from now; returns the ids that are still ours."""
    rows = await fetched(
        _queries.extend_leases(
            connection,
            run_ids=[run.run_id for run in held],
            tokens=[run.token for run in held],
            lease_seconds=lease_seconds,
        )
    )
    return {row["run_id"] for row in rows}


async def put_down(
    connection: Connection, run: Run, wait: timedelta, error: str | None, *, give_back: bool = False
) -> None:
    """Let go of a run for whoever takes it up after a `wait`; `give_back` undoes the attempt. Raises LeaseLost."""
    row = await _queries.put_down(
        connection,
        run_id=run.run_id,
        token=run.token,
        wait_seconds=wait.total_seconds(),
        error=error,
        give_back=give_back,
    )
    _held(row, run)


async def finish(connection: Connection, run: Run, result: str) -> dict[str, Any]:
    """End a run and return its figures; raises LeaseLost."""
    return await _end(connection, run, "finished", result, None)


async def fail(connection: Connection, run: Run, error: str) -> dict[str, Any]:
    """Give a run up and return its figures; raises LeaseLost."""
    return await _end(connection, run, "failed", None, error)


async def _end(
    connection: Connection, run: Run, state: str, result: str | None, error: str | None
) -> dict[str, Any]:
    row = await _queries.finish(
        connection, run_id=run.run_id, token=run.token, state=state, result=result, error=error
    )
    return dict(_held(row, run))


def _held(row: Any, run: Run) -> Any:
    if row is None:
        raise LeaseLost(f"run {run.run_id} ({run.job}) was taken over by another daemon")
    return row


# ── how far it has come ─────────────────────────────────────────────────────────────────────────────────


async def progress(connection: Connection, run: Run) -> Progress:
    """Return how far our run has come; raises LeaseLost."""
    row = await _queries.progress(connection, run_id=run.run_id, token=run.token)
    return Progress(**_held(row, run))


async def last_ended(connection: Connection) -> list[dict[str, Any]]:
    """Return job, state, started_at and finished_at of the newest run of each job that has ended."""
    return [dict(row) for row in await fetched(_queries.last_ended(connection))]


async def advance(connection: Connection, run: Run, reached: Progress, asks: Sequence[NewAsk]) -> None:
    """Write where the run has come and whom it decided to sync, in one transaction; raises LeaseLost."""
    row = await _queries.advance(
        connection,
        run_id=run.run_id,
        token=run.token,
        cursor_athlete_id=reached.cursor_athlete_id,
        considered_all=reached.considered_all,
        considered=reached.considered,
        skipped=dict(reached.skipped),
    )
    _held(row, run)
    await _queries.decide(
        connection,
        run_id=run.run_id,
        athlete_ids=[ask.athlete_id for ask in asks],
        whys=[ask.why for ask in asks],
        reasons=[ask.reason for ask in asks],
        lookbacks=[ask.lookback_seconds for ask in asks],
        urgencies=[ask.urgency for ask in asks],
    )


async def hold_most_urgent(connection: Connection, run: Run, most: int) -> list[Ask]:
    """Hold up to `most` asks that have no job yet, the most urgent first, until the transaction ends."""
    rows = await fetched(_queries.hold_most_urgent(connection, run_id=run.run_id, token=run.token, most=most))
    return [Ask(**row) for row in rows]


async def pass_over(connection: Connection, run: Run, looks: int, less_urgent: int, urgent: float) -> int:
    """Skip the least urgent asks that are not queued yet, down to so many `looks`; returns how many.

    Of those less urgent than `urgent` only so many stay.
    """
    count: int = await _queries.pass_over(
        connection, run_id=run.run_id, token=run.token, looks=looks, less_urgent=less_urgent, urgent=urgent
    )
    return count


async def mark_asked(connection: Connection, run: Run, dedup_keys: Mapping[int, str]) -> None:
    """Write which job does which athlete's ask, in the transaction that queued the jobs."""
    await _queries.mark_asked(
        connection, run_id=run.run_id, athlete_ids=list(dedup_keys), dedup_keys=list(dedup_keys.values())
    )


async def settle_stragglers(connection: Connection, run: Run, most_attempts: int) -> int:
    """Settle the asks of a run whose looks will not come soon; returns how many."""
    count: int = await _queries.settle_stragglers(connection, run_id=run.run_id, most_attempts=most_attempts)
    return count


# ── what became of an ask: for the jobs that carry them out ─────────────────────────────────────────────


async def settle_asks(connection: Connection, athlete_id: int, reached_to: datetime, result: SyncResult) -> None:
    """Settle every open ask that a look back to `reached_to` has covered, in the look's own transaction.

    The oldest gets the figures, so that the sum over all runs counts every call once; the others count as shared.
    """
    await _queries.settle_asks(
        connection,
        athlete_id=athlete_id,
        reached_to=reached_to,
        slack_seconds=COVERAGE_SLACK_SECONDS,
        outcome=result.outcome,
        failure="the look failed" if result.outcome == "failed" else None,
        calls=result.calls,
        new_activities=result.new_activities,
        edited=result.edited,
        deleted=result.deleted,
        missed_webhooks=result.missed_webhooks,
    )


async def fail_asks(connection: Connection, athlete_id: int, reason: str) -> None:
    """Settle an athlete's queued asks as failed, in the transaction that gives up on their job."""
    await _queries.fail_asks(connection, athlete_id=athlete_id, failure=reason)


async def forget_athlete(connection: Connection, athlete_id: int) -> None:
    """Name an athlete in no run any more, for his erasure; his asks go with him."""
    await _queries.forget_athlete(connection, athlete_id=athlete_id)


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────


async def list_newest(
    connection: Connection, job: str | None, most: int, before: int | None = None
) -> list[dict[str, Any]]:
    """Return the newest runs, of one job or of all, with their figures so far; those older than run `before`."""
    return [dict(row) for row in await fetched(_queries.list_newest(connection, job=job, most=most, before=before))]


async def newest_of_each(connection: Connection, jobs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the newest run of each of these jobs that ever ran, by job, with its figures so far."""
    rows = await fetched(_queries.newest_of_each(connection, jobs=list(jobs)))
    return {row["job"]: dict(row) for row in rows}


async def why_failed(connection: Connection, since: datetime, most: int) -> list[dict[str, Any]]:
    """Return job, state, error, runs, newest_at and next_at of runs that failed since, or are tried again."""
    return [dict(row) for row in await fetched(_queries.why_failed(connection, since=since, most=most))]


async def prune_asks(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` asks of runs that ended before an instant; returns how many."""
    count: int = await _queries.prune_asks(connection, before=before, most=most)
    return count


async def prune(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` runs that ended before an instant, but the newest of each job; returns how many."""
    count: int = await _queries.prune(connection, before=before, most=most)
    return count

"""What is told of the scheduled jobs and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from daemon.core.schedule import TIMERS
from daemon.web.endpoints import Model, Query


def _known(job: str) -> str:
    if job not in TIMERS:
        raise ValueError(f"the jobs are {', '.join(TIMERS)}")
    return job


JobName: TypeAlias = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(TIMERS)})
]


class Run(Model):
    """One run with its figures so far: athletes considered, skipped for which reasons, synced, failed, still open.

    `calls` and what follows count what its looks brought; `result` says what it did, `error` what stopped it.
    """

    run_id: int
    job: str
    trigger: Literal["timer", "manual", "api"]
    state: Literal["waiting", "running", "finished", "failed"]
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    considered: int
    skipped: dict[str, int]
    open: int
    synced: int
    failed: int
    calls: int
    new_activities: int
    edited: int
    deleted: int
    missed_webhooks: int
    result: str | None
    error: str | None


class ScheduledJob(Model):
    """One job: its timing in words, in which zone, when it is due next and begins, and its newest run.

    `due_at` is null until a daemon has planned it.
    """

    job: str
    does: str
    timing: str
    timezone: str
    due_at: datetime | None
    starts_at: datetime | None
    last_run: Run | None


class ScheduledJobs(Model):
    """Every scheduled job."""

    jobs: list[ScheduledJob]


class RunsQuery(Query):
    """Which runs."""

    job: JobName | None = Field(None, description="Only this job's.")
    limit: int = Field(50, ge=1, le=1000, description="How many at most.")
    cursor: str | None = Field(None, max_length=500, description="What `next` of the page before held.")


class Runs(Model):
    """A page of runs, newest first; `next` is the cursor of the next page, null at the end."""

    runs: list[Run]
    next: str | None


class RunAsked(Model):
    """A run that waits for a daemon to begin it, which takes some two seconds."""

    run_id: int
    job: str
    state: Literal["waiting"] = "waiting"
    due_at: datetime

"""`domestique scheduler`: when the scheduled jobs are due, what their runs did, and a run by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.core.schedule import TIMERS
from daemon.store import runs
from daemon.store.opening import Opened
from daemon.store.runs import Requested
from daemon.web.models.scheduler import Run, RunAsked
from daemon.web.scheduler import scheduled_jobs

commands = typer.Typer(no_args_is_help=True, help="The scheduled jobs.")

JobArgument = Annotated[str, typer.Argument(help="As `scheduler jobs` shows it.")]
JobOption = Annotated[str | None, typer.Option(help="Only this job's.")]


@commands.command("jobs")
def list_jobs(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the seven jobs: when each is due, and how its last run went."""
    settings = settings_from(config_path)

    async def read(opened: Opened) -> list[dict[str, Any]]:
        async with opened.database.connection() as connection:
            return [job.model_dump() for job in await scheduled_jobs(connection, settings.schedule.timezone)]

    rows = with_database(settings, read)
    if as_json:
        print_json(rows)
        return
    table = [
        row | {"last": _last(row["last_run"]), "did": _did(row["last_run"])}
        for row in sorted(rows, key=lambda row: (row["due_at"] is None, row["due_at"]))
    ]
    headings = {
        "job": "job",
        "timing": f"when ({settings.schedule.timezone})",
        "due_at": "next due",
        "last": "last run",
        "did": "it",
    }
    print_table(table, headings, "")
    if any(row["due_at"] is None for row in rows):
        console.print("jobs without a next due time are planned when the daemon first runs")


@commands.command("runs")
def list_runs(
    job: JobOption = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the newest runs: whom they considered, skipped and synced, and what that found."""
    if job is not None:
        _known(job)

    async def read(opened: Opened) -> list[dict[str, Any]]:
        async with opened.database.connection() as connection:
            return [Run(**row).model_dump() for row in await runs.list_newest(connection, job, most)]

    rows = with_database(settings_from(config_path), read)
    if as_json:
        print_json(rows)
        return
    table = [row | {"skips": _skips(row["skipped"]), "did": _did(row)} for row in rows]
    headings = {
        "run_id": "run",
        "job": "job",
        "trigger": "by",
        "due_at": "due",
        "considered": "considered",
        "skips": "skipped",
        "synced": "synced",
        "failed": "failed",
        "open": "open",
        "calls": "calls",
        "new_activities": "new",
        "missed_webhooks": "missed",
        "did": "it",
    }
    print_table(table, headings, "no run yet: `domestique scheduler jobs` says when the next one is due")


@commands.command("run")
def run_now(job: JobArgument, config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Ask for a run now; the daemon begins it within two seconds. Exit status 1 where one is already running."""
    _known(job)

    async def ask(opened: Opened) -> Requested:
        async with opened.database.transaction() as connection:
            return await runs.request(connection, job, "manual")

    requested = with_database(settings_from(config_path), ask)
    if as_json:
        print_json(RunAsked(run_id=requested.run_id, job=job, due_at=requested.due_at).model_dump())
    else:
        console.print(
            f"run {requested.run_id} of {job} is asked for: a running daemon begins it within two seconds."
            f" `domestique scheduler runs --job {job}` shows how it goes."
        )


def _known(job: str) -> None:
    if job not in TIMERS:
        complain(f"there is no job {job}: the jobs are {', '.join(TIMERS)}")
        raise typer.Exit(2)


def _last(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return "none yet"
    return f"{run['run_id']}, {shown(run['started_at'] or run['due_at'])}"


def _did(run: Mapping[str, Any] | None) -> str:
    """Say how a run ended, or how it stands."""
    if run is None:
        return "–"
    told = run["error"] if run["state"] == "failed" else run["result"] or run["error"]
    return f"{run['state']}: {told}" if told else str(run["state"])


def _skips(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in sorted(skipped.items())) or "–"

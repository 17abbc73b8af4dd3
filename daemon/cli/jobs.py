"""`domestique jobs`: what has died, and how to try it again or to drop it."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer

from daemon.cli.house import BIGGEST_ID, DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.jobs import dead_letters
from daemon.store import jobs
from daemon.store.opening import Opened

commands = typer.Typer(no_args_is_help=True, help="The dead jobs.")


@commands.command("dead")
def list_dead(
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List jobs that were given up, and why."""

    async def read(opened: Opened) -> list[dict[str, Any]]:
        async with opened.database.connection() as connection:
            return await jobs.list_dead(connection, most)

    rows = with_database(settings_from(config_path), read)
    if as_json:
        print_json(rows)
        return
    headings = {
        "job_id": "job",
        "kind": "kind",
        "serial_key": "athlete",
        "attempts": "attempts",
        "settled_at": "died",
        "outcome": "why",
    }
    print_table(rows, headings, "no job is dead")


@commands.command("retry")
def retry(
    job_id: Annotated[
        int | None, typer.Argument(min=1, max=BIGGEST_ID, help="As `jobs dead` shows it.", show_default=False)
    ] = None,
    kind: Annotated[str | None, typer.Option(help="All dead jobs of this kind instead.")] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Queue a dead job again, or all of a kind."""
    if (job_id is None) == (kind is None):
        complain("name a job by its number, or a kind with --kind: `domestique jobs dead` lists them")
        raise typer.Exit(2)
    settings = settings_from(config_path)
    if kind is not None:
        retried = with_database(settings, lambda opened: dead_letters.retry_all(opened.database, kind))
        console.print(f"{retried} jobs of {kind} are queued again")
        return
    assert job_id is not None
    if not with_database(settings, lambda opened: dead_letters.retry(opened.database, job_id)):
        _is_not_dead(job_id)
    console.print(f"job {job_id} is queued again")


@commands.command("drop")
def drop(
    job_id: Annotated[int, typer.Argument(min=1, max=BIGGEST_ID, help="As `jobs dead` shows it.")],
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Delete a dead job for good: what it was to do is not done."""
    dropped = with_database(settings_from(config_path), lambda opened: dead_letters.drop(opened.database, job_id))
    if dropped is None:
        _is_not_dead(job_id)
    else:
        console.print(f"job {job_id} ({dropped['kind']}) is dropped; it had died of: {shown(dropped['outcome'])}")


def _is_not_dead(job_id: int) -> NoReturn:
    complain(f"job {job_id} is not dead: `domestique jobs dead` lists those that are")
    raise typer.Exit(1)

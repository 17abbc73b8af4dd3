"""`domestique jobs`: what has died, and how to try it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table
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
    job_id: Annotated[int, typer.Argument(help="As `jobs dead` shows it.")],
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Queue a dead job again."""

    async def revive(opened: Opened) -> bool:
        async with opened.database.transaction() as connection:
            return await jobs.revive(connection, job_id)

    if with_database(settings_from(config_path), revive):
        console.print(f"job {job_id} is queued again")
    else:
        complain(f"job {job_id} is not dead: `domestique jobs dead` lists those that are")
        raise typer.Exit(1)

"""`domestique config`, `keys` and `migrate`: what is done once, before the daemon runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.progress import Progress

from daemon import brought_along, config
from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, complaints, console, print_json, print_table
from daemon.store.migrate import applied_names
from daemon.store.opening import Opened
from daemon.vault.cipher import Cipher, new_key
from daemon.vault.rotation import Rotated, count, rotate

config_commands = typer.Typer(no_args_is_help=True, help="The settings.")
key_commands = typer.Typer(no_args_is_help=True, help="The keys that tokens are encrypted with.")


def migrate(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables. `run` does so as well."""
    settings = settings_from(config_path)

    async def applied(opened: Opened) -> list[str]:
        async with opened.database.connection() as connection:
            return await applied_names(connection)

    names = with_database(settings, applied)
    if as_json:
        print_json({"applied": names})
    else:
        console.print(f"the database is current: {len(names)} migrations applied, the last is {names[-1]}")


@config_commands.command("example")
def config_example() -> None:
    """Print every setting with its meaning and default, to begin a settings file with."""
    sys.stdout.write(brought_along("config.toml").read_text(encoding="utf-8"))


@config_commands.command("check")
def config_check(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Check every setting and show where its value comes from; exit status 2 names what is wrong."""
    rows = [row._asdict() for row in config.describe(settings_from(config_path))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, {"name": "setting", "value": "value", "source": "from"}, "no settings")


@key_commands.command("rotate")
def keys_rotate(
    config_path: ConfigOption = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: every daemon knows the new key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Seal every stored secret under the first of `vault.keys`; daemons may go on working.

    Before: put the new key first, keep the old ones after it, and restart every daemon on this database.
    After: take the old ones away.
    """
    settings = settings_from(config_path)
    if len(settings.vault.keys) == 1:
        complaints.print("vault.keys holds one key: `domestique keys create` makes a new one to put before it")
    if not yes:
        typer.confirm("Does every daemon on this database run with the new key already?", abort=True, err=True)

    async def renewed(opened: Opened) -> Rotated:
        total = await count(opened.database)
        with Progress(console=complaints, transient=True) as progress:
            bar = progress.add_task("sealing anew", total=total)
            return await rotate(
                opened.database, Cipher(settings.vault.keys), lambda looked: progress.update(bar, completed=looked)
            )

    found = with_database(settings, renewed)
    if as_json:
        print_json({"renewed": found.renewed, "current": found.current, "unreadable": found.unreadable})
    else:
        console.print(
            f"{found.renewed} secrets were sealed anew, {found.current} were already under the newest key"
        )
        if not found.unreadable:
            console.print("the older keys may be taken out of vault.keys")
    if found.unreadable:
        complain(
            f"no key of vault.keys opens {len(found.unreadable)} secrets: {', '.join(found.unreadable[:20])}."
            " Put back the key that they were sealed with, or ask these athletes to connect again."
        )
        raise typer.Exit(1)


@key_commands.command("create")
def keys_create() -> None:
    """Print a new key for `vault.keys`."""
    sys.stdout.write(new_key().get_secret_value() + "\n")

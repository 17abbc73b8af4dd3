"""`domestique config`, `keys` and `migrate`: what is done once, before the daemon runs."""

from __future__ import annotations

import sys

import typer

from daemon import config
from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import console, print_json, print_table
from daemon.store.migrate import applied_names
from daemon.store.opening import Opened
from daemon.vault.cipher import new_key

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


@config_commands.command("check")
def config_check(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Check every setting and show where its value comes from; exit status 2 names what is wrong."""
    rows = [row._asdict() for row in config.describe(settings_from(config_path))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, {"name": "setting", "value": "value", "source": "from"}, "no settings")


@key_commands.command("create")
def keys_create() -> None:
    """Print a new key for `vault.keys`."""
    sys.stdout.write(new_key().get_secret_value() + "\n")

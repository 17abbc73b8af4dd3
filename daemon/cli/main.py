"""The command line: what there is, and which module does it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from daemon import __version__, config
from daemon.cli import (
    activities,
    athletes,
    backfill,
    demo,
    explain,
    jobs,
    quota,
    recompute,
    scheduler,
    status,
    subscription,
    sync,
    tokens,
    wellness,
)
from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import console, print_json, print_table
from daemon.store.migrate import applied_names
from daemon.store.opening import Opened
from daemon.vault.cipher import new_key

app = typer.Typer(
    name="domestique",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps many athletes' training load current.",
)
config_commands = typer.Typer(no_args_is_help=True, help="The settings.")
key_commands = typer.Typer(no_args_is_help=True, help="The keys that tokens are encrypted with.")
athletes.commands.command("explain")(explain.explain_athlete)
athletes.commands.command("wellness")(wellness.wellness)
athletes.commands.command("intervals")(wellness.intervals)
app.add_typer(athletes.commands, name="athletes")
app.add_typer(activities.commands, name="activities")
app.add_typer(jobs.commands, name="jobs")
app.add_typer(subscription.commands, name="subscription")
app.add_typer(tokens.commands, name="tokens")
app.add_typer(scheduler.commands, name="scheduler")
app.add_typer(config_commands, name="config")
app.add_typer(key_commands, name="keys")
app.command()(status.status)
app.command()(quota.quota)
app.command()(sync.sync)
app.command()(backfill.backfill)
app.command()(recompute.recompute)
app.command()(demo.demo)


def main() -> int:
    """Run one command; returns its exit status."""
    try:
        outcome = app(standalone_mode=False)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort:
        return 130
    except Exception as error:
        # typer's own complaints about usage know how to show themselves
        if not hasattr(error, "show"):
            raise
        error.show()
        return int(getattr(error, "exit_code", 2))
    return outcome if isinstance(outcome, int) else 0


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        sys.stdout.write(f"domestique {__version__}\n")
        raise typer.Exit


@app.command()
def run(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    raise typer.Exit  # `__main__` starts the daemon before typer is imported; this only puts it on the list


@app.command()
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

"""The command line: what there is, and which module does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from daemon import __version__
from daemon.cli.lazily import lazily

# In the order in which help lists them.
COMMANDS: Final = {
    "status": "status:status",
    "doctor": "doctor:doctor",
    "quota": "quota:quota",
    "scheduler": "scheduler:commands",
    "sync": "sync:sync",
    "backfill": "backfill:backfill",
    "athletes": "athletes:commands",
    "activities": "activities:commands",
    "recompute": "recompute:recompute",
    "jobs": "jobs:commands",
    "subscription": "subscription:commands",
    "notifications": "notifications:commands",
    "tokens": "tokens:commands",
    "config": "setup:config_commands",
    "keys": "setup:key_commands",
    "migrate": "setup:migrate",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "demo": "demo:demo",
}

app = typer.Typer(
    name="domestique",
    cls=lazily(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps many athletes' training load current.",
)


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
def run(
    config_path: Annotated[Path, typer.Option("--config", help="The settings file.")] = Path("config.toml"),
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    raise typer.Exit  # `__main__` starts the daemon before typer is imported; this only puts it on the list

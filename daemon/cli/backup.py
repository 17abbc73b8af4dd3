"""`domestique backup` and `restore`: everything in one file, and back."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, settings_from, with_database
from daemon.cli.output import complain
from daemon.store import backup as backups
from daemon.store.opening import Opened, open_as_it_is, prepare


def backup(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Write a backup of the whole database to standard output, while the daemon works.

    For example: domestique backup > domestique.dump. The keys of the vault are not in it: keep them elsewhere.
    """
    settings = settings_from(config_path)
    if sys.stdout.isatty():
        complain("a backup is no text: send it to a file, as in  domestique backup > domestique.dump")
        raise typer.Exit(2)

    async def write(opened: Opened) -> None:
        access = backups.access_to(opened.server, settings.database.url.get_secret_value())
        await backups.dump(access, sys.stdout.buffer)

    with_database(settings, write, open_as_it_is)


def restore(
    replace: Annotated[bool, typer.Option("--replace", help="Drop what the database holds now.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put the database back from a backup on standard input, wholly or not at all; the daemon must be stopped.

    For example: domestique restore --replace < domestique.dump. One of an older version is brought to this one.
    """
    settings = settings_from(config_path)
    if sys.stdin.isatty():
        complain("give the backup on standard input, as in  domestique restore < domestique.dump")
        raise typer.Exit(2)

    async def read(opened: Opened) -> None:
        await backups.refuse_to_restore(opened.database, opened.server, replace=replace)
        access = backups.access_to(opened.server, settings.database.url.get_secret_value())
        await backups.restore(access, sys.stdin.buffer)
        await prepare(opened.database, settings)

    with_database(settings, read, open_as_it_is)
    complain("restored: start the daemon, and look at `domestique status`")

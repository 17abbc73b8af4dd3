"""What commands share: the settings, the database, and how errors become an exit status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from daemon import config, logs
from daemon.cli.output import complain
from daemon.config import Settings
from daemon.core.errors import DomestiqueError
from daemon.store.opening import Opened, open_database

T = TypeVar("T")

ConfigOption = Annotated[Path, typer.Option("--config", help="The settings file.", envvar="DOMESTIQUE_CONFIG")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
BIGGEST_ID = 2**63 - 1
IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, max=BIGGEST_ID, help="The athlete.")]
DEFAULT_CONFIG = Path("config.toml")


def settings_from(path: Path) -> Settings:
    """Read the settings, or print what is wrong with them and exit with status 2."""
    try:
        settings = config.load(path)
    except config.ConfigError as error:
        complain(str(error))
        raise typer.Exit(2) from error
    logs.configure("warning", settings.logs.format)
    logs.conceal(*config.secret_values(settings))
    return settings


def with_database(
    settings: Settings,
    work: Callable[[Opened], Awaitable[T]],
    opening: Callable[[Settings], AbstractAsyncContextManager[Opened]] = open_database,
) -> T:
    """Open the database, do the work, close it; what fails is printed, exit status 1."""

    async def do() -> T:
        async with opening(settings) as opened:
            return await work(opened)

    try:
        return asyncio.run(do())
    except DomestiqueError as error:
        complain(f"domestique: {error}")
        raise typer.Exit(1) from error

"""`domestique athletes export` and `… erase`: what an athlete may ask of an operator."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from daemon.cli.house import (
    DEFAULT_CONFIG,
    ConfigOption,
    IdArgument,
    JsonOption,
    settings_from,
    with_database,
)
from daemon.cli.output import complain, console, print_json, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core.errors import Permanent
from daemon.jobs import athlete_export, erase_athlete
from daemon.jobs.erase_athlete import PATIENCE, Ended
from daemon.store import athletes
from daemon.store.athletes import Belongings
from daemon.store.opening import Opened
from daemon.strava.client import OAuthClient, open_session
from daemon.strava.wire import AppCredentials
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault

STANDARD_OUTPUT: Final = Path("-")


def export(
    athlete_id: IdArgument,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            dir_okay=False,
            help="A file; - for standard output, as without this where that is no terminal."
            " On a terminal or with --json: domestique-ID-DAY.zip here.",
        ),
    ] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is held of an athlete into a zip: JSON, and CSV for spreadsheets.

    For example: domestique athletes export 4711 > athlete.zip. What was written is then told on standard error.
    """
    settings, now = settings_from(config_path), SystemClock().now()
    is_terminal = sys.stdout.isatty()
    if to == STANDARD_OUTPUT and is_terminal:
        complain("a zip is no text: send it to a file, as in  domestique athletes export 4711 > athlete.zip")
        raise typer.Exit(2)
    path = to or (Path(athlete_export.name_of(athlete_id, now)) if is_terminal or as_json else STANDARD_OUTPUT)

    async def write(opened: Opened) -> int | None:
        made = await athlete_export.make(opened.database, athlete_id, now)
        if made is None:
            return None
        with made:
            return await asyncio.to_thread(_save, made, path)

    size = with_database(settings, write)
    if size is None:
        raise _nobody(athlete_id)
    if as_json:
        told = {"athlete_id": athlete_id, "file": str(path), "bytes": size}
        print_json(told, sys.stderr if path == STANDARD_OUTPUT else sys.stdout)
    elif path == STANDARD_OUTPUT:
        complain(f"athlete {athlete_id}: {size:,} bytes")
    else:
        console.print(f"{path}: {size:,} bytes", soft_wrap=True)


def erase(
    athlete_id: IdArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End an athlete's connection with Strava and erase everything that is held of him. Cannot be taken back."""
    settings = settings_from(config_path)
    if not yes:
        _confirm(settings, athlete_id)

    async def end(opened: Opened) -> tuple[Belongings, Ended] | None:
        clock = SystemClock()
        async with opened.database.transaction() as connection:
            gone = await erase_athlete.begin(connection, athlete_id, "operator", clock.now())
        if gone is None:
            return None
        await asyncio.sleep(PATIENCE.total_seconds())  # as the job: a daemon that runs tells the news before
        credentials = AppCredentials(settings.strava.client_id, settings.strava.client_secret)
        async with open_session(settings.strava.timeout_seconds) as session:
            oauth = OAuthClient(session, settings.strava.oauth_url, credentials)
            vault = Vault(opened.database, oauth, Cipher(settings.vault.keys), clock)
            return gone, await erase_athlete.finish(opened.database, vault, athlete_id, clock.now())

    ended = with_database(settings, end)
    if ended is None:
        raise _nobody(athlete_id)
    gone, end_of = ended
    if as_json:
        print_json({"athlete_id": athlete_id, "activities": gone.activities, "strava_told": end_of.told})
        return
    console.print(f"athlete {athlete_id} is erased, with {gone.activities} activities")
    if not end_of.told:
        complain("Strava did not answer: the daemon goes on telling it that the connection has ended")


def _confirm(settings: Settings, athlete_id: int) -> None:
    async def count(opened: Opened) -> Belongings | None:
        async with opened.database.connection() as connection:
            return await athletes.belongings(connection, athlete_id)

    held = with_database(settings, count)
    if held is None:
        raise _nobody(athlete_id)
    name = f" ({shown(held.name)})" if held.name else ""
    question = f"Erase athlete {athlete_id}{name} with {held.activities} activities, for ever?"
    if not typer.confirm(question):
        complain("nothing was erased")
        raise typer.Exit(1)


def _nobody(athlete_id: int) -> typer.Exit:
    complain(f"there is no athlete {athlete_id}: `domestique athletes list` shows who there is")
    return typer.Exit(1)


def _save(made: IO[bytes], path: Path) -> int:
    """Write the zip to its place and return how many bytes it has."""
    is_output = path == STANDARD_OUTPUT
    try:
        # A file of its own: what cannot be written must fail here, not when Python ends and flushes its own.
        with open(sys.stdout.fileno(), "wb", closefd=False) if is_output else path.open("wb") as file:
            shutil.copyfileobj(made, file)
    except OSError as error:
        raise Permanent(
            f"cannot write {'standard output' if is_output else path} ({error.strerror}):"
            " choose another place with --to FILE or > FILE"
        ) from error
    return made.tell()

"""`domestique athletes`: who is connected, and how an existing app moves in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import orjson
import typer
from pydantic import ValidationError

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.lazily import lazily
from daemon.cli.output import complain, console, print_json, print_table
from daemon.clock import SystemClock
from daemon.jobs.newcomers import Newcomer, admit
from daemon.store import athletes
from daemon.store.opening import Opened
from daemon.vault.cipher import Cipher

ELSEWHERE: Final = {
    "explain": "explain:explain_athlete",
    "thresholds": "thresholds:commands",
    "fitness": "fitness:fitness",
    "wellness": "wellness:wellness",
    "intervals": "wellness:intervals",
    "export": "leaving:export",
    "erase": "leaving:erase",
}
commands = typer.Typer(cls=lazily(ELSEWHERE), no_args_is_help=True, help="The athletes.")


@commands.command("list")
def list_athletes(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List every athlete: state, scope, how many activities, the newest."""

    async def read(opened: Opened) -> list[dict[str, Any]]:
        async with opened.database.connection() as connection:
            return await athletes.list_all(connection)

    rows = with_database(settings_from(config_path), read)
    if as_json:
        print_json(rows)
        return
    headings = {
        "athlete_id": "athlete",
        "name": "name",
        "state": "state",
        "state_since": "since",
        "state_reason": "why",
        "activities": "activities",
        "newest_start_at": "newest",
        "intervals_state": "Intervals.icu",
    }
    print_table(rows, headings, "no athletes yet: `domestique athletes import FILE` brings them in")


@commands.command("import")
def import_athletes(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON lines, - for standard input; see docs/moving-in.md.")
    ],
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Bring athletes in with their refresh tokens: all lines or, where one is wrong, none.

    Stop the other app first: a refresh token works in one place only.
    """
    settings, now = settings_from(config_path), SystemClock().now()
    newcomers = read_newcomers(file)
    cipher = Cipher(settings.vault.keys)

    async def store(opened: Opened) -> int:
        async with opened.database.transaction() as connection:
            days = settings.backfill.days
            return sum([await admit(connection, cipher, each, days, now, "athletes import") for each in newcomers])

    added = with_database(settings, store)
    if as_json:
        print_json({"imported": len(newcomers), "new": added})
    else:
        console.print(f"{len(newcomers)} athletes imported, {added} of them new")


def read_newcomers(file: BinaryIO) -> list[Newcomer]:
    """Read all lines; every fault is printed with its line, and one fault stops all (exit status 2)."""
    newcomers: list[Newcomer] = []
    faults: list[str] = []
    seen: dict[int, int] = {}
    name = Path(file.name).name
    for number, line in enumerate(file.read().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            newcomer = Newcomer.model_validate(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            faults.append(f"{name}:{number}: not JSON: {error.msg}")
        except ValidationError as error:
            for fault in error.errors(include_input=False, include_url=False):
                key = ".".join(map(str, fault["loc"])) or "the line"
                faults.append(f"{name}:{number}: {key}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
        else:
            if newcomer.athlete_id in seen:
                first = seen[newcomer.athlete_id]
                faults.append(f"{name}:{number}: athlete {newcomer.athlete_id} stands in line {first} too")
            seen[newcomer.athlete_id] = number
            newcomers.append(newcomer)
    if faults:
        for sentence in faults:
            complain(sentence)
        complain("nothing was imported: mend these lines and import the file again")
        raise typer.Exit(2)
    return newcomers

"""`domestique athletes wellness` and `… intervals`: what is known of athletes' days, and where it comes from."""

from __future__ import annotations

import codecs
import csv
import io
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import orjson
import typer
from pydantic import SecretStr

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table
from daemon.clock import SystemClock
from daemon.core.wellness import MOST_DAYS, FaultyDays, Patch, parse_days
from daemon.intervals.wire import Credential, is_sendable
from daemon.jobs import sync_wellness, wellness_days
from daemon.jobs.wellness_days import ShownDay
from daemon.store import athletes, intervals_credentials
from daemon.store.opening import Opened
from daemon.vault.cipher import Cipher

AthleteArgument = Annotated[int, typer.Argument(help="Strava's id of the athlete.", min=1)]

SHOWN: Final = {
    "on": "day",
    "resting_hr": "resting HR",
    "hrv_rmssd": "HRV (rMSSD)",
    "sleep_hours": "sleep (h)",
    "modifier": "modifier",
    "explanation": "because",
}


def wellness(
    athlete_id: AthleteArgument,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(
            "--import",
            help="JSON, or CSV where the name ends in .csv; - for standard input: CSV where its first line is a"
            " heading with `on`, else JSON. See docs/wellness.md.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=1_000, help="How many days to show.")] = 30,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show an athlete's days with their modifiers and what these are made of; or bring days in from a file."""
    settings, now = settings_from(config_path), SystemClock().now()
    patches = _read(file) if file is not None else None

    async def work(opened: Opened) -> list[ShownDay] | dict[str, int] | None:
        async with opened.database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                return None
            if patches is None:
                return await wellness_days.report(
                    connection, athlete_id, days, settings.science.choices().weights, now
                )
            count = 0
            for part in patches:
                count += await wellness_days.settle_post(
                    connection, athlete_id, part, settings.science.choices().weights, now
                )
            return {"days": sum(map(len, patches)), "changed": count}

    found = with_database(settings, work)
    if found is None:
        complain(f"there is no athlete {athlete_id}: `domestique athletes list` shows who there is")
        raise typer.Exit(1)
    if as_json:
        print_json(found)
    elif isinstance(found, dict):
        console.print(f"{found['days']} days read, {found['changed']} of them changed something")
    else:
        empty = f"nothing is known of the last {days} days: connect Intervals.icu, import a file, or post days"
        print_table([_row(day) for day in found], SHOWN, empty)


def _row(day: ShownDay) -> dict[str, Any]:
    values = day.values
    sleep_seconds = values.get("sleep_seconds")
    return {
        **values,
        "on": day.on,
        "sleep_hours": sleep_seconds / 3600 if sleep_seconds is not None else None,
        "modifier": f"{day.modifier:.3f}",
        "explanation": day.explanation,
    }


def _read(file: BinaryIO) -> list[dict[date, Patch]]:
    """Read a file in parts as large as a post may be; faults are told with line or entry, exit status 2."""
    is_input, content = file.name == "<stdin>", file.read()
    name = "standard input" if is_input else Path(file.name).name
    is_csv = _begins_with_heading(content) if is_input else name.lower().endswith(".csv")
    entries, places = (_csv if is_csv else _json)(name, content)
    parts: list[dict[date, Patch]] = []
    faults: list[str] = []
    now = SystemClock().now()
    for begin in range(0, max(len(entries), 1), MOST_DAYS):
        try:
            parts.append(parse_days(entries[begin : begin + MOST_DAYS], now))
        except FaultyDays as error:
            for fault in error.faults:
                place = places[begin + fault.index] if places else "the file"
                faults.append(
                    f"{name}: {place}" + (f", {fault.field}" if fault.field else "") + f": {fault.message}"
                )
    if faults:
        for sentence in faults:
            complain(sentence)
        complain("nothing was imported: mend the file and import it again")
        raise typer.Exit(2)
    return parts


def _begins_with_heading(content: bytes) -> bool:
    """Tell whether the first line is a heading of CSV: it names `on`, without which no day is known."""
    first = content.removeprefix(codecs.BOM_UTF8).split(b"\n", 1)[0]
    return b"on" in [cell.strip().strip(b'"') for cell in first.split(b",")]


def _json(name: str, content: bytes) -> tuple[list[Any], list[str]]:
    try:
        entries = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        advice = "A CSV file must be named .csv, and on standard input begin with a heading that names `on`"
        complain(f"{name}:{error.lineno}: not JSON: {error.msg}. {advice}")
        raise typer.Exit(2) from error
    if not isinstance(entries, list):
        complain(f'{name}: must be a list of days: [{{"on": "2026-03-01", "resting_hr": 48}}]')
        raise typer.Exit(2)
    return entries, [f"entry {number}" for number in range(1, len(entries) + 1)]


def _csv(name: str, content: bytes) -> tuple[list[Any], list[str]]:
    """Read a CSV file with a heading; an empty cell says nothing of its field."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        complain(f"{name}: is not UTF-8 text: save it as CSV in UTF-8")
        raise typer.Exit(2) from error
    reader = csv.DictReader(io.StringIO(text, newline=None), restkey="a cell too many", restval="")
    entries: list[Any] = []
    places: list[str] = []
    try:
        for row in reader:
            cells = {heading.strip(): cell for heading, cell in row.items()}
            entries.append({heading: _cell(heading, cell) for heading, cell in cells.items() if cell})
            places.append(f"line {reader.line_num}")
    except csv.Error as error:
        complain(f"{name}:{reader.line_num}: not CSV: {error}")
        raise typer.Exit(2) from error
    return entries, places


def _cell(heading: str, cell: Any) -> Any:
    if heading == "on" or not isinstance(cell, str):
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell  # its reader says what it must be


def intervals(
    athlete_id: AthleteArgument,
    api_key_file: Annotated[
        str | None, typer.Option(help="File with his personal API key; - reads standard input.", metavar="FILE")
    ] = None,
    bearer_file: Annotated[
        str | None, typer.Option(help="File with an OAuth token for him; - reads standard input.", metavar="FILE")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget his key; what was read with it stays.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Connect an athlete to Intervals.icu with a key from a file, disconnect him, or show how he is connected."""
    settings, now = settings_from(config_path), SystemClock().now()
    if sum((api_key_file is not None, bearer_file is not None, remove)) > 1:
        complain("give one of --api-key-file, --bearer-file and --remove")
        raise typer.Exit(2)
    credential = None
    if api_key_file is not None:
        credential = Credential("api_key", _secret(api_key_file))
    elif bearer_file is not None:
        credential = Credential("bearer", _secret(bearer_file))

    async def work(opened: Opened) -> dict[str, Any] | None:
        async with opened.database.transaction() as connection:
            if not await athletes.hold_known(connection, [athlete_id]):
                return None
            if credential is not None:
                cipher = Cipher(settings.vault.keys)
                await sync_wellness.connect(connection, cipher, athlete_id, credential, now)
            elif remove:
                await intervals_credentials.remove(connection, athlete_id)
            return await sync_wellness.standing(connection, athlete_id)

    shown = with_database(settings, work)
    if shown is None:
        complain(f"there is no athlete {athlete_id}: `domestique athletes list` shows who there is")
        raise typer.Exit(1)
    if as_json:
        print_json(shown)
        return
    headings = {
        "state": "Intervals.icu",
        "state_reason": "why",
        "state_since": "since",
        "kind": "with",
        "intervals_id": "called",
        "synced_at": "last sync",
    }
    print_table([shown], headings, "")
    if credential is not None:
        console.print("the first sync is queued: a running daemon carries it out within seconds")


def _secret(file: str) -> SecretStr:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        complain(f"{file}: cannot be read: {reason}")
        raise typer.Exit(2) from error
    if not is_sendable(text.strip()):
        complain(f"{'standard input' if file == '-' else file}: must hold the key alone, on one line")
        raise typer.Exit(2)
    return SecretStr(text.strip())

"""Everything that is held of an athlete as one zip: JSON of all of it, and CSV for spreadsheets.

Written into a temporary file: the database is read in one short snapshot, however slowly the file is fetched, and
memory holds a page of activities or one recording at a time. Refuses secrets: `store.exports` names what stays.
"""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import orjson

from daemon.store import exports
from daemon.store.database import Connection, Database

ACTIVITY_COLUMNS: Final = (
    "activity_id", "local_start_at", "start_at", "sport_type", "name", "moving_seconds", "elapsed_seconds",
    "distance_m", "elevation_gain_m", "average_heart_rate", "average_watts",
)  # fmt: skip
LOAD_COLUMNS: Final = ("method", "raw", "modifier", "utl", "explanation")
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "thresholds": (
        "kind", "value", "standard_error", "method", "effective_on", "written_on", "suggested", "assumed",
        "withdrawn_at", "explanation",
    ),
    "fitness": ("on_day", "load", "ctl", "atl", "tsb"),
    "wellness": (
        "on_day", "source", "resting_hr", "hrv_rmssd", "hrv_sdnn", "sleep_seconds", "sleep_score", "sleep_quality",
        "soreness", "fatigue", "stress", "mood", "motivation", "injury", "readiness", "weight_kg", "modifier",
        "modifier_explanation",
    ),
}  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would carry these out

READ_ME: Final = """\
What Domestique holds of athlete {athlete_id}, on {at:%Y-%m-%d %H:%M} UTC.

csv/activities.csv   one line per activity, with its load: raw as measured, utl with the wellness of its day
csv/thresholds.csv   every threshold that was ever written: watts, m/s or beats per minute
csv/fitness.csv      the end of each day: ctl is fitness, atl fatigue, tsb the form in which the day began
csv/wellness.csv     mornings, and what they make of that day's loads
json/                the same and all the rest, as it is stored; the names are those of the database
streams/             recordings as Strava sent them, as long as they are kept

Instants are UTC, local times and days are the athlete's. In the CSV files a text that begins like a formula has an
apostrophe before it. Not in here:
{left_out}
"""


async def make(database: Database, athlete_id: int, now: datetime) -> IO[bytes] | None:
    """Return the zip as an open file at its beginning, gone when it is closed; None: there is no such athlete."""
    file = tempfile.TemporaryFile(prefix="domestique-export-")  # noqa: SIM115  (the caller closes it)
    try:
        async with database.snapshot() as connection:
            athlete = await exports.athlete(connection, athlete_id)
            if athlete is None:
                file.close()
                return None
            with ZipFile(file, "w", ZIP_DEFLATED) as archive:
                archive.writestr("README.txt", _read_me(athlete_id, now))
                archive.writestr("json/athlete.json", orjson.dumps(athlete, option=orjson.OPT_INDENT_2))
                await _write_activities(connection, athlete_id, archive)
                async for family, entries in exports.rows(connection, athlete_id):
                    await asyncio.to_thread(_write_family, archive, family, entries)
                async for activity_id, body in exports.streams(connection, athlete_id):
                    await asyncio.to_thread(_write_streams, archive, activity_id, body)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def name_of(athlete_id: int, now: datetime) -> str:
    """Return what the file should be called."""
    return f"domestique-{athlete_id}-{now:%Y-%m-%d}.zip"


def _read_me(athlete_id: int, now: datetime) -> str:
    left_out = "\n".join(f"- {table}: {why}" for table, why in exports.LEFT_OUT.items())
    return READ_ME.format(athlete_id=athlete_id, at=now, left_out=left_out)


async def _write_activities(connection: Connection, athlete_id: int, archive: ZipFile) -> None:
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow([*ACTIVITY_COLUMNS, *LOAD_COLUMNS])
    with archive.open("json/activities.json", "w") as member:
        separator = b"["
        async for page in exports.activities(connection, athlete_id):
            await asyncio.to_thread(_write_entries, member, separator, page)
            separator = b",\n"
            lines.writerows(
                [*_cells(entry["activity"], ACTIVITY_COLUMNS), *_cells(entry["load"] or {}, LOAD_COLUMNS)]
                for entry in page
            )
        member.write(b"]\n" if separator != b"[" else b"[]\n")
    await asyncio.to_thread(archive.writestr, "csv/activities.csv", table.getvalue())


def _write_entries(member: IO[bytes], separator: bytes, entries: Iterable[Mapping[str, Any]]) -> None:
    for entry in entries:
        member.write(separator + orjson.dumps(entry))
        separator = b",\n"


def _write_family(archive: ZipFile, family: str, entries: Sequence[Mapping[str, Any]]) -> None:
    archive.writestr(f"json/{family}.json", orjson.dumps(entries, option=orjson.OPT_INDENT_2))
    columns = TABLES.get(family)
    if columns is not None:
        table = io.StringIO()
        lines = csv.writer(table)
        lines.writerow(columns)
        lines.writerows(_cells(entry, columns) for entry in entries)
        archive.writestr(f"csv/{family}.csv", table.getvalue())


def _cells(entry: Mapping[str, Any], columns: Iterable[str]) -> list[object]:
    return [_harmless(entry.get(column)) for column in columns]


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write_streams(archive: ZipFile, activity_id: int, body: bytes) -> None:
    archive.writestr(f"streams/{activity_id}.json", zlib.decompress(body))

"""`domestique athletes`: who is connected, and how an existing app moves in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson
import typer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.lazily import lazily
from daemon.cli.output import complain, console, print_json, print_table
from daemon.clock import SystemClock
from daemon.core.news import Topic
from daemon.jobs import backfill, recompute_load
from daemon.science.evidence import Kind
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.science.validation import ACCEPTED
from daemon.store import athletes, jobs, outbox, thresholds
from daemon.store.database import Connection
from daemon.store.opening import Opened
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import store_tokens

ELSEWHERE: Final = {
    "explain": "explain:explain_athlete",
    "thresholds": "thresholds:commands",
    "fitness": "fitness:fitness",
    "wellness": "wellness:wellness",
    "intervals": "wellness:intervals",
}
commands = typer.Typer(cls=lazily(ELSEWHERE), no_args_is_help=True, help="The athletes.")

EARLIEST_BIRTH: Final = date(1900, 1, 1)


def _threshold(kind: Kind) -> Any:
    lowest, highest = ACCEPTED[kind]
    return Field(None, ge=lowest, le=highest)


class Newcomer(BaseModel):
    """One line of an import file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    athlete_id: int = Field(gt=0, lt=2**63)
    refresh_token: SecretStr = Field(min_length=1)
    scope: frozenset[str] = Field(min_length=1)
    access_token: SecretStr | None = None
    expires_at: datetime | None = None
    name: str | None = Field(None, max_length=200)
    sex: Literal["M", "F"] | None = None
    born_on: date | None = Field(None, ge=EARLIEST_BIRTH)
    ftp: float | None = _threshold(Kind.FTP)
    critical_speed: float | None = _threshold(Kind.CRITICAL_SPEED)
    css: float | None = _threshold(Kind.CRITICAL_SWIM_SPEED)
    lthr: float | None = _threshold(Kind.LTHR)
    max_hr: float | None = _threshold(Kind.MAX_HR)
    resting_hr: float | None = _threshold(Kind.RESTING_HR)

    @field_validator("scope", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        """Take Strava's own form, one string with commas, as well as a list."""
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator("expires_at")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @field_validator("name")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        return value.replace("\x00", "") if value is not None else None


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
    file: Annotated[Path, typer.Argument(help="JSON lines; see docs/moving-in.md.", exists=True, dir_okay=False)],
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Bring athletes in with their refresh tokens: all lines or, where one is wrong, none.

    Stop the other app first: a refresh token works in one place only.
    """
    settings = settings_from(config_path)
    newcomers = read_newcomers(file)
    cipher = Cipher(settings.vault.keys)

    async def store(opened: Opened) -> int:
        async with opened.database.transaction() as connection:
            days = settings.backfill.days
            return sum([await admit_newcomer(connection, cipher, newcomer, days) for newcomer in newcomers])

    added = with_database(settings, store)
    if as_json:
        print_json({"imported": len(newcomers), "new": added})
    else:
        console.print(f"{len(newcomers)} athletes imported, {added} of them new")


def read_newcomers(file: Path) -> list[Newcomer]:
    """Read all lines; every fault is printed with its line, and one fault stops all (exit status 2)."""
    newcomers: list[Newcomer] = []
    faults: list[str] = []
    seen: dict[int, int] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            newcomer = Newcomer.model_validate(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            faults.append(f"{file.name}:{number}: not JSON: {error.msg}")
        except ValidationError as error:
            for fault in error.errors(include_input=False, include_url=False):
                key = ".".join(map(str, fault["loc"])) or "the line"
                faults.append(f"{file.name}:{number}: {key}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
        else:
            if newcomer.athlete_id in seen:
                first = seen[newcomer.athlete_id]
                faults.append(f"{file.name}:{number}: athlete {newcomer.athlete_id} stands in line {first} too")
            seen[newcomer.athlete_id] = number
            newcomers.append(newcomer)
    if faults:
        for sentence in faults:
            complain(sentence)
        complain("nothing was imported: mend these lines and import the file again")
        raise typer.Exit(2)
    return newcomers


async def admit_newcomer(connection: Connection, cipher: Cipher, newcomer: Newcomer, backfill_days: int) -> bool:
    """Store one athlete with tokens and thresholds, in the caller's transaction; returns whether he is new.

    His history is asked for so many days back.
    """
    is_new = await athletes.upsert(
        connection, newcomer.athlete_id, name=newcomer.name, sex=newcomer.sex, scope=newcomer.scope
    )
    await store_tokens(
        connection, cipher, newcomer.athlete_id, newcomer.refresh_token, newcomer.access_token, newcomer.expires_at
    )
    await athletes.born(connection, newcomer.athlete_id, newcomer.born_on)
    moved = [
        kind
        for kind in Kind
        if (value := getattr(newcomer, kind.value)) is not None
        and await thresholds.put(
            connection,
            newcomer.athlete_id,
            kind.value,
            value,
            method="imported",
            effective_on=FROM_THE_BEGINNING,
            evidence={"source": "athletes import"},
        )
    ]
    if moved and not is_new:
        reason, now = f"{', '.join(moved)} imported", SystemClock().now()
        await jobs.enqueue(connection, [recompute_load.new(newcomer.athlete_id, FROM_THE_BEGINNING, reason, now)])
    await backfill.begin(connection, newcomer.athlete_id, backfill_days, SystemClock().now())
    await outbox.write(connection, Topic.ATHLETE_CONNECTED, newcomer.athlete_id, {"is_new": is_new})
    return is_new

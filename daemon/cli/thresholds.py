"""`domestique athletes thresholds`: what is in force and why, what was before, and values set by hand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, IdArgument, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table
from daemon.cli.recompute import print_preview
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.config import Settings
from daemon.jobs import athlete_thresholds, recompute_load
from daemon.jobs.athlete_thresholds import Report
from daemon.jobs.recompute_load import Preview
from daemon.science.evidence import Kind
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.store.database import Connection
from daemon.store.opening import Opened

METRES = {"km": 1000, "100m": 100}


class _ShownByDefault(TyperGroup):
    """`thresholds ID` is `thresholds show ID`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, ["show", *args] if args[0].isdecimal() else args)


commands = typer.Typer(
    no_args_is_help=True, cls=_ShownByDefault, help="The thresholds of an athlete: `thresholds ID` shows them."
)

KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help=", ".join(Kind))]
PreviewOption = Annotated[bool, typer.Option("--preview", help="Only say what it would change.")]


@commands.command("show")
def show(athlete_id: IdArgument, config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what is in force today, since when and why, and the whole history with evidence and error."""

    async def read(opened: Opened) -> Report:
        async with opened.database.connection() as connection:
            return await athlete_thresholds.report(connection, athlete_id, SystemClock().now())

    found = with_database(settings_from(config_path), read)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)


@commands.command("set")
def set_value(
    athlete_id: IdArgument,
    kind: KindArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="W, bpm, m/s; also 4:05/km and 1:40/100m.")],
    from_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The local day; today if not told.")
    ] = None,
    preview: PreviewOption = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Set a value by hand: it wins from its date until it is withdrawn, and the loads since then follow."""
    number = _number(value)

    async def change(connection: Connection) -> date:
        day, now = from_on.date() if from_on is not None else None, SystemClock().now()
        return await athlete_thresholds.set_value(
            connection, athlete_id, kind, number, day, by="command line", now=now
        )

    outcome = _carry_out(settings_from(config_path), athlete_id, change, preview=preview, as_json=as_json)
    if outcome is not None:
        _tell(f"{kind} of athlete {athlete_id} is {_shown(kind, number)}", outcome)


@commands.command("withdraw")
def withdraw(
    athlete_id: IdArgument,
    kind: KindArgument,
    from_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Only the value of this day.")
    ] = None,
    preview: PreviewOption = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Withdraw what was set by hand: what was fitted counts again, and the loads since then follow."""

    async def change(connection: Connection) -> date:
        day, now = from_on.date() if from_on is not None else None, SystemClock().now()
        return await athlete_thresholds.withdraw(connection, athlete_id, kind, day, now)

    outcome = _carry_out(settings_from(config_path), athlete_id, change, preview=preview, as_json=as_json)
    if outcome is not None:
        _tell(f"the manual {kind} of athlete {athlete_id} is withdrawn", outcome)


def _carry_out(
    settings: Settings,
    athlete_id: int,
    change: Callable[[Connection], Awaitable[date]],
    *,
    preview: bool,
    as_json: bool,
) -> date | None:
    """Change, or only rehearse it and print what would follow; a day that is returned is still to be told."""

    async def do(opened: Opened) -> date | Preview | None:
        if not preview:
            async with opened.database.transaction() as connection:
                return await change(connection)
        async with opened.database.rehearsal() as connection, Calculator() as calculator:
            from_on = await change(connection)
            now, choices = SystemClock().now(), settings.science.choices()
            return await recompute_load.preview(connection, calculator, athlete_id, from_on, now, choices)

    outcome = with_database(settings, do)
    if not isinstance(outcome, date):
        print_preview(outcome, as_json=as_json)
    elif as_json:
        print_json({"athlete_id": athlete_id, "from_on": outcome})
    else:
        return outcome
    return None


def _tell(words: str, from_on: date) -> None:
    follows = "a running daemon computes the loads since then again"
    console.print(f"{words} from {from_on} on; {follows}", soft_wrap=True)


def _number(text: str) -> float:
    """Read 250, or a pace such as 4:05/km or 1:40/100m as m/s; exit status 2 where it is neither."""
    pace = re.fullmatch(r"(\d{1,2}):([0-5]\d)\s*/\s*(km|100\s?m)", text.strip())
    try:
        if pace is not None:
            return METRES[pace[3].replace(" ", "")] / (60 * int(pace[1]) + int(pace[2]))
        return float(text)
    except (ValueError, ZeroDivisionError) as error:
        complain(f"{text!r} is neither a number nor a pace such as 4:05/km or 1:40/100m")
        raise typer.Exit(2) from error


def _shown(kind: Kind, value: float, error: float | None = None) -> str:
    plus_minus = "" if error is None else f" ± {_figure(kind, error)}"
    metres, of = {Kind.CRITICAL_SPEED: (1000, "km"), Kind.CRITICAL_SWIM_SPEED: (100, "100 m")}.get(kind, (0, ""))
    unit = {Kind.FTP: "W", Kind.CRITICAL_SPEED: "m/s", Kind.CRITICAL_SWIM_SPEED: "m/s"}.get(kind, "bpm")
    text = f"{_figure(kind, value)}{plus_minus} {unit}"
    if metres:
        minutes, seconds = divmod(round(metres / value), 60)
        text += f" ({minutes}:{seconds:02d} /{of})"
    return text


def _figure(kind: Kind, value: float) -> str:
    return f"{value:.2f}" if kind in {Kind.CRITICAL_SPEED, Kind.CRITICAL_SWIM_SPEED} else f"{value:.0f}"


def _since(day: date) -> str:
    return "the beginning" if day == FROM_THE_BEGINNING else str(day)


def _print(found: Report) -> None:
    columns = {"kind": "threshold", "shown": "value", "method": "from", "since": "since", "mark": "", "why": "why"}
    rows = [_row(row) for row in found.history if row["state"] == "in force"]
    console.print(f"in force on {found.today}", style="bold")
    print_table(rows, columns, "nothing yet: it comes with activities, with an import, or by `thresholds set`")
    waiting = [_row(row) for row in found.history if row["state"] == "suggested"]
    if waiting:
        console.print(Text("\nsuggested", "bold"), "and waiting behind a manual value")
        print_table(waiting, columns, "")
    older = [_row(row) for row in found.history if row["state"] not in {"in force", "suggested"}]
    if older:
        console.print("\nhistory", style="bold")
        print_table(older, {**columns, "state": "state"}, "")
    for doubt in found.doubts:
        console.print(Text("doubtful:", "yellow"), doubt["sentence"])


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "shown": _shown(Kind(row["kind"]), row["value"], row["standard_error"]),
        "since": _since(row["effective_on"]),
        "mark": "assumed" if row["assumed"] else "",
        "why": row["explanation"],
    }

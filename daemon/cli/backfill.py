"""`domestique backfill`: how far everybody's history has come, once or as it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.config import Settings
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import backfill_done_at
from daemon.store import backfills
from daemon.store.database import Database
from daemon.store.opening import Opened, window_lengths

REFRESH_SECONDS: Final = 1.0
MOST_BARS: Final = 15  # a terminal's worth; the others are in the sum
UNFINISHED: Final = frozenset({"listing", "fetching"})


def backfill(
    athlete_id: Annotated[int | None, typer.Argument(help="Only this athlete's.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show bars until everything is done, or Ctrl-C.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show how much of the athletes' history is stored, and how many calls the rest takes."""
    if watch and as_json:
        complain("--watch draws bars and --json prints once: take one of them")
        raise typer.Exit(2)
    settings = settings_from(config_path)

    async def show(opened: Opened) -> tuple[list[backfills.Progress], datetime | None]:
        if watch:
            await _watch(opened.database, settings, athlete_id)
        return await _read(opened.database, settings, athlete_id)

    rows, done_at = with_database(settings, show)
    if athlete_id is not None and not rows:
        complain(f"no history was asked for of athlete {athlete_id}: see `domestique athletes list`, backfill.days")
        raise typer.Exit(1)
    if as_json:
        print_json(report(rows, done_at))
    else:
        _print(rows, done_at)


def report(rows: Sequence[backfills.Progress], done_at: datetime | None) -> dict[str, Any]:
    """Return everybody's progress with the sums and when the quota will have carried the rest, for JSON."""
    return {
        "found": sum(row.found for row in rows),
        "done": sum(row.done for row in rows),
        "failed": sum(row.failed for row in rows),
        "left": sum(row.left for row in rows),
        "calls_left": _calls_left(rows),
        "done_at": done_at,
        "athletes": [asdict(row) | {"calls_left": row.calls_left} for row in rows],
    }


def outlook(calls_left: int, done_at: datetime | None) -> str:
    """Say how much is to come, and when the quota will have carried it."""
    if calls_left == 0:
        return "everything is done"
    return f"{calls_left} calls left, done by about {shown(done_at)}" if done_at else f"{calls_left} calls left"


def _calls_left(rows: Sequence[backfills.Progress]) -> int:
    return sum(row.calls_left for row in rows)


async def _read(
    database: Database, settings: Settings, athlete_id: int | None
) -> tuple[list[backfills.Progress], datetime | None]:
    """Return the progress, and when everybody's will be done: they take turns, so one waits for the others."""
    async with database.connection() as connection:
        everybody = await backfills.progress(connection, None)
        done_at = await backfill_done_at(
            connection, settings.strava.client_id, window_lengths(settings), CALLS, _calls_left(everybody)
        )
    return [row for row in everybody if athlete_id in {None, row.athlete_id}], done_at


def _print(rows: Sequence[backfills.Progress], done_at: datetime | None) -> None:
    headings = {
        "athlete_id": "athlete",
        "name": "name",
        "state": "state",
        "pages": "pages",
        "found": "found",
        "done": "done",
        "failed": "set aside",
        "left": "left",
        "listed_to": "listed to",
        "target_from": "wanted from",
        "note": "",
    }
    table = [asdict(row) | {"note": _note(row)} for row in rows]
    print_table(table, headings, "no history was asked for: see backfill.days")
    if rows:
        console.print()
        done, found = sum(row.done for row in rows), sum(row.found for row in rows)
        console.print(f"{done} of {found} activities are stored; {outlook(_calls_left(rows), done_at)}")


def _note(row: backfills.Progress) -> str:
    if row.reason is not None:
        return row.reason
    return "waits for the athlete to connect again" if row.is_resting and row.finished_at is None else ""


async def _watch(database: Database, settings: Settings, athlete_id: int | None) -> None:
    """Draw bars until nothing is left that goes on by itself."""
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        console=console,
    )  # fmt: skip
    overall = bars.add_task("[bold]all[/bold]", total=None, note="")
    drawn: dict[int, TaskID] = {}
    ends = Text()
    with Live(Group(bars, ends), console=console, refresh_per_second=4):
        while True:
            rows, done_at = await _read(database, settings, athlete_id)
            _draw(bars, overall, drawn, rows)
            ends.plain = outlook(_calls_left(rows), done_at)
            if not any(row.state in UNFINISHED and not row.is_resting for row in rows):
                return
            await asyncio.sleep(REFRESH_SECONDS)


def _draw(bars: Progress, overall: TaskID, drawn: dict[int, TaskID], rows: Sequence[backfills.Progress]) -> None:
    done, found = sum(row.done for row in rows), sum(row.found for row in rows)
    finished = sum(row.finished_at is not None for row in rows)
    bars.update(overall, completed=done, total=found or None, note=f"{finished} of {len(rows)} athletes")
    for row in rows:
        if row.athlete_id not in drawn:
            if row.finished_at is not None or len(drawn) >= MOST_BARS:
                continue
            drawn[row.athlete_id] = bars.add_task(row.name or str(row.athlete_id), total=None, note="")
        # While the list is being read nobody knows how much there is.
        total = None if row.state == "listing" else max(row.found, 1)
        completed = total if total is not None and row.state == "finished" else row.done
        note = _note(row) or row.state
        bars.update(drawn[row.athlete_id], completed=completed, total=total, note=note)

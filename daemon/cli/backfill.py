"""`domestique backfill`: how far everybody's history has come, once or as it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.jobs import backfill_progress
from daemon.jobs.backfill_progress import BackfillProgress
from daemon.jobs.backlog import Backlog
from daemon.store import backfills
from daemon.store.database import Database
from daemon.store.opening import Opened, window_lengths
from daemon.web.models.backfill import Histories

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

    async def show(opened: Opened) -> BackfillProgress:
        if watch:
            await _watch(opened.database, settings, athlete_id)
        return await _read(opened.database, settings, athlete_id)

    found = with_database(settings, show)
    if athlete_id is not None and not found.athletes:
        complain(f"no history was asked for of athlete {athlete_id}: see `domestique athletes list`, backfill.days")
        raise typer.Exit(1)
    if as_json:
        print_json(Histories.of(found, found.athletes).model_dump())
    else:
        _print(found)


def outlook(calls_left: int, done_at: datetime | None) -> str:
    """Say how much is to come, and when the quota will have carried it."""
    if calls_left == 0:
        return "everything is done"
    return f"{calls_left} calls left, done by about {shown(done_at)}" if done_at else f"{calls_left} calls left"


async def _read(database: Database, settings: Settings, athlete_id: int | None) -> BackfillProgress:
    backlog = Backlog(settings.strava.client_id, window_lengths(settings), SystemClock())
    async with database.connection() as connection:
        if athlete_id is None:
            return await backfill_progress.read_all(connection, backlog)
        return await backfill_progress.read_own(connection, backlog, athlete_id)


def _print(progress: BackfillProgress) -> None:
    rows = progress.athletes
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
        console.print(f"{done} of {found} activities are stored; {outlook(progress.calls_left, progress.done_at)}")


def _note(row: backfills.Progress) -> str:
    if row.reason is not None:
        return row.reason
    return "waits for the athlete to connect again" if row.is_resting and row.finished_at is None else ""


async def _watch(database: Database, settings: Settings, athlete_id: int | None) -> None:
    """Draw bars until nothing is left that goes on by itself."""
    bars = no_bars_yet()
    overall = bars.add_task("all", total=None, note="")
    drawn: dict[int, TaskID] = {}
    ends = Text()
    with Live(Group(bars, ends), console=console, refresh_per_second=4):
        while True:
            progress = await _read(database, settings, athlete_id)
            rows = progress.athletes
            draw(bars, overall, drawn, rows)
            ends.plain = outlook(progress.calls_left, progress.done_at)
            if not any(row.state in UNFINISHED and not row.is_resting for row in rows):
                return
            await asyncio.sleep(REFRESH_SECONDS)


def no_bars_yet() -> Progress:
    """Return the bars' columns; names and notes are text, whatever is in them."""
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False), console=console,
    )  # fmt: skip


def draw(bars: Progress, overall: TaskID, drawn: dict[int, TaskID], rows: Sequence[backfills.Progress]) -> None:
    """Bring the bars to what was read: one for all, one for each athlete whose history is not done."""
    done, found = sum(row.done for row in rows), sum(row.found for row in rows)
    finished = sum(row.finished_at is not None for row in rows)
    bars.update(overall, completed=done, total=found or None, note=f"{finished} of {len(rows)} athletes")
    for row in rows:
        if row.athlete_id not in drawn:
            if row.finished_at is not None or len(drawn) >= MOST_BARS:
                continue
            drawn[row.athlete_id] = bars.add_task(shown(row.name or row.athlete_id), total=None, note="")
        # While the list is being read nobody knows how much there is.
        total = None if row.state == "listing" else max(row.found, 1)
        completed = total if total is not None and row.state == "finished" else row.done
        note = shown(_note(row) or row.state)
        bars.update(drawn[row.athlete_id], completed=completed, total=total, note=note)

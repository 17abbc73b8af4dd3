"""`domestique recompute`: loads computed again from what is stored, and first what that would change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from daemon.cli.house import BIGGEST_ID, DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, complaints, console, print_json, print_table
from daemon.cli.status import answer_of_daemon
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.config import Settings
from daemon.core.admission import Lane
from daemon.jobs import recompute_load
from daemon.jobs.recompute_load import Change, Preview
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.store import athletes, jobs
from daemon.store.database import Database
from daemon.store.opening import Opened

MOST_PER_PAGE: Final = 500
LOOK_EVERY_SECONDS: Final = 0.5


def recompute(
    athlete_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=1, max=BIGGEST_ID, help="The athlete; or --all.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every athlete.")] = False,
    from_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The local day from which on.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only say what it would change.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compute loads again from a day on, under the thresholds, wellness and settings of now: no call to Strava.

    A running daemon does it, slice by slice behind live work. --preview computes here and stores nothing.
    """
    if (athlete_id is None) is not everybody:
        complain("name one athlete by his ID, or all of them by --all")
        raise typer.Exit(2)
    if from_on is None or from_on.date() < FROM_THE_BEGINNING:
        complain(f"say from which day on: --from 2026-01-01 ({FROM_THE_BEGINNING} is the earliest)")
        raise typer.Exit(2)
    settings, day = settings_from(config_path), from_on.date()
    if preview and athlete_id is not None:
        print_preview(
            with_database(settings, lambda opened: _preview_one(opened, settings, athlete_id, day)), as_json=as_json
        )
    elif preview:
        _print_previews(
            with_database(settings, lambda opened: _preview_all(opened, settings, day)), as_json=as_json
        )
    else:
        _print_asked(
            with_database(settings, lambda opened: _ask(opened, settings, athlete_id, day)), as_json=as_json
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """How many athletes were asked for, how many are still to be done, and whether a daemon answers."""

    athletes: int
    waiting: int
    daemon: bool


async def _ask(opened: Opened, settings: Settings, athlete_id: int | None, from_on: date) -> Asked:
    """Queue the jobs; for many, watch a running daemon do them."""
    lane = Lane.INTERACTIVE if athlete_id is not None else Lane.SCHEDULED
    count, watched = 0, athlete_id is None
    with Progress(console=complaints, disable=not watched) as progress:
        queueing = progress.add_task("asked for", total=None)
        async for page in _pages(opened.database, athlete_id):
            now = SystemClock().now()
            async with opened.database.transaction() as connection:
                known = await athletes.hold_known(connection, page)
                new = [recompute_load.by_hand(one, from_on, now, lane) for one in sorted(known)]
                await jobs.enqueue(connection, new)
            count += len(new)
            progress.update(queueing, completed=count)
        progress.update(queueing, total=count)
        runs = bool((await answer_of_daemon(settings))["running"])
        waiting = await _waiting(opened.database)
        doing = progress.add_task("computed", total=max(count, 1), visible=runs)
        while runs and watched and waiting:
            progress.update(doing, completed=count - waiting)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            waiting = await _waiting(opened.database)
        progress.update(doing, completed=count)
    return Asked(count, waiting, runs)


async def _waiting(database: Database) -> int:
    async with database.connection() as connection:
        return await jobs.count_athletes_waiting(connection, recompute_load.KIND)


async def _pages(database: Database, athlete_id: int | None) -> AsyncIterator[list[int]]:
    if athlete_id is not None:
        yield [athlete_id]
        return
    after = 0
    while True:
        async with database.connection() as connection:
            page = await athletes.page_ids(connection, after, MOST_PER_PAGE)
        if not page:
            return
        yield page
        after = page[-1]


async def _preview_one(opened: Opened, settings: Settings, athlete_id: int, from_on: date) -> Preview | None:
    async with opened.database.connection() as connection, Calculator() as calculator:
        now, choices = SystemClock().now(), settings.science.choices()
        return await recompute_load.preview(connection, calculator, athlete_id, from_on, now, choices)


async def _preview_all(opened: Opened, settings: Settings, from_on: date) -> list[dict[str, Any]]:
    """Return a summary for each athlete: the changes themselves would be too many to keep."""
    async with opened.database.connection() as connection:
        total = sum((await athletes.count_by_state(connection)).values())
    found = []
    with Progress(console=complaints) as progress:
        task = progress.add_task("computed", total=total)
        async with Calculator() as calculator:
            async for page in _pages(opened.database, None):
                for athlete_id in page:
                    async with opened.database.connection() as connection:
                        now, choices = SystemClock().now(), settings.science.choices()
                        one = await recompute_load.preview(
                            connection, calculator, athlete_id, from_on, now, choices
                        )
                    if one is not None:  # nobody erased him meanwhile
                        found.append(one.summary())
                    progress.advance(task)
    return found


def print_preview(found: Preview | None, *, as_json: bool) -> None:
    """Print what would change, activity by activity; None: there is no such athlete."""
    if found is None:
        complain("there is no such athlete here: `domestique athletes list` shows who is")
        raise typer.Exit(1)
    if as_json:
        print_json({**found.summary(), "changes": [asdict(change) for change in found.changes]})
        return
    headings = {
        "local_on": "day",
        "activity_id": "activity",
        "sport_type": "sport",
        "name": "name",
        "method": "method",
        "utl_before": "load now",
        "utl_after": "would be",
        "by": "by",
    }
    print_table([_row(change) for change in found.changes], headings, "no load would change")
    console.print(
        f"\n{len(found.changes)} of {found.activities} loads from {found.from_on} on would change: "
        f"{found.total_before:.1f} in all would be {found.total_after:.1f}"
        f" ({_by(found.total_before, found.total_after)})"
    )
    before, after = found.fitness_before, found.fitness_after
    if before is not None and after is not None:
        for name, old, new in (
            ("fitness", before.ctl, after.ctl),
            ("fatigue", before.atl, after.atl),
            ("form", before.tsb, after.tsb),
        ):
            console.print(f"{name} on {after.on}: {old:.1f} would be {new:.1f}")
    console.print("nothing was stored")


def _row(change: Change) -> dict[str, object]:
    same = change.method_before == change.method_after
    by = _by(change.utl_before, change.utl_after)
    method = change.method_after if same else f"{change.method_before} → {change.method_after}"
    return {**asdict(change), "method": method, "by": by}


def _by(before: float | None, after: float | None) -> str:
    return f"{after / before - 1:+.1%}" if before and after is not None else "–"


def _print_previews(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    headings = {
        "athlete_id": "athlete",
        "changed": "changed",
        "activities": "of",
        "total_before": "load now",
        "total_after": "would be",
    }
    print_table([row for row in found if row["changed"]], headings, "no load would change")
    console.print(f"\n{len(found)} athletes looked at; nothing was stored")


def _print_asked(asked: Asked, *, as_json: bool) -> None:
    if asked.athletes == 0:
        complain("there is no such athlete here: `domestique athletes list` shows who is")
        raise typer.Exit(1)
    if as_json:
        print_json(asdict(asked))
        return
    console.print(f"{asked.athletes} athletes' loads are to be computed again, {asked.waiting} are not done yet")
    if not asked.daemon:
        console.print("no daemon answers: it will do it when it runs (`domestique run`)")

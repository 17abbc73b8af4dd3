"""`domestique athletes fitness`: fitness, fatigue and form, drawn in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.bar import Bar
from rich.table import Table

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, IdArgument, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json
from daemon.clock import SystemClock
from daemon.jobs import follow_fitness, local_days
from daemon.science.fitness import Fitness
from daemon.store import athletes
from daemon.store.opening import Opened

LEVELS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 30
LEAST_WIDTH: Final = 14


def fitness(
    athlete_id: IdArgument,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days up to today.")] = 28,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show fitness (CTL), fatigue (ATL) and form (TSB) day by day, with the load of each day."""
    settings = settings_from(config_path)

    async def read(opened: Opened) -> list[Fitness] | None:
        async with opened.database.connection() as connection:
            if await athletes.get(connection, athlete_id) is None:
                return None
            today = await local_days.today(connection, athlete_id, SystemClock().now())
            first_on = today - timedelta(days=days - 1)
            basis = settings.science.choices().basis
            return await follow_fitness.up_to(connection, athlete_id, first_on, today, basis)

    found = with_database(settings, read)
    if found is None:
        complain(f"athlete {athlete_id} is not connected here")
        raise typer.Exit(1)
    if as_json:
        print_json([asdict(day) for day in found])
    elif not found:
        console.print("no fitness yet: it follows the first load")
    else:
        _print(found)


def _print(days: Sequence[Fitness]) -> None:
    newest = days[-1]
    for name, values in (
        ("fitness (CTL)", [day.ctl for day in days]),
        ("fatigue (ATL)", [day.atl for day in days]),
        ("form    (TSB)", [day.tsb for day in days]),
    ):
        console.print(f"{name} {values[-1]:6.1f}  {sparkline(values[-max(LEAST_WIDTH, console.width - 24) :])}")
    console.print(f"on {newest.on}; form is that with which the day begins\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("day", "load", "", "CTL", "ATL", "TSB"):
        table.add_column(heading, justify="left" if heading in {"day", ""} else "right")
    most = max(1.0, *(day.load for day in days))
    for day in days:
        bar = Bar(most, 0, day.load, width=WIDTH, color="green" if day.tsb >= 0 else "yellow")
        numbers = (f"{value:.1f}" for value in (day.ctl, day.atl, day.tsb))
        table.add_row(f"{day.on:%a %Y-%m-%d}", f"{day.load:.0f}", bar, *numbers)
    console.print(table)


def sparkline(values: Sequence[float]) -> str:
    """Draw values as one line of blocks, from the lowest to the highest of them."""
    lowest, highest = min(values), max(values)
    scale = (len(LEVELS) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(LEVELS[round((value - lowest) * scale)] for value in values)

"""How commands print: a table for people, JSON with --json."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

WIDTH_OF_A_PIPE = 160  # wide enough that no table is folded for a program that reads it
console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE)
complaints = Console(stderr=True, highlight=False)


def complain(sentence: str) -> None:
    """Print to standard error, one line a sentence however narrow the terminal."""
    complaints.print(sentence, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document; numpy arrays become lists, instants ISO 8601."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str) -> None:
    """Print rows under headings (`columns`: key → heading), or one sentence where there are none."""
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        is_number = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(shown(row.get(key)) for key in columns))
    console.print(table)


def shown(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        zone = " UTC" if value.tzinfo is not None else ""
        return (value.astimezone(UTC) if zone else value).strftime("%Y-%m-%d %H:%M:%S") + zone
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)

"""How commands print: a table for people, JSON with --json.

Refuses to let what others have written (names, answers of Strava) style, link, or steer the terminal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_A_PIPE = 160  # wide enough that no table is folded for a program that reads it
# Control characters begin escape sequences; the others break lines, turn the direction round, or cannot be written.
_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class PlainConsole(Console):
    """Prints text as it stands, in whatever it is held; only a `Text` of our own has a style."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text with its lines, and with a mark for each character that would steer the terminal."""
        return super().render_str("\n".join(map(shown, text.split("\n"))), **options)


console = PlainConsole(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
)
complaints = PlainConsole(stderr=True, highlight=False, markup=False, emoji=False)


def complain(sentence: str) -> None:
    """Print to standard error, one line a sentence however narrow the terminal."""
    complaints.print(sentence, soft_wrap=True)


def print_json(value: Any, stream: TextIO | None = None) -> None:
    """Print one JSON document, to standard output if not told; numpy arrays become lists, instants ISO 8601."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
    (stream or sys.stdout).write(orjson.dumps(value, option=options, default=str).decode() + "\n")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str) -> None:
    """Print rows under headings (`columns`: key → heading), or one sentence where there are none.

    A `Text` keeps its style; whatever else a row holds is printed as `shown` gives it.
    """
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        is_number = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    console.print(table)


def _cell(value: Any) -> Text:
    return value if isinstance(value, Text) else Text(shown(value))


def shown(value: Any) -> str:
    """Return a value as people read it, on one line and without a character that would steer the terminal."""
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
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", str(value))

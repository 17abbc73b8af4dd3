"""Knows where a value stands: its line in the file, its variable, its credential file.

Refuses to judge values, and to read a document that tomllib would not.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

_PIECE = re.compile(
    r'(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)|(?P<newline>\n)|(?P<sign>[\[\]{}=.,])|(?P<word>[^\s\[\]{}=.,#\"']+)",
    re.DOTALL,
)


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where a value stands: a line of the file (0: no line known), a variable or a credential file."""

    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


def locate(text: str) -> dict[tuple[str, ...], int]:
    """Give the line (from 1) of every table and key of a valid TOML document; tomllib keeps none.

    Keys inside an inline table are not told apart: they stand where their table stands.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    in_value, depth, line = False, 0, 1
    for match in _PIECE.finditer(text):
        piece, kind, at = match.group(), match.lastgroup, line
        line += piece.count("\n")
        if in_value:
            if kind == "sign":
                depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece, 0)
            in_value = kind != "newline" or depth > 0
        elif kind == "word":
            key += (piece,)
        elif kind == "text":
            key += (tomllib.loads(f"key = {piece}")["key"],)
        elif piece in {"]", "="} and key:  # the second bracket of [[a]] finds no key
            whole = table + key if piece == "=" else key
            for length in range(1, len(whole) + 1):
                lines.setdefault(whole[:length], at)
            in_value = piece == "="
            table, key = (table if in_value else whole), ()
    return lines

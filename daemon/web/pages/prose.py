"""Sentences with code in them: the little of Markdown that our own texts use, for pages that show them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

MARKED: Final = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, and how it is set."""

    how: Literal["plain", "code", "strong"]
    text: str


def pieces(text: str) -> list[Piece]:
    """Return a text with its marks of code and stress taken apart; what else Markdown knows is not used here."""
    found = []
    for run in MARKED.split(text):
        if run.startswith("`") and len(run) > 2:
            found.append(Piece("code", run.strip("`")))
        elif run.startswith("**") and len(run) > 4:
            found.append(Piece("strong", run.strip("*")))
        elif run:
            found.append(Piece("plain", run))
    return found

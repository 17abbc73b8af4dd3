"""Every log call of the daemon, as it stands in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.forked import ROOT

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
LOGGERS = {"log", "_log"}


@dataclass(frozen=True)
class LogCall:
    """One event at one place; `fields` as they are named there, "…" for those that a mapping brings."""

    place: str
    event: str
    level: str
    fields: frozenset[str]


def log_calls() -> Iterator[LogCall]:
    for path in sorted((ROOT / "daemon").rglob("*.py")):
        yield from _calls(path)


def _calls(path: Path) -> Iterator[LogCall]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    chosen = {  # write = log.info if … else log.warning
        target.id: _levels(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and _levels(node.value)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        levels = chosen.get(node.func.id, []) if isinstance(node.func, ast.Name) else _levels(node.func)
        place = f"{path.relative_to(ROOT)}:{node.lineno}"
        for level in levels:
            for event in _words(node.args[0], place):
                fields = frozenset("…" if word.arg is None else word.arg for word in node.keywords) - {"exc_info"}
                yield LogCall(place, event, "error" if level == "exception" else level, fields)


def _levels(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _levels(node.body) + _levels(node.orelse)
    if not isinstance(node, ast.Attribute) or node.attr not in LEVELS:
        return []
    called = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "structlog.get_logger"
    return [node.attr] if called or (isinstance(node.value, ast.Name) and node.value.id in LOGGERS) else []


def _words(node: ast.expr, place: str) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _words(node.body, place) + _words(node.orelse, place)
    assert isinstance(node, ast.Constant) and isinstance(node.value, str), (
        f"{place}: an event is a word, not made up"
    )
    return [node.value]

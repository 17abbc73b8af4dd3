"""One vocabulary of log events: what the source logs and what docs/logs.md lists are the same."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from tests.support.forked import ROOT
from tests.support.log_calls import LogCall, log_calls

ROW = re.compile(r"\| `([^`]+)` \| ([a-z, ]+) \| (.+) \| (.*) \|")
LEVELS = ["debug", "info", "warning", "error", "critical"]
IRREGULAR = {
    "begun", "broke", "broken", "came", "caught", "forbidden", "found", "held", "kept", "lost", "put", "read",
    "fed", "made", "said", "sent", "set", "slept", "taken", "withdrawn",
}  # fmt: skip


@dataclass
class Listed:
    levels: list[str]
    means: str
    fields: set[str]


def listed() -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for line in (ROOT / "docs" / "logs.md").read_text(encoding="utf-8").splitlines():
        if match := ROW.fullmatch(line):
            event, levels, means, fields = match.groups()
            assert event not in found, f"{event} is listed twice"
            words = set(re.findall(r"`(\w+)`", fields)) | ({"…"} if "…" in fields else set())
            found[event] = Listed(levels.split(", "), means, words)
    return found


def logged() -> dict[str, list[LogCall]]:
    calls: dict[str, list[LogCall]] = defaultdict(list)
    for call in log_calls():
        calls[call.event].append(call)
    return calls


def test_every_event_is_listed_with_its_levels_and_fields_and_nothing_else_is() -> None:
    calls, rows = logged(), listed()
    assert len(calls) > 100  # the walk finds them at all
    wanted = []
    for event, places in sorted(calls.items()):
        levels = sorted({call.level for call in places}, key=LEVELS.index)
        fields = set().union(*(call.fields for call in places))
        row = rows.get(event)
        if row is None or row.levels != levels or row.fields != fields:
            shown = ", ".join(word if word == "…" else f"`{word}`" for word in sorted(fields))
            means = row.means if row is not None else "…"
            wanted.append(f"| `{event}` | {', '.join(levels)} | {means} | {shown} |  ({places[0].place})")
    assert not wanted, "docs/logs.md lacks these rows, or has others:\n" + "\n".join(wanted)
    assert not set(rows) - set(calls), "docs/logs.md lists what nothing logs"


def test_events_are_in_the_past_tense_after_what_they_happened_to() -> None:
    for event, places in logged().items():
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", event), places[0].place
        words = event.partition(".")[2].split("_")
        assert any(word.endswith("ed") or word in IRREGULAR for word in words), f"{places[0].place}: {event}"


def test_every_row_says_what_the_event_means_in_a_sentence() -> None:
    for event, row in listed().items():
        assert re.fullmatch(r"[A-Z].*[.]", row.means), event


def test_no_field_is_called_like_the_words_that_every_line_has() -> None:
    for places in logged().values():
        for call in places:
            assert not call.fields & {"at", "level", "event", "logger"}, call.place

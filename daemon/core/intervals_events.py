"""Webhook bodies of Intervals.icu become hints: whose wellness may have changed, and how far back.

Nothing of a body is believed, not even its values: a hint only says where to look. The secret in it is handed back
for the receiver to compare. Refuses to know which athlete of ours is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson

from daemon.core.events import MalformedEvent

MOST_EVENTS: Final = 1_000
LONGEST_NAME: Final = 64
# A scope that was taken back is noticed by asking: the sync is refused and rests.
TYPES: Final = frozenset({"WELLNESS_UPDATED", "APP_SCOPE_CHANGED"})


@dataclass(frozen=True, slots=True)
class Hints:
    """The secret that came with a body, and by Intervals.icu's name of an athlete the earliest day it tells of."""

    secret: str
    earliest: Mapping[str, date | None]


def parse(body: bytes) -> Hints:
    """Read `{"secret": …, "events": [{"athlete_id": …, "type": …}]}`; raises MalformedEvent for anything else."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error.msg}") from error
    if not isinstance(content, dict) or not isinstance(content.get("secret"), str):
        raise MalformedEvent("not a JSON object with a secret")
    events = content.get("events")
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise MalformedEvent(f"events is not a list of at most {MOST_EVENTS}")
    earliest: dict[str, date | None] = {}
    for event in events:
        name = event.get("athlete_id") if isinstance(event, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
            raise MalformedEvent("an event has no athlete_id")
        if event.get("type") not in TYPES:
            continue
        days = [day for day in (earliest.get(name), _earliest(event.get("records"))) if day is not None]
        earliest[name] = min(days, default=None)
    return Hints(content["secret"], earliest)


def _earliest(records: object) -> date | None:
    """Return the earliest day among the records of an event; what is no day says nothing."""
    days = []
    for record in records if isinstance(records, list) else ():
        try:
            days.append(date.fromisoformat(record["id"]))
        except (KeyError, TypeError, ValueError):
            continue
    return min(days, default=None)

"""Limits, window lengths, the clock and Strava's contested habits, changed while running.

Refuses half a change: everything is read before anything takes hold.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from sandbox.asked import Asked, BadAsk
from sandbox.options import Limits
from sandbox.quirks import Quirks
from sandbox.quota import MeterName
from sandbox.stage import Act, Json, Stage
from sandbox.strava import FakeStrava

METERS: tuple[tuple[MeterName, str], ...] = (("overall", "overall_limits"), ("read", "read_limits"))
LENGTHS = ("quarter_seconds", "day_seconds")
FIELDS = (
    *(field for _, field in METERS), *LENGTHS, "clock_offset", *(field.name for field in fields(Quirks)),
)  # fmt: skip
WORDS = {
    "error_bodies": ("modern", "recorded"),
    "after_alone": ("newest_first", "oldest_first"),
    "usage_shown": ("at_arrival", "at_answer"),
    "private_flip": ("delete_create", "update"),
    "missing_scope": ("unauthorized", "forbidden"),
}
MOST_ATHLETES = 10**9


def _limits(pair: list[Any] | None) -> Limits | None:
    if pair is None:
        return None
    if len(pair) != 2 or not all(isinstance(number, int) for number in pair):
        raise BadAsk("limits are two whole numbers: [quarter, day]")
    return Limits(pair[0], pair[1])


def _quirks(asked: Asked) -> dict[str, Any]:
    """Return the quirks that are asked for, each read as its default's type and its name demand."""
    wished: dict[str, Any] = {}
    for quirk in fields(Quirks):
        name, default = quirk.name, quirk.default
        if name not in asked:
            continue
        if name in WORDS:
            wished[name] = asked.one_of(name, WORDS[name], "")
        elif name == "athlete_limit":
            wished[name] = asked.whole(name, 0, 0, MOST_ATHLETES)
        elif isinstance(default, bool):
            wished[name] = asked.flag(name)
        elif isinstance(default, tuple):
            wished[name] = asked.between(name, default)
        else:
            wished[name] = asked.amount(name, 0.0, *((1.0,) if name.endswith("_rate") else ()))
    return wished


def settings_report(strava: FakeStrava) -> Json:
    """Return everything that can be set, and the clock."""
    overall, read = strava.quota.meters["overall"], strava.quota.meters["read"]
    return asdict(strava.quirks) | {
        "overall_limits": [overall.quarter.limit, overall.day.limit],
        "read_limits": [read.quarter.limit, read.day.limit],
        "quarter_seconds": overall.quarter.length_seconds,
        "day_seconds": overall.day.length_seconds,
        "clock_offset": strava.clock.offset_seconds,
        "now": strava.clock.now(),
    }


def change(asked: Asked) -> Act:
    """Change what is named; answers with all settings."""
    wished = {meter: _limits(asked.maybe(field, list)) for meter, field in METERS}
    limits = {meter: limit for meter, limit in wished.items() if limit is not None}
    # A length of 0 keeps the one in force.
    quarter_seconds, day_seconds = (asked.whole(name, 0, 1, 10**7) for name in LENGTHS)
    quirks, clock_offset = _quirks(asked), asked.maybe("clock_offset", float)

    def act(stage: Stage) -> Json:
        strava = stage.strava
        strava.quirks = replace(strava.quirks, **quirks)
        if clock_offset is not None:
            strava.clock.offset_seconds = clock_offset
        strava.quota.resize(limits, quarter_seconds, day_seconds)
        return settings_report(strava)

    return act

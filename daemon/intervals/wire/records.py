"""Reads the records of a wellness answer, and who a key belongs to.

A value outside its bounds counts as unknown, as does one that Intervals.icu marks as temporary: it stands in for a
reading that has not come. A value of another kind than documented is refused by the name of its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

import orjson

from daemon.core.errors import Permanent
from daemon.core.wellness import Values, believed

# Our field by the name that Intervals.icu has for it; all are optional and nullable there.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "restingHR": "resting_hr",
        "hrv": "hrv_rmssd",
        "hrvSDNN": "hrv_sdnn",
        "sleepSecs": "sleep_seconds",
        "sleepScore": "sleep_score",
        "sleepQuality": "sleep_quality",
        "soreness": "soreness",
        "fatigue": "fatigue",
        "stress": "stress",
        "mood": "mood",
        "motivation": "motivation",
        "injury": "injury",
        "readiness": "readiness",
        "weight": "weight_kg",
    }
)
TEMPORARY: Final[Mapping[str, str]] = MappingProxyType({"tempRestingHR": "restingHR", "tempWeight": "weight"})
LONGEST_NAME: Final = 64


class NoJsonError(ValueError):
    """The body is no JSON: empty, HTML, or broken off."""


def _load(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoJsonError("the body is not JSON") from error


def _refusal(where: str, expected: str) -> Permanent:
    return Permanent(f"the answer of Intervals.icu cannot be used: {where} is not {expected}")


def read_wellness(body: bytes) -> dict[date, Values]:
    """Return what is known of each local day; a day of which nothing is known is not in it."""
    records = _load(body)
    if not isinstance(records, list):
        raise _refusal("wellness", "a list")
    days: dict[date, Values] = {}
    for place, record in enumerate(records):
        where = f"wellness[{place}]"
        if not isinstance(record, dict):
            raise _refusal(where, "an object")
        try:
            on_day = date.fromisoformat(record["id"])
        except (KeyError, TypeError, ValueError) as error:
            raise _refusal(f"{where}.id", "a local day such as 2026-03-01") from error
        values = _values(record, where)
        if values:
            days[on_day] = values
    return days


def _values(record: Mapping[str, object], where: str) -> Values:
    temporary = {name for mark, name in TEMPORARY.items() if record.get(mark) is True}
    values: dict[str, float] = {}
    for name, field in NAMES.items():
        value = record.get(name)
        if value is None or name in temporary:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refusal(f"{where}.{name}", "a number")
        kept = believed(field, value)
        if kept is not None:
            values[field] = kept
    return values


def read_athlete(body: bytes) -> str:
    """Return Intervals.icu's own id of an athlete, such as i12345."""
    athlete = _load(body)
    name = athlete.get("id") if isinstance(athlete, dict) else None
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        raise _refusal("athlete.id", "an id such as i12345")
    return name

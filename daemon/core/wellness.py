"""An athlete's wellness by local day: which values there are, what a posted list says, whose value counts.

Nothing is filled in, and no value is mended: what lies outside its bounds is refused where a person or a program of
his sent it. Refuses to know what wellness does to a load (`science.wellness`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

Values: TypeAlias = Mapping[str, float]  # what is known of one day, by field; what is not known is not in it
Patch: TypeAlias = Mapping[str, float | None]  # None takes a value away; a field that is not named keeps its value

MOST_DAYS: Final = 1_000  # in one posted list
MOST_FAULTS: Final = 50  # told at once
EARLIEST_ON: Final = date(2000, 1, 1)
EASTERNMOST: Final = timedelta(hours=14)  # the day begins first at UTC+14
FIRST_DAYS: Final = 433  # a year of loads, and the 67 days that the first of their modifiers is made of


@dataclass(frozen=True, slots=True)
class Bounds:
    """Within which a value is believed."""

    least: float
    most: float
    whole: bool = False


_SCALE: Final = Bounds(1, 4, whole=True)  # 1 is good

# The names are those of the table's columns.
FIELDS: Final[Mapping[str, Bounds]] = MappingProxyType(
    {
        "resting_hr": Bounds(20, 150),  # bpm
        "hrv_rmssd": Bounds(1, 500),  # ms
        "hrv_sdnn": Bounds(1, 500),  # ms
        "sleep_seconds": Bounds(1, 86_400, whole=True),
        "sleep_score": Bounds(0, 100),
        "sleep_quality": _SCALE,
        "soreness": _SCALE,
        "fatigue": _SCALE,
        "stress": _SCALE,
        "mood": _SCALE,
        "motivation": _SCALE,
        "injury": _SCALE,
        "readiness": Bounds(0, 100),
        "weight_kg": Bounds(20, 400),
    }
)
# Whose value counts, field by field: what was posted by hand before what a service collected.
SOURCES: Final = ("posted", "intervals")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one entry of a posted list; `field` None: with the entry itself."""

    index: int
    field: str | None
    message: str


class FaultyDays(ValueError):
    """The list cannot be taken; none of it is."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Known:
    """What counts on one day: its values, and of each the source."""

    values: Values
    sources: Mapping[str, str]


def believed(field: str, value: float) -> float | None:
    """Return a service's value as it is stored, or None where it is no body's (0 often stands for unknown)."""
    bounds = FIELDS[field]
    if not bounds.least <= value <= bounds.most:
        return None
    return round(value) if bounds.whole else float(value)


def parse_days(content: object, now: datetime) -> dict[date, Patch]:
    """Read a posted list of days, `[{"on": "2026-03-01", "resting_hr": 48}, …]`; raises FaultyDays with all faults.

    A day may lie ahead only as far as it has begun somewhere on Earth.
    """
    if not isinstance(content, list):
        raise FaultyDays([Fault(0, None, 'must be a list of days: [{"on": "2026-03-01", "resting_hr": 48}]')])
    if not 0 < len(content) <= MOST_DAYS:
        raise FaultyDays([Fault(0, None, f"must hold 1 to {MOST_DAYS} days, not {len(content)}: send it in parts")])
    latest_on = (now + EASTERNMOST).date()
    days: dict[date, Patch] = {}
    faults: list[Fault] = []
    for index, entry in enumerate(content):
        if not isinstance(entry, dict):
            faults.append(Fault(index, None, "must be an object with `on` and at least one value"))
            continue
        on_day = _day(index, entry.get("on"), latest_on, faults)
        if on_day in days:
            faults.append(Fault(index, "on", f"{on_day} stands in the list twice"))
        patch = _patch(index, entry, faults)
        if on_day is not None:
            days[on_day] = patch
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise FaultyDays(faults[:MOST_FAULTS])
    return days


def _day(index: int, value: object, latest_on: date, faults: list[Fault]) -> date | None:
    try:
        on_day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        on_day = None
    # Of the forms that Python reads, only the one that everybody reads alike.
    if on_day is None or on_day.isoformat() != value:
        faults.append(Fault(index, "on", "must be the athlete's local day, such as 2026-03-01"))
    elif not EARLIEST_ON <= on_day <= latest_on:
        faults.append(Fault(index, "on", f"must lie between {EARLIEST_ON} and today, not on {on_day}"))
    return on_day


def _patch(index: int, entry: Mapping[str, object], faults: list[Fault]) -> Patch:
    patch: dict[str, float | None] = {}
    for name, value in entry.items():
        if name == "on":
            continue
        bounds = FIELDS.get(name)
        if bounds is None:
            faults.append(Fault(index, name[:40], f"is unknown; known are on, {', '.join(FIELDS)}"))
        elif value is None:
            patch[name] = None
        elif (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not bounds.least <= value <= bounds.most
            or (bounds.whole and value != int(value))
        ):
            kind = "a whole number" if bounds.whole else "a number"
            faults.append(Fault(index, name, f"must be {kind} from {bounds.least:g} to {bounds.most:g}, or null"))
        else:
            patch[name] = int(value) if bounds.whole else float(value)
    if len(entry) - ("on" in entry) == 0:
        faults.append(Fault(index, None, f"names no value: at least one of {', '.join(FIELDS)}"))
    return patch


def patched(stored: Mapping[date, Values], patches: Mapping[date, Patch]) -> dict[date, Values]:
    """Return the patched days as they stand afterwards."""
    return {
        on_day: {name: value for name, value in {**stored.get(on_day, {}), **patch}.items() if value is not None}
        for on_day, patch in patches.items()
    }


def changed(stored: Mapping[date, Values], seen: Mapping[date, Values]) -> dict[date, Values]:
    """Return the days on which `seen`, the whole truth about its source, differs: an empty one is gone."""
    return {
        on_day: seen.get(on_day, {})
        for on_day in sorted(stored.keys() | seen.keys())
        if stored.get(on_day, {}) != seen.get(on_day, {})
    }


def merged(rows: Iterable[tuple[date, str, Values]]) -> dict[date, Known]:
    """Return what counts on each day, from rows of day, source and values, oldest day first."""
    by_day: dict[date, dict[str, Values]] = {}
    for on_day, source, told in rows:
        by_day.setdefault(on_day, {})[source] = told
    found = {}
    for on_day, by_source in sorted(by_day.items()):
        values: dict[str, float] = {}
        sources: dict[str, str] = {}
        for source in reversed(SOURCES):  # the later overwrites
            values.update(by_source.get(source, {}))
            sources.update(dict.fromkeys(by_source.get(source, {}), source))
        found[on_day] = Known(values, sources)
    return found


def window(days: int, now: datetime, synced_at: datetime | None) -> tuple[date, date]:
    """Return the first and last local day to be read again, wherever the athlete lives.

    Values arrive late, so there is no cursor: the window is always read again as a whole. The first sync reads more
    than a year, and one after a long silence what it missed.
    """
    newest_on = (now + EASTERNMOST).date()
    silent_days = max((now - synced_at).days, 0) if synced_at is not None else FIRST_DAYS
    return newest_on - timedelta(days=min(days + silent_days, FIRST_DAYS)), newest_on

"""From an athlete's changed days to stored rows, their modifiers and the loads, for syncs and posts; and back.

What writes here works in the caller's transaction and under the athlete's wellness lock. A change of one day moves
the modifiers of the 66 days after it, whose baselines it belongs to. The loads follow in a job of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from daemon.core.news import Topic
from daemon.core.wellness import EASTERNMOST, Known, Patch, Values, changed, merged, patched
from daemon.jobs import recompute_load
from daemon.science.wellness import BASELINE_DAYS, RECENT_DAYS, Modifier, Part, Reading, Weights, modifiers
from daemon.store import jobs, outbox, wellness, wellness_readings
from daemon.store.database import Connection

REACH: Final = timedelta(days=RECENT_DAYS + BASELINE_DAYS - 1)  # a day counts for itself and so many after it
INTERVALS: Final = "intervals"
POSTED: Final = "posted"
RECOMPUTE_REASON: Final = "wellness of a past day changed"


async def settle_sync(
    connection: Connection,
    athlete_id: int,
    seen: Mapping[date, Values],
    window: tuple[date, date],
    weights: Weights,
    now: datetime,
) -> int:
    """Store what Intervals.icu shows of a window, the whole truth about it; returns how many days changed."""
    await wellness.lock(connection, athlete_id)
    stored = await _stored(connection, athlete_id, INTERVALS, *window)
    within = {on_day: values for on_day, values in seen.items() if window[0] <= on_day <= window[1]}
    return await _settle(connection, athlete_id, INTERVALS, changed(stored, within), weights, now)


async def settle_post(
    connection: Connection, athlete_id: int, patches: Mapping[date, Patch], weights: Weights, now: datetime
) -> int:
    """Store what was posted over what was posted before; returns how many days changed."""
    await wellness.lock(connection, athlete_id)
    stored = await _stored(connection, athlete_id, POSTED, min(patches), max(patches))
    asked = {on_day: values for on_day, values in stored.items() if on_day in patches}
    days = changed(asked, patched(asked, patches))
    return await _settle(connection, athlete_id, POSTED, days, weights, now)


async def _stored(
    connection: Connection, athlete_id: int, source: str, first_on: date, last_on: date
) -> dict[date, Values]:
    rows = await wellness.read(connection, athlete_id, first_on, last_on)
    return {on_day: values for on_day, of, values in rows if of == source}


async def _settle(
    connection: Connection,
    athlete_id: int,
    source: str,
    days: Mapping[date, Values],
    weights: Weights,
    now: datetime,
) -> int:
    if not days:
        return 0
    await wellness.put(connection, athlete_id, source, days, now)
    first_on = min(days)
    last_on = min(max(days) + REACH, (now + EASTERNMOST).date())
    moved_on = await refresh_modifiers(connection, athlete_id, first_on, max(first_on, last_on), weights, now)
    if moved_on is not None:
        await jobs.enqueue(connection, [recompute_load.new(athlete_id, moved_on, RECOMPUTE_REASON, now)])
    news = {"source": source, "days": len(days), "from_on": first_on, "modifiers_from_on": moved_on}
    await outbox.write(connection, Topic.WELLNESS_CHANGED, athlete_id, news)
    return len(days)


@dataclass(frozen=True, slots=True)
class ShownDay:
    """What is known of a day, whence, and the modifier that a load of the day would have now."""

    on: date
    values: Values
    sources: Mapping[str, str]
    modifier: float
    explanation: str
    parts: Sequence[Part]


async def report(
    connection: Connection, athlete_id: int, days: int, weights: Weights, now: datetime
) -> list[ShownDay]:
    """Return the last days of which something is known, newest first."""
    last_on = (now + EASTERNMOST).date()
    first_on = last_on - timedelta(days=days)
    rows = await wellness.read(connection, athlete_id, first_on, last_on)
    readings = await wellness_readings.between(connection, athlete_id, first_on - REACH, last_on)
    return await asyncio.to_thread(_shown, merged(rows), readings, weights)


def _shown(known: Mapping[date, Known], readings: Mapping[date, Reading], weights: Weights) -> list[ShownDay]:
    made = modifiers(min(known), max(known), readings, weights) if known else []
    return [
        ShownDay(
            on=modifier.on,
            values=known[modifier.on].values,
            sources=known[modifier.on].sources,
            modifier=modifier.value,
            explanation=modifier.explanation,
            parts=modifier.parts,
        )
        for modifier in reversed(made)
        if modifier.on in known
    ]


async def refresh_modifiers(
    connection: Connection, athlete_id: int, first_on: date, last_on: date, weights: Weights, now: datetime
) -> date | None:
    """Compute the modifiers of these days again, store those that differ, and return the first whose value moved.

    The caller holds the lock.
    """
    readings = await wellness_readings.between(connection, athlete_id, first_on - REACH, last_on)
    before = await wellness.modifiers(connection, athlete_id, first_on, last_on)
    if not readings and not before:
        return None
    # Not on the loop: a year takes 20 ms.
    computed = await asyncio.to_thread(modifiers, first_on, last_on, readings, weights)
    after = {one.on: _row(one) for one in computed if _says_anything(one)}
    fresh = [row for on_day, row in after.items() if not _same(row, before.get(on_day))]
    gone = before.keys() - after.keys()
    await wellness.put_modifiers(connection, athlete_id, fresh, now)
    await wellness.remove_modifiers(connection, athlete_id, gone)
    moved = [
        on_day
        for on_day in after.keys() | before.keys()
        if after.get(on_day, _NEUTRAL)["value"] != before.get(on_day, _NEUTRAL)["value"]
    ]
    return min(moved, default=None)


_NEUTRAL: Final[Mapping[str, Any]] = {"value": 1.0}


def _says_anything(modifier: Modifier) -> bool:
    return any(part.recent_readings or part.baseline_readings for part in modifier.parts)


def _row(modifier: Modifier) -> dict[str, Any]:
    return {
        "on_day": modifier.on,
        "value": modifier.value,
        "parts": [asdict(part) for part in modifier.parts],
        "explanation": modifier.explanation,
    }


def _same(row: Mapping[str, Any], stored: Mapping[str, Any] | None) -> bool:
    return stored is not None and all(row[name] == stored[name] for name in ("value", "parts", "explanation"))

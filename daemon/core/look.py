"""A look at one activity: what to ask Strava, and what its answer means.

No event is believed; the answer decides. This module refuses to fetch or to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# An event outruns Strava's own processing: a first 404 is not a deletion, and empty streams are not final.
YOUNG: Final = timedelta(hours=2)
MISSING_DELAYS: Final = (
    timedelta(seconds=20),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
)
FRESH: Final = timedelta(days=2)  # streams of what ended longer ago are there by now, or never were
RELOOK_AFTER: Final = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=45))


@dataclass(frozen=True, slots=True)
class Shape:
    """What an activity's streams depend on: another shape means other streams (a crop, a new sport, a merge)."""

    sport_type: str
    start_at: datetime
    elapsed_seconds: int
    moving_seconds: int
    distance_m: float
    trainer: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of the activity; `streams_state` as in the table activities."""

    shape: Shape
    streams_state: str
    version: int | None  # of the stored statistics


def streams_expected(known: Known | None, version: int) -> bool:
    """Tell, before the detail is asked for, whether streams will probably be needed as well."""
    return known is None or _unfinished(known, version)


def streams_needed(known: Known | None, shape: Shape, version: int, *, manual: bool) -> bool:
    """Tell, now that the detail is here, whether the streams have to be fetched."""
    if manual:
        return False
    if known is None or known.shape != shape:
        return True
    return _unfinished(known, version)


def _unfinished(known: Known, version: int) -> bool:
    """Tell whether statistics are awaited or out of date; `none` is an answer too, and a final one."""
    return known.streams_state == "wanted" or (known.streams_state == "kept" and known.version != version)


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Strava has not got it yet: ask again at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Bury:
    """It is gone: keep a tombstone."""

    reason: str


def missing(
    *, seen: bool, expects_gone: bool, hinted_at: datetime, attempts: int, now: datetime
) -> LookAgain | Bury:
    """Decide on a 404: retried while the activity is young and was never seen, else believed."""
    if seen:
        return Bury("Strava no longer shows it")
    if expects_gone:
        return Bury("deleted before it was ever seen")
    if abs(now - hinted_at) >= YOUNG:  # a hint dated far ahead is no promise to wait for
        return Bury("never shown by Strava")
    return LookAgain(now + MISSING_DELAYS[min(max(attempts, 1), len(MISSING_DELAYS)) - 1])


def relook_at(looked: int, now: datetime) -> datetime | None:
    """Return when to look for late streams again after `looked` such looks, or None to give up."""
    return now + RELOOK_AFTER[looked] if looked < len(RELOOK_AFTER) else None


def looked_before(ended_at: datetime, now: datetime) -> int:
    """Return how many looks for late streams an activity of the past counts as having had: all, or none."""
    return 0 if now - ended_at < FRESH else len(RELOOK_AFTER)

"""The fleet by how long each athlete's news may be unseen: counts for a picture, and the stalest by name.

What counts as unseen is decided in `core.freshness`; this module refuses to doubt anybody by itself.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.core.freshness import Athlete, Proof, doubt

EDGES_HOURS: Final = (1, 3, 6, 12, 24)  # between the bands; the last band has no end
MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class Unseen:
    """An athlete whose news may be unseen since an instant, and why nothing vouches for his events."""

    since: datetime
    athlete_id: int
    why: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many are proven to be up to date, how many lie in each band, and the stalest, worst first."""

    measured_at: datetime
    proven: int
    bands: tuple[int, ...]
    stalest: tuple[Unseen, ...]


def unseen(athlete: Athlete, now: datetime, proof: Proof) -> Unseen | None:
    """Return since when an athlete's news may be unseen; None while proof stands."""
    doubted = doubt(athlete, now, proof)
    return Unseen(doubted.since, athlete.athlete_id, doubted.why, doubted.reason) if doubted is not None else None


def span(judged: Unseen | None, now: datetime) -> timedelta:
    """Return for how long that is by now; what a clock set back has dated in the future is not unseen yet."""
    return max(timedelta(0), now - judged.since) if judged is not None else timedelta(0)


def stalest(judged: Iterable[Unseen | None]) -> list[Unseen]:
    """Return the few whose news may be unseen for longest, so that a fleet can be judged page by page."""
    return heapq.nsmallest(MOST_NAMED, (one for one in judged if one is not None))


def pictured(measured_at: datetime, spans: Iterable[timedelta], named: Iterable[Unseen]) -> Fleet:
    """Sum up a fleet; no time at all counts as proven."""
    proven, bands = 0, [0] * (len(EDGES_HOURS) + 1)
    edges = [timedelta(hours=hours) for hours in EDGES_HOURS]
    for each in spans:
        if each == timedelta(0):
            proven += 1
        else:
            bands[bisect_right(edges, each)] += 1
    return Fleet(measured_at, proven, tuple(bands), tuple(named))

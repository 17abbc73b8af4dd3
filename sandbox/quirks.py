"""What is contested about Strava, or merely unlucky: switched while running, never guessed at.

Refuses to hold faults of a single answer: those are switches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Strava's contested habits; the defaults are what most clients report in 2026.

    Rates are shares of 1, `…_seconds` lie between two bounds, and an `athlete_limit` of 0 is none.
    """

    error_bodies: Literal["modern", "recorded"] = "modern"
    after_alone: Literal["newest_first", "oldest_first"] = "newest_first"
    usage_shown: Literal["at_arrival", "at_answer"] = "at_arrival"
    # What an app without activity:read_all hears when an activity becomes private or public.
    private_flip: Literal["delete_create", "update"] = "delete_create"
    missing_scope: Literal["unauthorized", "forbidden"] = "unauthorized"
    short_pages: bool = False
    athlete_limit: int = 0
    # So long a fresh code is refused as if it were none: two seconds have been seen.
    code_ready_after: float = 0.0
    lost_event_rate: float = 0.0
    late_event_rate: float = 0.0
    late_event_seconds: tuple[float, float] = (60.0, 7200.0)
    repeated_event_rate: float = 0.0
    repeated_event_seconds: tuple[float, float] = (62.0, 75.0)
    # An event that swaps waits for the next one and goes after it, or alone when none comes so long.
    swapped_event_rate: float = 0.0
    swapped_event_seconds: float = 10.0

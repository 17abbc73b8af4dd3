"""What is contested about Strava, or merely unlucky: switched while running, never guessed at.

Refuses to hold faults of a single answer: those are switches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Quirks:
    """Strava's contested habits; the defaults are what most clients report in 2026."""

    error_bodies: Literal["modern", "recorded"] = "modern"
    after_alone: Literal["newest_first", "oldest_first"] = "newest_first"
    usage_shown: Literal["at_arrival", "at_answer"] = "at_arrival"
    short_pages: bool = False
    lost_event_rate: float = 0.0

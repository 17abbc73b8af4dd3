"""What is known of how fresh an athlete is, and what vouches for webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """Standing proof that webhooks reach us, for the whole app."""

    verified_at: datetime | None  # the subscription was last seen at Strava
    up_since: datetime | None  # the receiver has been up without a gap since
    event_at: datetime | None  # newest event of anybody

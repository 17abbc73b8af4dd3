"""The vocabulary of news: every topic there is, and what of each is told outside of the house.

The outbox holds more than that for those inside. What is told is thin: which athlete and which activity, what
changed, and numbers where they are the news itself; whoever wants names and curves asks the API, which knows who
may. Refuses to know who listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Topic(StrEnum):
    """One kind of news; the value is its name in the outbox, on live pages and in webhooks."""

    ACTIVITY_PROCESSED = "activity.processed"
    ACTIVITY_DELETED = "activity.deleted"
    FITNESS_CHANGED = "fitness.changed"
    THRESHOLDS_CHANGED = "thresholds.changed"
    THRESHOLDS_DOUBTED = "thresholds.doubted"
    LOADS_RECOMPUTED = "loads.recomputed"
    WELLNESS_CHANGED = "wellness.changed"
    ATHLETE_CONNECTED = "athlete.connected"
    ATHLETE_SYNCED = "athlete.synced"
    ATHLETE_NEEDS_AUTHORIZATION = "athlete.needs_authorization"
    ATHLETE_DISCONNECTED = "athlete.disconnected"
    INTERVALS_REFUSED = "intervals.refused"


# The fields of each topic that are told; docs/notifications.md says what they mean.
TOLD: Final[Mapping[Topic, tuple[str, ...]]] = {
    Topic.ACTIVITY_PROCESSED: ("activity_id", "is_new", "found_by", "sport_type", "streams", "method", "load"),
    Topic.ACTIVITY_DELETED: ("activity_id",),
    Topic.FITNESS_CHANGED: ("from_on", "on", "ctl", "atl", "tsb"),
    Topic.THRESHOLDS_CHANGED: ("kinds", "from_on", "reason"),
    Topic.THRESHOLDS_DOUBTED: ("doubts",),
    Topic.LOADS_RECOMPUTED: ("from_on", "changed", "reason"),
    Topic.WELLNESS_CHANGED: ("source", "days", "from_on"),
    Topic.ATHLETE_CONNECTED: ("is_new",),
    Topic.ATHLETE_SYNCED: ("reached_to", "listed"),
    Topic.ATHLETE_NEEDS_AUTHORIZATION: ("reason",),
    Topic.ATHLETE_DISCONNECTED: (),
    Topic.INTERVALS_REFUSED: ("reason",),
}


def told(topic: str, athlete_id: int | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of one piece of news; of a topic that only a newer version knows, whom it is about."""
    fields = TOLD[Topic(topic)] if topic in TOLD else ()
    return {"athlete_id": athlete_id, **{name: body.get(name) for name in fields}}

"""The vocabulary of news: every topic there is, and what of each is told outside of the house.

The outbox holds more than that for those inside. What is told is thin: which athlete and which activity, what
changed, and numbers where they are the news itself; whoever wants names and curves asks the API, which knows who
may. Refuses to know who listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Literal


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


@dataclass(frozen=True, slots=True)
class About:
    """Whom it is about."""

    athlete_id: int


@dataclass(frozen=True, slots=True)
class ActivityProcessed(About):
    """An activity and its load stand in the database, new or changed.

    `found_by` is the kind of job that found it, `method` how the load was measured, `load` the raw one; it is None
    where nothing can be said.
    """

    activity_id: int
    is_new: bool
    found_by: str
    sport_type: str
    streams: Literal["wanted", "kept", "none"]
    method: str
    load: float | None


@dataclass(frozen=True, slots=True)
class ActivityDeleted(About):
    """It is gone from Strava, and from here."""

    activity_id: int


@dataclass(frozen=True, slots=True)
class FitnessChanged(About):
    """Fitness was followed from the first day that changed up to `on`, of which the three numbers are."""

    from_on: date
    on: date
    ctl: float
    atl: float
    tsb: float


@dataclass(frozen=True, slots=True)
class ThresholdsChanged(About):
    """A threshold moved, by a fit or by hand, from that day on."""

    kinds: list[str]
    from_on: date
    reason: str


@dataclass(frozen=True, slots=True)
class DoubtTold:
    """Thresholds that contradict each other, and how, in a sentence."""

    kinds: list[str]
    sentence: str


@dataclass(frozen=True, slots=True)
class ThresholdsDoubted(About):
    """Those in force contradict each other, or do no longer."""

    doubts: list[DoubtTold]


@dataclass(frozen=True, slots=True)
class LoadsRecomputed(About):
    """Loads were computed again and differ: how many, from which day on."""

    from_on: date
    changed: int
    reason: str


@dataclass(frozen=True, slots=True)
class WellnessChanged(About):
    """Days of wellness came or changed: how many, from which day on."""

    source: str
    days: int
    from_on: date


@dataclass(frozen=True, slots=True)
class AthleteConnected(About):
    """He connected, or came back."""

    is_new: bool


@dataclass(frozen=True, slots=True)
class AthleteSynced(About):
    """A look at his list, back to an instant, found something, or somebody asked for it."""

    reached_to: datetime
    listed: int


@dataclass(frozen=True, slots=True)
class AthleteNeedsAuthorization(About):
    """Strava refuses us without having told why."""

    reason: str


@dataclass(frozen=True, slots=True)
class AthleteDisconnected(About):
    """He took the authorization back, and Strava has confirmed it; or he is being erased by hand."""


@dataclass(frozen=True, slots=True)
class IntervalsRefused(About):
    """Intervals.icu refuses his key."""

    reason: str


# What of each topic is told: these fields, and no others. docs/notifications.md describes them for people.
TOLD: Final[Mapping[Topic, type[About]]] = {
    Topic.ACTIVITY_PROCESSED: ActivityProcessed,
    Topic.ACTIVITY_DELETED: ActivityDeleted,
    Topic.FITNESS_CHANGED: FitnessChanged,
    Topic.THRESHOLDS_CHANGED: ThresholdsChanged,
    Topic.THRESHOLDS_DOUBTED: ThresholdsDoubted,
    Topic.LOADS_RECOMPUTED: LoadsRecomputed,
    Topic.WELLNESS_CHANGED: WellnessChanged,
    Topic.ATHLETE_CONNECTED: AthleteConnected,
    Topic.ATHLETE_SYNCED: AthleteSynced,
    Topic.ATHLETE_NEEDS_AUTHORIZATION: AthleteNeedsAuthorization,
    Topic.ATHLETE_DISCONNECTED: AthleteDisconnected,
    Topic.INTERVALS_REFUSED: IntervalsRefused,
}


def told(topic: str, athlete_id: int | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of one piece of news; of a topic that only a newer version knows, whom it is about."""
    shape = TOLD[Topic(topic)] if topic in TOLD else About
    return {field.name: body.get(field.name) for field in fields(shape)} | {"athlete_id": athlete_id}

"""What Strava and Intervals.icu send, and what they are answered.

Their bodies are read by `core`, which takes a little more than what they document; this is what they document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from daemon.core.events import LARGEST_ID, LATEST_EVENT_SECONDS, LONGEST_WORD, MOST_UPDATES
from daemon.core.intervals_events import LONGEST_NAME, MOST_EVENTS
from daemon.web.endpoints import Model, Query

Secret = Annotated[str, Field(description="The secret that the settings name; anything else is not found.")]


class Sent(BaseModel):
    """What others send may hold more than we know."""

    model_config = ConfigDict(extra="allow")


class Handshake(Query):
    """Strava asks whether the address is ours while a subscription is made."""

    model_config = ConfigDict(extra="allow")

    mode: Literal["subscribe"] = Field(alias="hub.mode")
    verify_token: str = Field(alias="hub.verify_token", description="As the settings name it.")
    challenge: str = Field("", alias="hub.challenge", description="Echoed.")


class Challenge(Model):
    """The echo."""

    model_config = ConfigDict(serialize_by_alias=True)

    challenge: str = Field(alias="hub.challenge")


class StravaEvent(Sent):
    """One push event; `updates` says what changed, and is believed no more than the rest."""

    object_type: str = Field(
        min_length=1, max_length=LONGEST_WORD, pattern="^[a-z_]+$", description="`activity` or `athlete`."
    )
    object_id: int = Field(ge=0, le=LARGEST_ID)
    aspect_type: str = Field(
        min_length=1, max_length=LONGEST_WORD, pattern="^[a-z_]+$", description="`create`, `update` or `delete`."
    )
    owner_id: int = Field(ge=0, le=LARGEST_ID)
    subscription_id: int = Field(ge=0, le=LARGEST_ID)
    event_time: int = Field(ge=0, le=LATEST_EVENT_SECONDS, description="Seconds of the epoch.")
    updates: dict[str, str] = Field({}, max_length=MOST_UPDATES)


class Stored(Model):
    """The event is durable."""

    status: Literal["stored"] = "stored"


class IntervalsEvent(Sent):
    """One event; the earliest day among its records says how far back to look."""

    athlete_id: str = Field(min_length=1, max_length=LONGEST_NAME, pattern="^[A-Za-z0-9]+$")
    type: str = Field(description="`WELLNESS_UPDATED` and `APP_SCOPE_CHANGED` are looked at.")
    records: list[dict[str, object]] = Field([])


class IntervalsHint(Sent):
    """Several events, with the secret that Intervals.icu was given."""

    secret: str = Field(description="As the settings name it.")
    events: list[IntervalsEvent] = Field(max_length=MOST_EVENTS)


class Noted(Model):
    """The hints are noted."""

    status: Literal["noted"] = "noted"

"""Webhook bodies become events, and events become looks.

Events are hints (https://developers.strava.com/docs/webhooks/): they come late, twice, out of order or not at
all, and they are not reliably signed. So nothing here believes what an event says happened; an event only says
where to look. This module refuses to decide what is found there (`core.look`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

LARGEST_ID: Final = 2**63 - 1  # ids are stored as bigint
LATEST_EVENT_SECONDS: Final = 253_402_300_799  # the last second of the year 9999
LONGEST_WORD: Final = 32
MOST_UPDATES: Final = 64


class MalformedEvent(ValueError):
    """The body is not an event of Strava's; the message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One push as Strava documents it; `event_at` has whole seconds, `updates` holds strings only."""

    object_type: str
    object_id: int
    aspect_type: str
    owner_id: int
    subscription_id: int
    event_at: datetime
    updates: Mapping[str, str]

    @property
    def dedup_key(self) -> bytes:
        """Return 16 bytes over everything that tells this event from another.

        `updates` belong to it: two edits may share a second.
        """
        identity = (
            self.object_type,
            self.object_id,
            self.aspect_type,
            self.owner_id,
            self.subscription_id,
            int(self.event_at.timestamp()),
            sorted(self.updates.items()),
        )
        return hashlib.blake2b(orjson.dumps(identity), digest_size=16).digest()


def parse(body: bytes) -> Event:
    """Read one webhook body; raises MalformedEvent, and nothing else, for any bytes whatsoever."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error.msg}") from error
    if not isinstance(content, dict):
        raise MalformedEvent("not a JSON object")
    return Event(
        object_type=_word(content, "object_type"),
        object_id=_whole(content, "object_id", LARGEST_ID),
        aspect_type=_word(content, "aspect_type"),
        owner_id=_whole(content, "owner_id", LARGEST_ID),
        subscription_id=_whole(content, "subscription_id", LARGEST_ID),
        event_at=datetime.fromtimestamp(_whole(content, "event_time", LATEST_EVENT_SECONDS), UTC),
        updates=_updates(content.get("updates")),
    )


def _word(content: Mapping[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WORD or not value.isidentifier():
        raise MalformedEvent(f"{key} is not a word")
    return value


def _whole(content: Mapping[str, object], key: str, largest: int) -> int:
    value = content.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise MalformedEvent(f"{key} is not a whole number within 0…{largest}")
    return value


def _updates(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MOST_UPDATES:
        raise MalformedEvent(f"updates is not an object of at most {MOST_UPDATES} keys")
    updates = {}
    for key, entry in value.items():
        if isinstance(entry, dict | list):
            raise MalformedEvent("updates is nested")
        updates[key] = entry if isinstance(entry, str) else orjson.dumps(entry).decode()
    return updates


@dataclass(frozen=True, slots=True)
class Look:
    """Ask Strava about one activity, or about one athlete where `activity_id` is None."""

    athlete_id: int
    activity_id: int | None
    event_at: datetime  # of the newest event folded in
    expects_gone: bool  # that newest event said delete: a 404 is then no surprise


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch of events comes to: looks to queue, and for every event its outcome by position."""

    looks: tuple[Look, ...]
    outcomes: tuple[str, ...]


def fold(
    events: Sequence[Event],
    trusted: Sequence[bool],
    known_athletes: Collection[int],
    subscription_id: int | None,
) -> Folded:
    """Fold many events into as few looks as they need; the order of `events` does not matter.

    `trusted` says of each event whether its signature, if one is required, was valid.
    """
    newest: dict[tuple[int, int | None], Event] = {}
    outcomes = []
    for event, is_trusted in zip(events, trusted, strict=True):
        outcome = _outcome(event, known_athletes, subscription_id) if is_trusted else "unsigned"
        outcomes.append(outcome)
        if outcome != "folded":
            continue
        target = (event.owner_id, event.object_id if event.object_type == "activity" else None)
        kept = newest.get(target)
        if kept is None or _later(event, kept):
            newest[target] = event
    looks = tuple(
        Look(athlete_id, activity_id, event.event_at, event.aspect_type == "delete")
        for (athlete_id, activity_id), event in sorted(
            newest.items(), key=lambda entry: (entry[0][0], entry[0][1] or 0)
        )
    )
    return Folded(looks, tuple(outcomes))


def _later(event: Event, kept: Event) -> bool:
    """Of two events of one second, any that is not a delete wins: it only makes us look longer."""
    return (event.event_at, event.aspect_type != "delete") > (kept.event_at, kept.aspect_type != "delete")


def _outcome(event: Event, known_athletes: Collection[int], subscription_id: int | None) -> str:
    if subscription_id is not None and event.subscription_id != subscription_id:
        return "foreign_subscription"
    if event.owner_id not in known_athletes:
        return "unknown_owner"
    if event.object_type == "activity":
        return "folded" if event.object_id > 0 else "no_object"
    if event.object_type == "athlete":
        # Deauthorization is an athlete *update* with a string; other athlete events change nothing of ours.
        return "folded" if event.updates.get("authorized") == "false" else "nothing_to_do"
    return "unknown_object_type"

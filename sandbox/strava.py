"""The whole fake Strava: its parts, and what happens in it with the events that follow.

Refuses HTTP: the routes call it, and so does its own life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from sandbox.clock import Clock
from sandbox.habits import Nature
from sandbox.histories import History, Lives
from sandbox.intervals import FakeIntervals
from sandbox.journal import Journal
from sandbox.mishaps import Mishaps
from sandbox.options import Options
from sandbox.push import Delivery, Manner, Pace, Push, Subscription
from sandbox.quirks import Quirks
from sandbox.quota import Quota
from sandbox.recording import OLDER_TYPES, Streams
from sandbox.riders import invent_athletes
from sandbox.rides import Ride, read_rides
from sandbox.switches import Switchboard
from sandbox.tokens import FULL_SCOPE, Grant, Tokens
from sandbox.world import FIRST_LIVE_ID, Activity, Athlete, Body, Draw, Home, Unready, World

# What an edit is called in an event; other fields change without one.
EVENT_NAMES = {"name": "title", "sport_type": "type", "private": "private"}
SINCE_2020 = 1_577_836_800
IDS_A_SECOND = 2**16  # more than can be made in one: a later start never meets the ids of an earlier one
NOWHERE = Home("", "", 48.0, 7.85, "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an activity is served: seconds from now, and what overrides the recording."""

    visible_after: float = 0.0
    streams_ready_after: float = 0.0
    streams_until_ready: Unready = "empty"
    changes: Mapping[str, Any] = field(default_factory=dict)
    streams: Streams | None = None


AT_ONCE = Serving()
ONCE = Manner()


class FakeStrava:
    """One app's Strava."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.clock_offset)
        self.quota = Quota(
            {"overall": options.overall_limits, "read": options.read_limits},
            options.quarter_seconds,
            options.day_seconds,
        )
        self.tokens = Tokens(options.seed)
        nature = Nature(
            seed=options.seed,
            season_swing=options.season_swing,
            never_hard_share=options.never_hard,
            corruption_scale=options.corruptions,
        )
        self.lives = Lives(nature)
        self.history = History(self.lives, options.history_days, int(self.clock.now()))
        self.world = World(self.history, self._first_live_id())
        self.switches = Switchboard(options.seed)
        self.journal = Journal()
        self.quirks = Quirks(athlete_limit=options.athlete_limit)
        self.mishaps = Mishaps(options.seed)
        self.push = Push(self.clock, Pace(options.answer_seconds, options.retry_seconds), options.sign_key)
        self.intervals = FakeIntervals(options, self.world, self.lives, self.clock)
        self.rides: list[Ride] = []
        self._next_subscription_id = options.subscription_id
        if options.callback is not None:
            self.subscribe(options.callback)

    def _first_live_id(self) -> int:
        """Return where new ids begin: with this start's instant, for an app may know those of the last."""
        if self.options.live_ids_from is not None:
            return self.options.live_ids_from
        started_at = int(self.clock.now() - self.clock.offset_seconds)
        return FIRST_LIVE_ID + max(started_at - SINCE_2020, 0) * IDS_A_SECOND

    def subscribe(self, callback_url: str) -> Subscription:
        """Send all events there from now on, under an id that was never used before."""
        subscription = Subscription(
            self._next_subscription_id, self.options.client_id, callback_url, self.clock.now()
        )
        self._next_subscription_id += 1
        self.push.subscription = subscription
        return subscription

    def populate(self) -> None:
        """Invent the athletes, and read the folder of rides."""
        options = self.options
        for number, athlete in enumerate(invent_athletes(options.athletes, options.seed)):
            if options.connected is None or number < options.connected:
                self.enrol(athlete)
            else:
                self.world.enrol(athlete)
        for ride in read_rides(options.rides) if options.rides is not None else ():
            self._add_ride(ride)

    def has_room_for(self, athlete_id: int) -> bool:
        """Say whether this athlete may be connected: again always, newly below the limit."""
        limit = self.quirks.athlete_limit
        return not limit or self.tokens.of(athlete_id) is not None or len(self.tokens) < limit

    def enrol(self, athlete: Athlete, scope: str = FULL_SCOPE) -> Grant:
        """Add an athlete who has connected the app."""
        self.world.enrol(athlete)
        return self.tokens.grant(athlete.id, scope, self.clock.now())

    def add(
        self,
        athlete_id: int,
        start_at: int,
        draw: Draw,
        serving: Serving = AT_ONCE,
        activity_id: int | None = None,
    ) -> Activity:
        """Add an activity, without an event."""
        now = self.clock.now()
        activity = Activity(
            id=activity_id or self.world.next_activity_id(),
            athlete_id=athlete_id,
            start_at=start_at,
            draw=draw,
            changes=dict(serving.changes),
            given_streams=serving.streams,
            # At once means always: a clock that is set back must not hide what was there.
            visible_at=now + serving.visible_after if serving.visible_after else 0.0,
            streams_ready_at=now + serving.streams_ready_after if serving.streams_ready_after else 0.0,
            streams_until_ready=serving.streams_until_ready,
        )
        self.world.add(activity)
        return activity

    def edit(self, activity: Activity, changes: Mapping[str, Any], streams: Streams | None) -> dict[str, str]:
        """Change an activity; returns the `updates` of its event, all values strings as Strava writes them."""
        before = activity.detail()
        activity.changes |= changes
        if "sport_type" in changes and "type" not in changes:
            activity.changes["type"] = OLDER_TYPES.get(changes["sport_type"], changes["sport_type"])
        if "private" in changes and "visibility" not in changes:
            activity.changes["visibility"] = "only_me" if changes["private"] else "everyone"
        activity.given_streams = streams if streams is not None else activity.given_streams
        return {
            name: _event_text(changes[key])
            for key, name in EVENT_NAMES.items()
            if key in changes and changes[key] != before.get(key)
        }

    def announce(
        self, activity: Activity, aspect: str, updates: Mapping[str, str], manner: Manner = ONCE
    ) -> list[Delivery]:
        """Tell the app about an activity, if its athlete lets it hear of this one at all."""
        grant = self.tokens.of(activity.athlete_id)
        if grant is None or not grant.covers("activity:read"):
            return []
        reads_all = grant.covers("activity:read_all")
        if not reads_all and "private" in updates and self.quirks.private_flip == "delete_create":
            # Without activity:read_all a flip looks like a disappearance or an appearance (contested).
            aspect, updates = ("delete" if updates["private"] == "true" else "create"), {}
        elif not reads_all and activity.changes.get("private") and "private" not in updates:
            return []
        return self._send("activity", activity.id, activity.athlete_id, aspect, updates, manner)

    def revoke(self, athlete_id: int, *, event: bool) -> bool:
        """End an athlete's authorization; False where there was none."""
        had_grant = self.tokens.revoke(athlete_id)
        if had_grant and event:
            self._send("athlete", athlete_id, athlete_id, "update", {"authorized": "false"}, ONCE)
        return had_grant

    def _send(
        self, kind: str, object_id: int, owner_id: int, aspect: str, updates: Mapping[str, str], manner: Manner
    ) -> list[Delivery]:
        subscription = self.push.subscription
        body = {
            "aspect_type": aspect,
            "event_time": int(self.clock.now()),
            "object_id": object_id,
            "object_type": kind,
            "owner_id": owner_id,
            "subscription_id": subscription.id if subscription is not None else 0,
            "updates": dict(updates),
        }
        return self.push.send(orjson.dumps(body), manner, self.mishaps.befall(self.quirks))

    def _add_ride(self, ride: Ride) -> None:
        self.rides.append(ride)
        recording, device = ride.recording, ride.device
        if recording is None:
            return
        if ride.athlete_id not in self.world.athletes:
            first, _, last = recording.name.partition(" ")
            self.enrol(
                Athlete(
                    id=ride.athlete_id,
                    firstname=first,
                    lastname=last,
                    sex=device.sex,
                    home=NOWHERE,
                    body=Body(),
                    ftp=_whole(device.threshold_power),
                    lthr=_whole(device.threshold_heart_rate),
                    max_hr=_whole(device.max_heart_rate),
                    resting_hr=_whole(device.resting_heart_rate),
                    weight_kg=device.weight_kg,
                    source=ride.file,
                )
            )
        self.add(
            ride.athlete_id,
            recording.start_at,
            lambda: recording,
            Serving(changes=ride.detail),
            ride.activity_id,
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _event_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


STRAVA = web.AppKey("strava", FakeStrava)

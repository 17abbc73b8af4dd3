"""A fake Intervals.icu beside the fake Strava: keys, changed days and a webhook.

Every athlete has an account there. Refuses HTTP: the routes are `intervals_api`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import orjson

from sandbox import wellness
from sandbox.clock import Clock
from sandbox.histories import Lives
from sandbox.options import Options
from sandbox.push import Delivery, Manner, Pace, Push, Subscription
from sandbox.world import Athlete, World

Json = dict[str, Any]
KeyKind = Literal["api_key", "bearer"]
KINDS: tuple[KeyKind, ...] = ("api_key", "bearer")


class FakeIntervals:
    """One installation's Intervals.icu: the same athletes, seed and clock as the Strava that it stands beside."""

    def __init__(self, options: Options, world: World, lives: Lives, clock: Clock) -> None:
        self.push = Push(clock, Pace(options.answer_seconds, options.retry_seconds), None)
        self._secret = options.intervals_secret
        self._seed = options.seed
        self._world = world
        self._lives = lives
        self._clock = clock
        self._generation: dict[int, int] = {}
        self._dead: set[int] = set()
        self._changes: dict[tuple[int, date], Json] = {}
        if options.intervals_callback is not None:
            self.push.subscription = Subscription(
                0, options.client_id, options.intervals_callback, self._clock.now()
            )

    @staticmethod
    def name(athlete_id: int) -> str:
        """Return how Intervals.icu calls an athlete."""
        return f"i{athlete_id}"

    def key(self, athlete_id: int, kind: KeyKind) -> str:
        """Return an athlete's key or token; the same seed gives the same one."""
        text = f"{self._seed}/{kind}/{athlete_id}/{self._generation.get(athlete_id, 0)}"
        return f"{athlete_id:x}x{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def holder(self, secret: str, kind: KeyKind) -> int | None:
        """Return whose key of this kind it is; None: nobody's, or a dead one's."""
        text, _, _ = secret.partition("x")
        try:
            athlete_id = int(text, 16)
        except ValueError:
            return None
        alive = athlete_id in self._world.athletes and athlete_id not in self._dead
        return athlete_id if alive and secret == self.key(athlete_id, kind) else None

    def kill_key(self, athlete_id: int) -> None:
        """Let an athlete's key and token be refused from now on."""
        self._dead.add(athlete_id)

    def renew_key(self, athlete_id: int) -> None:
        """Give an athlete another key and token; the old ones are dead."""
        self._dead.discard(athlete_id)
        self._generation[athlete_id] = self._generation.get(athlete_id, 0) + 1

    def today(self, athlete: Athlete) -> date:
        """Return which day it is where an athlete lives."""
        return wellness.local_day(athlete, self._clock.now())

    def records(self, athlete: Athlete, oldest_on: date, newest_on: date) -> Iterator[Json]:
        """Return the records of the days from one to another; days of which nothing is known have none."""
        for days in range((newest_on - oldest_on).days + 1):
            record = self.record(athlete, oldest_on + timedelta(days=days))
            if record is not None:
                yield record

    def record(self, athlete: Athlete, on_day: date) -> Json | None:
        """Return one day's record, changes included."""
        record = wellness.record(self._lives, athlete, on_day, self._clock.now())
        changes = self._changes.get((athlete.id, on_day))
        if changes is None:
            return record
        empty: Json = dict.fromkeys(wellness.FIELDS) | {"id": on_day.isoformat()}
        return (record or empty) | changes

    def change(self, athlete: Athlete, on_day: date, values: Mapping[str, float | bool | None]) -> None:
        """Change values of a day; None takes one away."""
        updated = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        known = self._changes.get((athlete.id, on_day), {})
        self._changes[athlete.id, on_day] = {**known, **values, "updated": updated}

    def announce(self, athlete: Athlete, on_day: date) -> list[Delivery]:
        """Push a day's whole record, as Intervals.icu does when one has changed."""
        event = {
            "athlete_id": self.name(athlete.id),
            "type": "WELLNESS_UPDATED",
            "timestamp": datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds"),
            "records": [self.record(athlete, on_day)],
        }
        body = {"secret": self._secret, "events": [event]}
        return self.push.send(orjson.dumps(body), Manner())

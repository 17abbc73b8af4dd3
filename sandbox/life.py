"""Something happens every few seconds: the demo's heartbeat.

Mostly a new activity, now and then an edit, a deletion or an event sent twice. Who trains follows the habits of
the hour, where he lives; what he does is what he might do in these weeks. Refuses faults: those are switched on
by hand.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial

from sandbox.drawing import draw
from sandbox.histories import is_invented
from sandbox.push import Manner
from sandbox.recording import Zone
from sandbox.strava import FakeStrava, Serving
from sandbox.world import Athlete

EDIT_SHARE = 0.08
DELETION_SHARE = 0.03
TWICE_SHARE = 0.1
LATE_STREAMS_SHARE = 0.06
LATE_SECONDS = 4.0
CANDIDATES = 24  # of a big team, so many are asked whether they would train now
NEW_TITLES = ("Felt good", "Headwind both ways", "Coffee stop included", "Legs of stone", "Last one before rest")


class Life:
    """Lets things happen to random athletes; which, follows from the seed and the hour."""

    def __init__(self, strava: FakeStrava, every_seconds: float) -> None:
        self._strava = strava
        self._every_seconds = every_seconds
        self._random = random.Random(f"{strava.options.seed}/life")
        self._uploaded: list[int] = []

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self._every_seconds)
            self.happen()

    def happen(self) -> None:
        """Let one thing happen."""
        lot = self._random.random()
        if self._uploaded and lot < DELETION_SHARE:
            self._delete()
        elif self._uploaded and lot < DELETION_SHARE + EDIT_SHARE:
            self._edit()
        else:
            self._upload()

    def _likely(self, athlete: Athlete, now: int) -> float:
        """Say how likely an athlete is to have just come home."""
        local = now + Zone.named(athlete.home.zone, now).utc_offset_seconds
        day, second = divmod(local, 86_400)
        return self._strava.lives.habits(athlete).likely((day + 3) % 7, second / 3600 - 1)

    def _who(self, now: int) -> Athlete | None:
        strava, chosen = self._strava, self._random
        connected = [
            one
            for one in strava.world.athletes.values()
            if is_invented(one) and strava.tokens.of(one.id) is not None
        ]
        if not connected:
            return None
        asked = connected if len(connected) <= CANDIDATES else chosen.sample(connected, CANDIDATES)
        return chosen.choices(asked, [self._likely(one, now) for one in asked])[0]

    def _upload(self) -> None:
        strava, now = self._strava, int(self._strava.clock.now())
        athlete = self._who(now)
        if athlete is None:
            return
        planned = strava.lives.improvise(athlete, self._random, now)
        # It has just ended, pauses included: athletes upload within minutes.
        start_at = now - draw(planned).elapsed_seconds - self._random.randint(20, 300)
        session = replace(planned, start_at=start_at)
        late = LATE_SECONDS if self._random.random() < LATE_STREAMS_SHARE else 0.0
        activity = strava.add(athlete.id, start_at, partial(draw, session), Serving(streams_ready_after=late))
        self._uploaded.append(activity.id)
        strava.announce(activity, "create", {}, Manner(repeat=2 if self._random.random() < TWICE_SHARE else 1))

    def _edit(self) -> None:
        activity = self._strava.world.find(self._random.choice(self._uploaded))
        if activity is not None:
            updates = self._strava.edit(activity, {"name": self._random.choice(NEW_TITLES)}, None)
            if updates:
                self._strava.announce(activity, "update", updates)

    def _delete(self) -> None:
        activity_id = self._uploaded.pop(self._random.randrange(len(self._uploaded)))
        activity = self._strava.world.remove(activity_id)
        if activity is not None:
            self._strava.announce(activity, "delete", {})

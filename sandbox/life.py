"""Something happens every few seconds: the demo's heartbeat.

Mostly a new activity, now and then an edit, a deletion or an event sent twice. Refuses faults: those are
switched on by hand.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial

from sandbox.push import Manner
from sandbox.riders import plan_session
from sandbox.sessions import perform
from sandbox.strava import FakeStrava, Serving

EDIT_SHARE = 0.08
DELETION_SHARE = 0.03
TWICE_SHARE = 0.1
LATE_STREAMS_SHARE = 0.2
LATE_SECONDS = 4.0
NEW_TITLES = ("Felt good", "Headwind both ways", "Coffee stop included", "Legs of stone", "Last one before rest")


class Life:
    """Lets things happen to random athletes; which, follows from the seed."""

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

    def _upload(self) -> None:
        strava, draw = self._strava, self._random
        connected = [one for one in strava.world.athletes.values() if strava.tokens.of(one.id) is not None]
        if not connected:
            return
        athlete, now = draw.choice(connected), int(strava.clock.now())
        planned = plan_session(athlete, draw, now)
        # It has just ended, pauses included: athletes upload within minutes.
        start_at = now - perform(planned).elapsed_seconds - draw.randint(20, 300)
        session = replace(planned, start_at=start_at)
        late = LATE_SECONDS if draw.random() < LATE_STREAMS_SHARE else 0.0
        activity = strava.add(athlete.id, start_at, partial(perform, session), Serving(streams_ready_after=late))
        self._uploaded.append(activity.id)
        strava.announce(activity, "create", {}, Manner(repeat=2 if draw.random() < TWICE_SHARE else 1))

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

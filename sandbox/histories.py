"""What invented athletes did before the sandbox started, and what they might be doing now.

A session follows from the world's nature, the athlete and the day alone, and so does its id: no request changes
another's answer. Histories are planned when somebody looks, and the oldest looked at are forgotten. Refuses to
draw: an activity does when its numbers are asked for.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import cos, pi

import numpy as np

from sandbox import drawing, naming
from sandbox.corruptions import possible
from sandbox.habits import TASTES, Habits, Nature, habits_of
from sandbox.options import MOST_ATHLETES
from sandbox.recording import Recording, instant_of
from sandbox.riders import number_of
from sandbox.seasons import (
    REST,
    SHAPE_NAMES,
    Layout,
    Year,
    all_out_seconds,
    kind_of,
    lay_out,
    live_through,
    year_of,
)
from sandbox.sessions import Session
from sandbox.world import FIRST_ATHLETE_ID, Activity, Athlete, Body

FIRST_PAST_ID = 2**34
FIRST_DAY = 14_610  # 2010-01-01: ids of the past count from there
SLOT_BITS, NUMBER_BITS, DAY_BITS = 2, MOST_ATHLETES.bit_length() - 1, 14
KEPT_ACTIVITIES = 20_000
DAY_SECONDS = 86_400
SPORTS_OF_TASTE = {
    "ride": ("Ride",) * 8 + ("GravelRide", "MountainBikeRide"),
    "ride_estimated": ("Ride",),
    "indoor": ("VirtualRide",),
    "run": ("Run",) * 8 + ("TrailRun",),
    "swim": ("Swim",),
    "strength": ("WeightTraining",) * 3 + ("Yoga", "Workout"),
    "manual": ("Ride",),
    "walk": ("Walk",),
    "hike": ("Hike",),
}
SOFT_SPORTS = frozenset({"MountainBikeRide", "TrailRun"})  # nobody tests himself there


def is_invented(athlete: Athlete) -> bool:
    """Say whether an athlete has a life of his own; those of the folder of rides have not."""
    return 0 <= number_of(athlete) < MOST_ATHLETES


class Lives:
    """The lives of all invented athletes of one world."""

    def __init__(self, nature: Nature) -> None:
        self.nature = nature

    def habits(self, athlete: Athlete) -> Habits:
        """Return an athlete's habits."""
        return habits_of(self.nature, number_of(athlete), southern=athlete.home.latitude < 0)

    def layout(self, athlete: Athlete, year: int) -> Layout:
        """Return what an athlete plans in a calendar year, without what comes of it."""
        return lay_out(self.nature, number_of(athlete), year, self.habits(athlete))

    def year(self, athlete: Athlete, day: int) -> tuple[Year, int]:
        """Return the year that a day is in, and the day's place in it."""
        year = live_through(self.nature, number_of(athlete), year_of(day), self.habits(athlete))
        return year, day - year.layout.first_day

    def body(self, athlete: Athlete, day: int) -> Body:
        """Return an athlete's body on a day; one who was not invented never changes."""
        if not is_invented(athlete):
            return athlete.body
        year, place = self.year(athlete, day)
        summerness = float(year.layout.summerness[place])
        # A little lighter in his season, and never quite the same.
        weight = athlete.body.weight_kg * (1.008 - 0.016 * summerness + 0.004 * cos(2 * pi * day / 29))
        return replace(athlete.body.in_form(float(year.form[place])), weight_kg=round(weight, 1))

    def body_at(self, athlete: Athlete, at: int) -> Body:
        """Return an athlete's body at an instant; days are counted in UTC."""
        return self.body(athlete, at // DAY_SECONDS)

    def session(self, athlete: Athlete, day: int, slot: int) -> Session | None:
        """Return what an athlete planned; None where he rests."""
        habits = self.habits(athlete)
        (year, place), zone = self.year(athlete, day), athlete.home.zone
        layout = year.layout
        if layout.tastes[place, slot] == REST:
            return None
        taste = TASTES[layout.tastes[place, slot]]
        kind, shape = kind_of(taste, habits), SHAPE_NAMES[layout.shapes[place, slot]]
        seed, hour, seconds = (
            int(layout.seeds[place, slot]), float(layout.hours[place, slot]), int(layout.seconds[place, slot])
        )  # fmt: skip
        struck = int(layout.corruptions[place, slot])
        tests = shape == "all_out" and taste != "swim"
        efforts = all_out_seconds(int(layout.menus[place]), float(layout.spreads[place])) if tests else ()
        sports = SPORTS_OF_TASTE[taste]
        sport_type = sports[seed % len(sports)]
        if shape != "steady" and sport_type in SOFT_SPORTS:
            sport_type = sports[0]
        return Session(
            seed=seed,
            kind=kind,
            sport_type=sport_type,
            shape=shape,
            name=naming.title(taste, sport_type, shape, hour, efforts, seconds, seed),
            start_at=instant_of(zone, day * DAY_SECONDS + int(hour * 3600)),
            moving_seconds=seconds,
            body=self.body(athlete, day),
            home=athlete.home,
            all_out_seconds=efforts,
            strap=habits.has_strap,
            corruption=possible(kind, strap=habits.has_strap)[struck] if struck >= 0 else None,
        )

    def improvise(self, athlete: Athlete, draw: random.Random, now: int) -> Session:
        """Return what an athlete might well do at this instant: like a day of these weeks, but never the same."""
        day = now // DAY_SECONDS
        planned = None
        while planned is None:
            planned = self.session(athlete, day + draw.randint(-28, 28), draw.choice((0, 0, 0, 1)))
        return replace(planned, seed=draw.getrandbits(53), start_at=now, body=self.body(athlete, day))


class History:
    """The past of every invented athlete: the days before `until`, as far back as asked."""

    def __init__(self, lives: Lives, days: int, until: int) -> None:
        self.lives = lives
        self.days = days
        self.until = until
        self._planned: OrderedDict[int, Mapping[int, Activity]] = OrderedDict()
        self._kept = 0

    @property
    def span(self) -> range:
        """The days of the past, counted from 1970."""
        today = self.until // DAY_SECONDS
        return range(max(today - self.days + 1, FIRST_DAY), today + 1)

    def owner_of(self, activity_id: int) -> int | None:
        """Return whose an id of the past would be; it need not exist."""
        if not 0 <= activity_id - FIRST_PAST_ID < 1 << (SLOT_BITS + NUMBER_BITS + DAY_BITS):
            return None
        return FIRST_ATHLETE_ID + ((activity_id - FIRST_PAST_ID) >> SLOT_BITS) % MOST_ATHLETES

    def of(self, athlete: Athlete) -> Mapping[int, Activity]:
        """Return an athlete's activities by id, oldest first."""
        planned = self._planned.get(athlete.id)
        if planned is not None:
            self._planned.move_to_end(athlete.id)
            return planned
        planned = {activity.id: activity for activity in self._plan(athlete)}
        self._planned[athlete.id] = planned
        self._kept += len(planned)
        self._forget()
        return planned

    def sessions(self, athlete: Athlete) -> Iterator[tuple[Activity, Session]]:
        """Return an athlete's activities with the sessions that they are drawn from, oldest first."""
        for activity in self.of(athlete).values():
            day, slot = self._place(activity.id)
            session = self.lives.session(athlete, day, slot)
            if session is not None:
                yield activity, session

    @staticmethod
    def _place(activity_id: int) -> tuple[int, int]:
        number = activity_id - FIRST_PAST_ID
        return FIRST_DAY + (number >> (SLOT_BITS + NUMBER_BITS)), number % (1 << SLOT_BITS)

    def _forget(self) -> None:
        """Drop the histories that nobody looked at for longest; one with an edited activity stays."""
        for athlete_id in list(self._planned)[:-1]:
            if self._kept <= KEPT_ACTIVITIES:
                break
            if not any(activity.touched for activity in self._planned[athlete_id].values()):
                self._kept -= len(self._planned.pop(athlete_id))

    def _plan(self, athlete: Athlete) -> Iterator[Activity]:
        if not is_invented(athlete) or not self.days:
            return
        number, zone, span = number_of(athlete), athlete.home.zone, self.span
        for year in range(year_of(span[0]), year_of(span[-1]) + 1):
            layout = self.lives.layout(athlete, year)
            planned = layout.tastes != REST
            days, slots = (places.tolist() for places in np.nonzero(planned))
            times = zip((layout.hours[planned] * 3600).tolist(), layout.seconds[planned].tolist(), strict=True)
            for place, slot, (clock, seconds) in zip(days, slots, times, strict=True):
                day = layout.first_day + place
                if day not in span:
                    continue
                start_at = instant_of(zone, day * DAY_SECONDS + int(clock))
                # Only what has surely ended, the pauses included.
                if start_at + 1.5 * seconds < self.until:
                    yield Activity(
                        id=FIRST_PAST_ID + ((((day - FIRST_DAY) << NUMBER_BITS | number) << SLOT_BITS) | slot),
                        athlete_id=athlete.id,
                        start_at=start_at,
                        draw=partial(self._draw, athlete, day, slot),
                    )

    def _draw(self, athlete: Athlete, day: int, slot: int) -> Recording:
        session = self.lives.session(athlete, day, slot)
        if session is None:
            raise LookupError(f"athlete {athlete.id} rests on day {day}")
        return drawing.draw(session)

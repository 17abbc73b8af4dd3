"""Athletes with habits, drawn from a seed: when they train, when it becomes visible, what befalls its event.

Nothing here knows the daemon. Times are minutes since `START`, a Monday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
DAY: Final = 1_440
DAILY_ACTIVITIES: Final = 0.6
PERSONS: Final = 10_000  # of larger fleets several share habits, but not days
NEVER: Final = np.inf
REPEATS: Final = (0.0, 65 / 60, 130 / 60)  # Strava tries three times
ZONES: Final = ((1, 0.35), (2, 0.2), (0, 0.1), (-5, 0.12), (-8, 0.08), (-3, 0.03), (8, 0.05), (10, 0.07))

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which no event gets in; `silent`: the daemon runs and does not know, else it is down."""

    began: float
    minutes: float
    silent: bool = False

    @property
    def ended(self) -> float:
        """Return the minute of recovery."""
        return self.began + self.minutes


@dataclass(frozen=True, slots=True)
class Lives:
    """What happens, in order of becoming visible; `delivered` is when its event comes in, NEVER if it is lost."""

    athletes: int
    athlete: Whole
    start: Floats
    visible: Floats
    delivered: Floats

    @classmethod
    def drawn(
        cls,
        seed: int,
        athletes: int,
        first_day: int,
        days: int,
        *,
        dropped: float = 0.0,
        dropped_from: float = 0.0,
        outages: tuple[Outage, ...] = (),
    ) -> Lives:
        """Draw the days from `first_day` on (negative: before START) of so many athletes."""
        persons = np.arange(athletes) % PERSONS
        habits = _habits(np.random.default_rng([seed, 1]), min(athletes, PERSONS))
        chance = np.random.default_rng([seed, 2, first_day + 10_000])
        chosen, start, minutes = _trained(seed, chance, habits, persons, first_day - 2, days + 2)
        visible = start + minutes + _lag(chance, start.size)
        is_old = chance.random(start.size) < 0.008
        start = np.where(is_old, start - DAY * np.exp(chance.uniform(np.log(3), np.log(200), start.size)), start)
        order = np.argsort(visible, kind="stable")
        order = order[(visible[order] >= first_day * DAY) & (visible[order] < (first_day + days) * DAY)]
        visible = visible[order]
        delivered = visible + _delay(chance, order.size)
        is_lost = (chance.random(order.size) < dropped) & (visible >= dropped_from)
        for outage in outages:
            attempts = delivered[:, None] + np.array(REPEATS)
            inside = (attempts >= outage.began) & (attempts < outage.ended)
            is_lost |= inside.all(axis=1)
            delivered = np.where(
                inside.all(axis=1), delivered, attempts[np.arange(order.size), inside.argmin(axis=1)]
            )
        return cls(athletes, chosen[order], start[order], visible, np.where(is_lost, NEVER, delivered))


@dataclass(frozen=True, slots=True)
class _Habits:
    """Of each person: the chance to train on each day of the week, and at which minute in UTC."""

    chance: Floats  # persons × 7
    minute: Floats  # persons × 7
    spread: Floats  # persons


def _habits(chance: np.random.Generator, persons: int) -> _Habits:
    weekly = np.where(chance.random(persons) < 0.12, 0.1, chance.gamma(3.0, 1.0, persons))
    weekly = np.clip(weekly / weekly.mean() * DAILY_ACTIVITIES * 7, 0.02, 11.0)
    weight = chance.gamma(1.2, 1.0, (persons, 7)) + 0.05
    weight[:, 5:] *= 1.4
    daily = weekly[:, None] * weight / weight.sum(axis=1, keepdims=True)
    zone = chance.choice([hours for hours, _ in ZONES], persons, p=[share for _, share in ZONES])
    hour = np.where(
        chance.random(persons) < 0.35, chance.normal(6.3, 0.7, persons), chance.normal(17.6, 1.4, persons)
    )
    hours = np.repeat(hour[:, None], 7, axis=1)
    hours[:, 5:] = chance.normal(9.5, 1.2, persons)[:, None]
    spread = chance.uniform(20, 80, persons)
    return _Habits(daily, (hours - zone[:, None]) * 60, spread)


def _trained(
    seed: int, chance: np.random.Generator, habits: _Habits, persons: Whole, first_day: int, days: int
) -> tuple[Whole, Floats, Floats]:
    """Return who, the starting minute and how long, of each activity."""
    who: list[Whole] = []
    starts: list[Floats] = []
    for day in range(first_day, first_day + days):
        weekday = day % 7
        off = (
            np.random.default_rng([seed, 7, day // 7 + 1_000]).random(persons.size) < 0.06
        )  # ill or away for the week
        count = np.where(off, 0, chance.poisson(habits.chance[persons, weekday] / 0.94))
        count = np.minimum(count, 3)
        today = np.repeat(np.arange(persons.size), count)
        begins = (
            habits.minute[persons[today], weekday] + chance.normal(0, 1, today.size) * habits.spread[persons[today]]
        )
        elsewhen = chance.random(today.size) < 0.12
        begins = np.where(elsewhen, chance.uniform(6 * 60, 21 * 60, today.size), begins)
        who.append(today)
        starts.append(day * DAY + begins)
    chosen, start = np.concatenate(who), np.concatenate(starts)
    return chosen, start, np.exp(chance.normal(np.log(70), 0.45, start.size))


def _lag(chance: np.random.Generator, size: int) -> Floats:
    """Return minutes from the end of an activity to its being visible: mostly few, now and then a day."""
    kind = chance.random(size)
    soon, later, next_day = (
        chance.exponential(5, size),
        chance.uniform(20, 180, size),
        chance.uniform(180, 1_800, size),
    )
    return np.where(kind < 0.75, soon, np.where(kind < 0.95, later, next_day))


def _delay(chance: np.random.Generator, size: int) -> Floats:
    """Return minutes from being visible to the event: seconds, sometimes minutes, seldom hours."""
    kind = chance.random(size)
    seconds = chance.uniform(1, 15, size) / 60
    return np.where(
        kind < 0.95, seconds, np.where(kind < 0.99, chance.uniform(0.5, 10, size), chance.uniform(10, 150, size))
    )

"""When in the week an athlete's activities become visible, learned from those that did.

A pattern is 168 numbers, one per hour of the week in UTC, the first from Monday 00:00: decayed counts, so weighted
that they read as uploads a week. Each upload is smeared over the hours beside it, over the same hours of other days
and, a little, over the whole week: habits bend. What was seen `n` weeks ago weighs `WEEKLY_DECAY ** n`, so the
order in which uploads are learned does not matter, and a history can be learned after the present.

Beside the pattern stands what is expected of anybody; it fades from the day on which an athlete is connected.

Refuses to know why somebody wants to know, and to see activities: it is told instants.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

HOURS: Final = 168
WEEK: Final = timedelta(weeks=1)
WEEKLY_DECAY: Final = 0.88  # half of what we know is from the last five weeks and a half
USUAL_WEEKLY: Final = 4.2  # uploads of anybody, while no fleet tells better
LONGEST: Final = timedelta(weeks=1)  # farther back than this nothing is added up

# An upload's weight: around its own hour, around the same hour of the other days, and anywhere.
BESIDE: Final = (0.06, 0.13, 0.19, 0.24, 0.19, 0.13, 0.06)
OWN_DAY, OTHER_DAYS, ANYWHERE = 0.45, 0.25, 0.30  # a third of uploads keep no hour: late syncs, odd days

HOUR: Final = timedelta(hours=1)
ROUNDING: Final = timedelta(seconds=1)
Pattern = tuple[float, ...]
NOTHING: Final[Pattern] = (0.0,) * HOURS
ANYBODY: Final[Pattern] = (USUAL_WEEKLY / HOURS,) * HOURS


@dataclass(frozen=True, slots=True)
class Habit:
    """An athlete's pattern as of `learned_at`, with what is expected of anybody since `connected_at`."""

    uploads: Pattern  # () where none was seen
    learned_at: datetime | None
    connected_at: datetime
    anybody: Pattern = ANYBODY


@dataclass(frozen=True, slots=True)
class Unseen:
    """What is expected to have become visible in a span: activities, and the hours that they wait by now, added."""

    activities: float = 0.0
    waiting_hours: float = 0.0


def hour_of_week(at: datetime) -> int:
    """Return the hour of the week, in UTC, of an instant that is in UTC."""
    return at.weekday() * 24 + at.hour


@cache
def _smear(hour: int) -> Pattern:
    weights = [ANYWHERE / HOURS] * HOURS
    for offset, share in enumerate(BESIDE, start=-(len(BESIDE) // 2)):
        for day in range(7):
            weights[(hour + offset + 24 * day) % HOURS] += share * (OWN_DAY if day == 0 else OTHER_DAYS / 6)
    return tuple(weights)


def learned(uploads: Pattern, learned_at: datetime | None, seen_at: datetime) -> tuple[Pattern, datetime]:
    """Take in that an activity became visible at `seen_at` (UTC); returns the pattern and as of when it is."""
    before = uploads or NOTHING
    as_of = seen_at if learned_at is None else max(learned_at, seen_at)
    fade = 1.0 if learned_at is None else decay(learned_at, as_of)
    weight = (1.0 - WEEKLY_DECAY) * decay(seen_at, as_of)
    smear = _smear(hour_of_week(seen_at))
    return tuple(fade * old + weight * new for old, new in zip(before, smear, strict=True)), as_of


def decay(since: datetime, now: datetime) -> float:
    """Return what is left at `now` of a weight of 1; an instant in the future has not begun to fade."""
    return float(WEEKLY_DECAY ** max(0.0, (now - since) / WEEK))


def everybody(habits: Iterable[Habit], now: datetime) -> Pattern:
    """Return the mean athlete's uploads a week by hour: what to expect of a newcomer; () of nobody."""
    totals, count = [0.0] * HOURS, 0
    for habit in habits:
        own, usual = _weights(habit, now)
        count += 1
        for hour in range(HOURS):
            totals[hour] += own * (habit.uploads[hour] if habit.uploads else 0.0) + usual * habit.anybody[hour]
    return tuple(total / count for total in totals) if count else ()


def unseen(habit: Habit, since: datetime, now: datetime) -> Unseen:
    """Return what is expected to have become visible since; of a span of more than a week the last week."""
    left = min(now - since, LONGEST) / HOUR
    if left <= 0.0:
        return Unseen()
    uploads, anybody = habit.uploads or NOTHING, habit.anybody
    own, usual = _weights(habit, now)
    hour, piece = hour_of_week(now), _into_the_hour(now)
    ago = activities = waiting_hours = 0.0
    while left > 0.0:  # from now backwards, hour by hour of the clock
        piece = min(piece, left)
        expected = piece * (own * uploads[hour] + usual * anybody[hour])
        activities += expected
        waiting_hours += expected * (ago + piece / 2)
        ago += piece
        left -= piece
        hour, piece = hour - 1, 1.0  # an index of -1 is the week's last hour
    return Unseen(activities, waiting_hours)


def waited_from(habit: Habit, since: datetime, now: datetime, hours: float, latest: datetime) -> datetime:
    """Return an instant, `latest` at most, before which `unseen(...).waiting_hours` stays below `hours`."""
    uploads, anybody = habit.uploads or NOTHING, habit.anybody
    own, usual = _weights(habit, now)  # they only fade from here on: less will be expected, not more
    sofar = unseen(habit, since, now)
    activities, waiting_hours = sofar.activities, sofar.waiting_hours
    at, hour, piece = now, hour_of_week(now), 1.0 - _into_the_hour(now)
    while at < latest:
        an_hour = own * uploads[hour] + usual * anybody[hour]
        more = activities * piece + an_hour * piece * piece / 2
        if waiting_hours + more >= hours:
            # activities·t + an_hour·t²/2 = what is missing, in a form that bears an_hour = 0
            missing = max(0.0, hours - waiting_hours)
            t = 2.0 * missing / (activities + math.sqrt(activities * activities + 2.0 * an_hour * missing))
            return min(latest, at + timedelta(hours=t) - ROUNDING)
        waiting_hours += more
        activities += an_hour * piece
        at += timedelta(hours=piece)
        hour, piece = (hour + 1) % HOURS, 1.0
    return latest


def likely_hours(habit: Habit, now: datetime, most: int) -> list[int]:
    """Return the hours of the week with the highest expectation, the highest first."""
    uploads, anybody = habit.uploads or NOTHING, habit.anybody
    own, usual = _weights(habit, now)
    return sorted(range(HOURS), key=lambda hour: (-(own * uploads[hour] + usual * anybody[hour]), hour))[:most]


def _weights(habit: Habit, now: datetime) -> tuple[float, float]:
    """Return what the own pattern and what anybody's weigh by now."""
    own = decay(habit.learned_at, now) if habit.learned_at is not None else 0.0
    return own, decay(habit.connected_at, now)


def _into_the_hour(at: datetime) -> float:
    return (at.minute * 60 + at.second + at.microsecond / 1e6) / 3600

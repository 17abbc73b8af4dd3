"""Whether events have stopped coming, judged by how many habits expect.

The receiver may be up and the subscription in place while nothing gets through: a firewall, a proxy, Strava itself.
The more athletes, the sooner a silence is unlikely; a fleet of a few hears nothing for hours as a matter of course,
and only the daily audit can tell. Refuses to look at the events themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from daemon.core.habits import ANYWHERE, HOURS, Habit, Pattern, unseen

# So many events expected and none come: by chance never, and rarely where a day brings half the usual.
UNLIKELY_SILENCE: Final = 20.0
# Shorter ones are never judged: events come in bunches, and Strava repeats what got no answer.
SHORTEST_SILENCE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Hearing:
    """As in core.freshness.Proof: the silence that lasts, or the end of the last one, and when that had begun."""

    silent_since: datetime | None = None
    heard_since: datetime | None = None
    unheard_from: datetime | None = None


def hearing(
    event_ats: Iterable[datetime], up_since: datetime, athletes: int, anybody: Pattern, now: datetime
) -> Hearing:
    """Judge the silences since the receiver came up: between events, in order of time, and from the last until now.

    Events that follow another within a minute may be left out, but not the last one before the span looked at.
    `anybody` is habits.everybody of so many `athletes`.
    """
    instants = [up_since, *(at for at in event_ats if at > up_since)]

    # What was smeared over the whole week would be expected in the dead of the night as well.
    anywhere = ANYWHERE * sum(anybody) / HOURS
    mean = tuple(max(0.0, hourly - anywhere) for hourly in anybody)
    at_the_busiest = timedelta(hours=UNLIKELY_SILENCE / max(1e-6, athletes * max(mean, default=0.0)))
    shortest = max(SHORTEST_SILENCE, at_the_busiest)

    def is_unlikely(began_at: datetime, ended_at: datetime) -> bool:
        if ended_at - began_at < shortest:
            return False
        habit = Habit((), None, ended_at, mean)
        return athletes * unseen(habit, began_at, ended_at).activities >= UNLIKELY_SILENCE

    silent_since = instants[-1] if is_unlikely(instants[-1], now) else None
    for began_at, ended_at in reversed([*pairwise(instants)]):
        if is_unlikely(began_at, ended_at):
            return Hearing(silent_since, ended_at, began_at)
    return Hearing(silent_since)

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

from daemon.core.habits import Habit, Pattern, unseen

# So many events expected and none come: by chance once in millions, and still rare on a day with half the usual.
UNLIKELY_SILENCE: Final = 16.0


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

    Events that follow another within a minute may be left out, but not the last one before the span looked at. `anybody` is habits.everybody of so many `athletes`.
    """
    instants = [up_since, *(at for at in event_ats if at > up_since)]

    shortest = timedelta(hours=UNLIKELY_SILENCE / max(1e-9, athletes * max(anybody, default=0.0)))

    def is_unlikely(began_at: datetime, ended_at: datetime) -> bool:
        if ended_at - began_at < shortest:  # not even at the busiest hour
            return False
        mean = Habit((), None, ended_at, anybody)
        return athletes * unseen(mean, began_at, ended_at).activities >= UNLIKELY_SILENCE

    silent_since = instants[-1] if is_unlikely(instants[-1], now) else None
    for began_at, ended_at in reversed([*pairwise(instants)]):
        if is_unlikely(began_at, ended_at):
            return Hearing(silent_since, ended_at, began_at)
    return Hearing(silent_since)

"""What the daemon knows of a fleet when a simulation begins: habits learned from the weeks before."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from bench.lives import DAY, PERSONS, START, Lives
from daemon.core.freshness import AUDITED, Athlete, Proof, habit_of
from daemon.core.habits import Pattern, everybody, learned

LEARNED_DAYS: Final = 56
SAMPLE: Final = 1_000  # of athletes, where a mean or a percentile is enough


def instant(minute: float) -> datetime:
    """Return the instant of a minute."""
    return START + timedelta(minutes=minute)


@lru_cache(maxsize=4)
def fleet_at_the_start(seed: int, athletes: int) -> tuple[Athlete, ...]:
    """Return everybody as looked at in the hours before, walked some time in the month before, known by habit."""
    past = Lives.drawn(seed, min(athletes, PERSONS), -LEARNED_DAYS, LEARNED_DAYS)
    patterns: dict[int, tuple[Pattern, datetime | None]] = defaultdict(lambda: ((), None))
    newest: dict[int, float] = {}
    for person, start, visible in zip(
        past.athlete.tolist(), past.start.tolist(), past.visible.tolist(), strict=True
    ):
        patterns[person] = learned(*patterns[person], instant(visible))
        newest[person] = max(start, newest.get(person, start))
    chance = np.random.default_rng([seed, 3])
    looked, walked = -chance.uniform(0, 240, athletes), -chance.uniform(0, 26 * DAY, athletes)
    fleet = []
    for athlete in range(athletes):
        person = athlete % PERSONS
        looked_at = instant(looked[athlete])
        active_at = instant(newest[person]) if person in newest else None
        fleet.append(
            Athlete(
                athlete,
                instant(-LEARNED_DAYS * DAY),
                looked_at,
                looked_at - AUDITED,
                active_at,
                looked_at,
                instant(walked[athlete]),
                START - timedelta(days=1),
                None,
                *patterns[person],
            )
        )
    return tuple(fleet)


@lru_cache(maxsize=4)
def usual(seed: int, athletes: int) -> Pattern:
    """Return what is expected of anybody in this fleet, from a sample."""
    sample = fleet_at_the_start(seed, athletes)[:SAMPLE]
    return everybody((habit_of(one, Proof(None, None, None)) for one in sample), START)

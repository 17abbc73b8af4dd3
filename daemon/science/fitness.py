"""Fitness (CTL), fatigue (ATL) and form (TSB) from the loads of the days.

Exponential means with time constants of 42 and 7 days. Today follows from yesterday and today's load alone, so a
computation that starts from a stored day ends, to the last bit, where one from the beginning does. It refuses to
guess what was before the first load: both means start from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

CTL_DAYS: Final = 42
ATL_DAYS: Final = 7
# 1 − e^(−1/τ): 0.023528 and 0.133122.
CTL_FACTOR: Final = -math.expm1(-1 / CTL_DAYS)
ATL_FACTOR: Final = -math.expm1(-1 / ATL_DAYS)


class Basis(StrEnum):
    """Which load fitness runs on: as measured, or with the wellness of its day in it."""

    RAW = "raw"
    UTL = "utl"


@dataclass(frozen=True, slots=True)
class DayLoad:
    """What one activity, or all of a local day together, adds to that day."""

    on: date
    raw: float
    utl: float


@dataclass(frozen=True, slots=True)
class Fitness:
    """The state at the end of a local day; `tsb` is yesterday's CTL − ATL, the form in which the day begins."""

    on: date
    load: float
    ctl: float
    atl: float
    tsb: float


def follow(
    loads: Iterable[DayLoad], basis: Basis, first_on: date, last_on: date, before: Fitness | None
) -> list[Fitness]:
    """Return every day from `first_on` to `last_on`; loads outside those days are not looked at.

    `before` is the state of the day before `first_on`, None where the athlete had no load yet. Raises ValueError
    where it is of another day: the days between would be lost.
    """
    if before is not None and before.on != first_on - timedelta(days=1):
        raise ValueError(f"fitness from {first_on} on needs the state of the day before, not of {before.on}")
    by_day: dict[date, list[float]] = {}
    for load in loads:
        by_day.setdefault(load.on, []).append(load.raw if basis is Basis.RAW else load.utl)
    ctl, atl = (before.ctl, before.atl) if before is not None else (0.0, 0.0)
    days = []
    for ordinal in range(first_on.toordinal(), last_on.toordinal() + 1):
        on = date.fromordinal(ordinal)
        load_of_day = math.fsum(by_day.get(on, ()))  # exact, so that the order of a day's activities cannot matter
        tsb = ctl - atl
        ctl += (load_of_day - ctl) * CTL_FACTOR
        atl += (load_of_day - atl) * ATL_FACTOR
        days.append(Fitness(on=on, load=load_of_day, ctl=ctl, atl=atl, tsb=tsb))
    return days

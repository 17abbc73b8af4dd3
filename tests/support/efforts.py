"""Activities made of one effort each, with the curves and heart rates that their statistics would hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from daemon.science.arrays import FloatArray
from daemon.science.critical import Bests
from daemon.science.curves import DURATIONS, HEART_RATE_WINDOWS
from daemon.science.evidence import Activity
from daemon.science.swim import DISTANCES_M

TODAY = date(2026, 6, 1)
CRITICAL_WATTS, W_PRIME_JOULES = 250.0, 18_750.0
TESTS = (180, 300, 720, 1200)


def held(seconds: int) -> float:
    """What the athlete of these tests can hold so long, in W."""
    return CRITICAL_WATTS + W_PRIME_JOULES / seconds


def curve(value: float, seconds: int, *, between: float, length: int = 5400) -> FloatArray:
    """The mean-maximal curve of an even effort with an even rest of the ride."""
    durations = DURATIONS[length >= DURATIONS].astype(np.float64)
    worked = np.minimum(durations, seconds) * value + np.maximum(durations - seconds, 0) * between
    return np.asarray(worked / durations, dtype=np.float64)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def season(scale: float = 1.0, rounds: int = 3) -> list[Bests]:
    """Every test once a month, newest first, on the athlete's curve."""
    return [
        Bests(100 * turn + seconds, days_ago(5 + 25 * turn), scale * curve(held(seconds), seconds, between=140.0))
        for turn in range(rounds)
        for seconds in TESTS
    ]


def activity(
    activity_id: int,
    local_on: date,
    *,
    family: str = "ride",
    moving_seconds: int = 5400,
    power: FloatArray | None = None,
    graded: FloatArray | None = None,
    pulses: dict[int, float] | None = None,
    heart: dict[int, float] | float | None = None,
    swim: dict[int, float] | None = None,
    started_at: datetime | None = None,
) -> Activity:
    """One activity; `pulses` are heart rates in the best effort of so many seconds, `heart` those held so long."""
    at_best = np.array([(pulses or {}).get(int(window), np.nan) for window in HEART_RATE_WINDOWS])
    heart_curve = None
    if isinstance(heart, float):
        heart_curve = np.full(int(np.searchsorted(DURATIONS, moving_seconds, side="right")), heart)
    elif heart is not None:
        heart_curve = np.interp(DURATIONS, list(heart), list(heart.values()))
        heart_curve = heart_curve[max(heart) >= DURATIONS]
    return Activity(
        activity_id=activity_id,
        started_at=started_at or datetime.combine(local_on, time(9), UTC),
        local_on=local_on,
        family=family,
        moving_seconds=moving_seconds,
        power_curve=power,
        graded_curve=graded,
        heart_rate_curve=heart_curve,
        heart_rate_at_best_power=at_best if power is not None and pulses else None,
        heart_rate_at_best_graded=at_best if graded is not None and pulses else None,
        best_swim_seconds=(
            np.array([swim.get(metres, np.nan) for metres in DISTANCES_M]) if swim is not None else None
        ),
    )

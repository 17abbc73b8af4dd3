"""FTP, critical speed and critical swim speed as the year's best efforts show them.

The best method that the data allow, and why a better one did not serve. Refuses to know what is in force and
whether anything should change: `thresholds` decides that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import isnan
from typing import Final

import numpy as np

from daemon.science import critical, swim
from daemon.science.arrays import FloatArray
from daemon.science.critical import Bests, Critical, Refused, SetAside
from daemon.science.critical_models import POWER, SPEED, Model
from daemon.science.curves import HEART_RATE_WINDOWS
from daemon.science.evidence import (
    Activity,
    Estimate,
    Kind,
    Outcome,
    Pulse,
    Unknown,
    Without,
    at_duration,
    confirmed,
    within,
)
from daemon.science.sports import Family

# Of the heart rate reserve, in the best efforts of 5 to 30 minutes. Measured: it turns down four fifths of the
# critical speeds of those who never race, which read 16 % low, and one in 500 of the others.
ALL_OUT_SHARE: Final = 0.85
TWENTY_MINUTES_SHARE: Final = 0.95
CONFIRMED_SHARE: Final = 0.05
# As wide as the widest critical power that is accepted.
TWENTY_MINUTES_ERROR: Final = critical.LARGEST_ERROR
CREDIBLE_SWIM_RESERVE_M: Final = (3.0, 60.0)

_WINDOWS: Final = HEART_RATE_WINDOWS.tolist()
_TWENTY_MINUTES: Final = _WINDOWS.index(1200)
_LONG_EFFORTS: Final = slice(_WINDOWS.index(300), _WINDOWS.index(1800) + 1)
_200_M, _400_M = (swim.DISTANCES_M.index(metres) for metres in (200, 400))


def ftp(activities: Sequence[Activity], today: date, pulse: Pulse) -> Outcome:
    """Return critical power where the efforts carry it, else 95 % of 20 minutes that a pulse vouches for."""
    rides = [one for one in activities if one.family == Family.RIDE]
    fitted = _critical(Kind.FTP, rides, today, pulse, POWER)
    if isinstance(fitted, Estimate):
        return fitted
    candidates = [
        (watts * critical.still_counts(ride.local_on, today), ride)
        for ride in within(rides, today, critical.WINDOW_DAYS)
        if (watts := at_duration(ride.power_curve, 1200)) is not None
        and ride.heart_rate_at_best_power is not None
        and pulse.share(float(ride.heart_rate_at_best_power[_TWENTY_MINUTES])) >= ALL_OUT_SHARE
    ]
    best = confirmed(candidates, lambda highest, following: following >= (1 - CONFIRMED_SHARE) * highest)
    if best is None:
        sentence = (
            f"Nor do two rides agree on a best 20 minutes with the heart at {ALL_OUT_SHARE:.0%} of its reserve."
        )
        return Unknown(Kind.FTP, f"{fitted.reason} {sentence}", fitted.evidence)
    watts, ride, other = best
    value = TWENTY_MINUTES_SHARE * watts
    return Estimate(
        kind=Kind.FTP,
        value=value,
        standard_error=TWENTY_MINUTES_ERROR * value,
        method="best_20_minutes",
        newest_on=ride.local_on,
        explanation=(
            f"{fitted.reason} So FTP is {TWENTY_MINUTES_SHARE:.0%} of the best 20 minutes: {watts:.0f} W on "
            f"{ride.local_on}, which {other.local_on} confirms within {CONFIRMED_SHARE:.0%}."
        ),
        evidence={
            **fitted.evidence,
            "best_20_minutes_watts": watts,
            "activities": [ride.activity_id, other.activity_id],
            "critical_power_refused": fitted.reason,
        },
    )


def critical_speed(activities: Sequence[Activity], today: date, pulse: Pulse) -> Outcome:
    """Return critical speed from the graded speed of runs; nobody tests himself on a walk."""
    runs = [one for one in activities if one.family == Family.RUN]
    return _critical(Kind.CRITICAL_SPEED, runs, today, pulse, SPEED)


def critical_swim_speed(activities: Sequence[Activity], today: date) -> Outcome:
    """Return (400 − 200) / (t400 − t200) from the year's best times [Wakayoshi 1992].

    As in the fit on land, a swim that alone moves it by more than 5 % is set aside until a second one agrees.
    """
    swims = {
        one.activity_id: one
        for one in within(activities, today, critical.WINDOW_DAYS)
        if one.best_swim_seconds is not None and not np.isnan(one.best_swim_seconds[[_200_M, _400_M]]).any()
    }
    set_aside: list[int] = []
    known = _best_swims(list(swims.values()))
    while known is not None and known.moved > critical.CRITICAL_MOVED:
        set_aside.append(known.most_moving)
        del swims[known.most_moving]
        known = _best_swims(list(swims.values()))
    if known is None or len(set_aside) > critical.MOST_SET_ASIDE:
        return Unknown(
            Kind.CRITICAL_SWIM_SPEED,
            "Critical swim speed is not known: two swims whose best times over 200 and 400 m agree within 5 % are "
            "needed.",
            {"set_aside": set_aside},
        )
    lowest, highest = CREDIBLE_SWIM_RESERVE_M
    if not lowest <= known.reserve_m <= highest:
        return Unknown(
            Kind.CRITICAL_SWIM_SPEED,
            f"Critical swim speed is not credible: the best 200 m give a reserve of {known.reserve_m:.0f} m, and "
            f"{lowest:.0f} to {highest:.0f} m are seen. They were hardly all out.",
            {"set_aside": set_aside},
        )
    return Estimate(
        kind=Kind.CRITICAL_SWIM_SPEED,
        value=known.speed,
        standard_error=float(np.hypot(known.moved, critical.FIELD_ERROR)) * known.speed,
        method="best_times",
        newest_on=max(swims[holder].local_on for holder in known.without),
        without=tuple(Without(swims[holder].local_on, speed) for holder, speed in known.without.items()),
        explanation=(
            f"Critical swim speed is {known.speed:.3f} m/s: from the best 200 m ({known.seconds_200:.0f} s) to the "
            f"best 400 m ({known.seconds_400:.0f} s) it takes {known.seconds_400 - known.seconds_200:.0f} s."
        ),
        evidence={
            "seconds_200": known.seconds_200,
            "seconds_400": known.seconds_400,
            "reserve_m": known.reserve_m,
            "activities": list(known.without),
            "set_aside": set_aside,
        },
    )


@dataclass(frozen=True, slots=True)
class _BestSwims:
    """The best times of some swims; `without` is the speed as it would be without each holder of one."""

    seconds_200: float
    seconds_400: float
    without: dict[int, float]

    @property
    def speed(self) -> float:
        return 200 / (self.seconds_400 - self.seconds_200)

    @property
    def reserve_m(self) -> float:
        return 200 - self.speed * self.seconds_200

    @property
    def most_moving(self) -> int:
        return max(self.without, key=lambda holder: abs(self.without[holder] - self.speed))

    @property
    def moved(self) -> float:
        return abs(self.without[self.most_moving] / self.speed - 1)


def _best_swims(swims: Sequence[Activity]) -> _BestSwims | None:
    """Return the best times, None where they hang on one swim alone."""
    times = np.array([one.best_swim_seconds for one in swims], dtype=np.float64)
    if len(swims) < 2:
        return None
    ids = [one.activity_id for one in swims]
    best = times.min(axis=0)  # in every swim the best 400 m take longer than the best 200 m
    without = {}
    for row in {int(np.argmin(times[:, _200_M])), int(np.argmin(times[:, _400_M]))}:
        others = np.delete(times, row, axis=0).min(axis=0)
        without[ids[row]] = float(200 / (others[_400_M] - others[_200_M]))
    return _BestSwims(float(best[_200_M]), float(best[_400_M]), without)


def _critical(kind: Kind, activities: Sequence[Activity], today: date, pulse: Pulse, model: Model) -> Outcome:
    """Fit the line, and believe it where the heart, if it was recorded, says that the efforts were all out."""
    channels = {one.activity_id: _channel(kind, one) for one in activities}
    bests = [
        Bests(one.activity_id, one.local_on, curve)
        for one in activities
        if (curve := channels[one.activity_id][0]) is not None
    ]
    fitted = critical.fit(bests, today, model)
    if isinstance(fitted, Refused):
        return Unknown(kind, fitted.reason, {"set_aside": [_waiting(one) for one in fitted.set_aside]})
    hardest = _hardest([channels[holder][1] for holder in fitted.without], pulse)
    evidence = _evidence(fitted, hardest)
    if hardest is not None and hardest < ALL_OUT_SHARE:
        return Unknown(
            kind,
            f"{model.quantity.name} is not believed: in the best efforts the heart reached {hardest:.0%} of its "
            f"reserve, and all out it reaches {ALL_OUT_SHARE:.0%}.",
            evidence,
        )
    days = {one.activity_id: one.local_on for one in activities}
    return Estimate(
        kind=kind,
        value=fitted.line.critical,
        standard_error=fitted.critical_error,
        method=kind.value if kind is Kind.CRITICAL_SPEED else "critical_power",
        newest_on=fitted.newest_on,
        explanation=fitted.explanation,
        evidence=evidence,
        without=tuple(Without(days[holder], value) for holder, value in fitted.without.items()),
    )


def _channel(kind: Kind, activity: Activity) -> tuple[FloatArray | None, FloatArray | None]:
    if kind is Kind.FTP:
        return activity.power_curve, activity.heart_rate_at_best_power
    return activity.graded_curve, activity.heart_rate_at_best_graded


def _hardest(pulses: Sequence[FloatArray | None], pulse: Pulse) -> float | None:
    """Return the share of the reserve that the heart reached in the hardest effort of 5 to 30 minutes.

    None where no heart rate was recorded, or its maximum is a guess.
    """
    recorded = [bpm for one in pulses if one is not None for bpm in one[_LONG_EFFORTS].tolist() if not isnan(bpm)]
    return pulse.share(max(recorded)) if recorded and pulse.max_known else None


def _evidence(fitted: Critical, hardest: float | None) -> dict[str, object]:
    seconds = np.array([point.seconds for point in fitted.points], dtype=np.float64)
    values = np.array([point.value for point in fitted.points])
    plain = critical.by_work(seconds, values)
    return {
        "reserve": fitted.line.reserve,
        "reserve_error": fitted.reserve_error,
        "covariance": fitted.covariance,
        "points": [
            {"seconds": point.seconds, "value": point.value, "activity_id": point.activity_id}
            for point in fitted.points
        ],
        "set_aside": [_waiting(one) for one in fitted.set_aside],
        "heart_rate_share": hardest,
        # The same points seen as work on time: far apart, the line would not be straight.
        "by_work": {"critical": plain.critical, "reserve": plain.reserve},
    }


def _waiting(one: SetAside) -> dict[str, object]:
    return {"activity_id": one.activity_id, "local_on": one.local_on.isoformat(), "moved": one.moved}

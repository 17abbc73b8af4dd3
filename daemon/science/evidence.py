"""What thresholds are told from, and what is told: the record of an activity, an estimate, or why there is none.

Refuses to estimate: `effort_thresholds` and `heart_thresholds` do. No stream is read, only stored statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from daemon.science.arrays import FloatArray
from daemon.science.curves import DURATIONS
from daemon.science.heart import DEFAULT_MAX_HR_BPM, DEFAULT_RESTING_HR_BPM
from daemon.science.statistics import Statistics

_PLACES: Final = {seconds: place for place, seconds in enumerate(DURATIONS.tolist())}


class Kind(StrEnum):
    """The thresholds: W, m/s on foot, m/s in water, bpm."""

    FTP = "ftp"
    CRITICAL_SPEED = "critical_speed"
    CRITICAL_SWIM_SPEED = "css"
    LTHR = "lthr"
    MAX_HR = "max_hr"
    RESTING_HR = "resting_hr"


@dataclass(frozen=True, slots=True)
class Activity:
    """What is stored of one activity, as far as thresholds are told from it; see `Statistics` for the units.

    The graded columns are those of the grade model that the setting picks.
    """

    activity_id: int
    started_at: datetime
    local_on: date
    family: str
    moving_seconds: int
    power_curve: FloatArray | None
    graded_curve: FloatArray | None
    heart_rate_curve: FloatArray | None
    heart_rate_at_best_power: FloatArray | None
    heart_rate_at_best_graded: FloatArray | None
    best_swim_seconds: FloatArray | None

    @classmethod
    def of(
        cls,
        activity_id: int,
        started_at: datetime,
        local_on: date,
        statistics: Statistics,
        grade_model: Literal["strava", "minetti"],
    ) -> Activity:
        """Take what is needed from an activity's statistics."""
        minetti = grade_model == "minetti"
        return cls(
            activity_id=activity_id,
            started_at=started_at,
            local_on=local_on,
            family=statistics.family,
            moving_seconds=statistics.moving_seconds,
            power_curve=statistics.power_curve,
            graded_curve=statistics.graded_minetti_curve if minetti else statistics.graded_strava_curve,
            heart_rate_curve=statistics.heart_rate_curve,
            heart_rate_at_best_power=statistics.heart_rate_at_best_power,
            heart_rate_at_best_graded=(
                statistics.heart_rate_at_best_graded_minetti
                if minetti
                else statistics.heart_rate_at_best_graded_strava
            ),
            best_swim_seconds=statistics.best_swim_seconds,
        )


@dataclass(frozen=True, slots=True)
class RestingReading:
    """A resting heart rate as a wellness source told it for a local day."""

    local_on: date
    bpm: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """The heart rate reserve to judge by; `max_known` is False where the maximum is a guess."""

    resting_bpm: float = DEFAULT_RESTING_HR_BPM
    max_bpm: float = DEFAULT_MAX_HR_BPM
    max_known: bool = False

    def share(self, bpm: float) -> float:
        """Return how far a heart rate lies between rest (0) and maximum (1)."""
        return (bpm - self.resting_bpm) / (self.max_bpm - self.resting_bpm)


@dataclass(frozen=True, slots=True)
class Without:
    """An estimate as it would be without one of the activities that it hangs on, and that one's local day."""

    local_on: date
    value: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, one standard error in its unit, and where it comes from.

    `newest_on` is the local day of the newest evidence, and `evidence` can be written as JSON. `assumed` marks a
    value that follows from a rule of thumb and not from what the athlete did.
    """

    kind: Kind
    value: float
    standard_error: float
    method: str
    newest_on: date
    explanation: str
    evidence: Mapping[str, object]
    without: tuple[Without, ...] = ()
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value, and why, in a sentence or some."""

    kind: Kind
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


Outcome: TypeAlias = Estimate | Unknown


def within(activities: Iterable[Activity], today: date, days: int) -> list[Activity]:
    """Return the activities of so many days up to `today`."""
    return [one for one in activities if 0 <= (today - one.local_on).days < days]


def at_duration(curve: FloatArray | None, seconds: int) -> float | None:
    """Return a mean-maximal curve's value at a duration of the grid; None where it ends before."""
    place = _PLACES[seconds]
    return float(curve[place]) if curve is not None and curve.size > place else None


def confirmed(
    candidates: Iterable[tuple[float, Activity]], agrees: Callable[[float, float], bool]
) -> tuple[float, Activity, Activity] | None:
    """Return the highest value that the next highest, of another activity, agrees with; and those two."""
    ranked = sorted(candidates, key=lambda candidate: (-candidate[0], candidate[1].activity_id))
    for (value, holder), (following, other) in pairwise(ranked):
        if agrees(value, following):
            return value, holder, other
    return None

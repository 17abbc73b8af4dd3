"""The load of one activity from its statistics and the thresholds in force: 100 is one hour at threshold.

The best method that the data allow is used, and each better one is told why it was refused. Nothing here
reads a stream, chooses a threshold or applies wellness: the raw load never changes for those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from daemon.science import heart, power
from daemon.science.sports import Family
from daemon.science.statistics import ALGORITHM_VERSION, Statistics

POWER_COVERAGE: Final = 0.8
HEART_RATE_COVERAGE: Final = 0.95  # below it the explanation tells how much is missing
DEFAULT_MAX_HR_BPM: Final = 190.0
DEFAULT_RESTING_HR_BPM: Final = 60.0
DEFAULT_LTHR_SHARE: Final = 0.85  # of the heart rate reserve


@dataclass(frozen=True, slots=True)
class Threshold:
    """One value in force, where it came from, and its row; a default has no row."""

    value: float
    method: str
    threshold_id: int | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values in force on the activity's local day; `sex` is "M", "F" or unknown."""

    ftp_watts: Threshold | None
    lthr_bpm: Threshold | None
    max_hr_bpm: Threshold | None
    resting_hr_bpm: Threshold | None
    sex: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """A load that explains itself; `method` is "none" and `raw` None where every method was refused.

    `inputs`, `thresholds` (name → value, method, threshold_id) and `refused` (method → sentence) can be
    written as JSON.
    """

    method: str
    raw: float | None
    inputs: Mapping[str, object]
    thresholds: Mapping[str, object]
    refused: Mapping[str, str]
    explanation: str
    version: int


@dataclass(frozen=True, slots=True)
class _Scored:
    raw: float
    inputs: Mapping[str, object]
    thresholds: Mapping[str, Threshold]
    explanation: str


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str


_Method: TypeAlias = Callable[[Statistics, Thresholds], _Scored | _Refused]


def score(statistics: Statistics, thresholds: Thresholds) -> Load:
    """Return the load by the first method that the statistics and thresholds allow."""
    refused: dict[str, str] = {}
    for name, method in _METHODS:
        outcome = method(statistics, thresholds)
        if isinstance(outcome, _Refused):
            refused[name] = outcome.reason
            continue
        return Load(
            method=name,
            raw=outcome.raw,
            inputs=outcome.inputs,
            thresholds={
                threshold: {"value": used.value, "method": used.method, "threshold_id": used.threshold_id}
                for threshold, used in outcome.thresholds.items()
            },
            refused=refused,
            explanation=outcome.explanation,
            version=ALGORITHM_VERSION,
        )
    return Load(
        method="none",
        raw=None,
        inputs={},
        thresholds={},
        refused=refused,
        explanation=" ".join(["No load could be computed.", *refused.values()]),
        version=ALGORITHM_VERSION,
    )


def _by_power(statistics: Statistics, thresholds: Thresholds) -> _Scored | _Refused:
    ftp = thresholds.ftp_watts
    reason = _power_refusal(statistics)
    if reason is not None:
        return _Refused(reason)
    if ftp is None or not ftp.value > 0:
        return _Refused("Power cannot be scored: no FTP is known.")
    normalized = power.FourthPowers(statistics.power_sum4, statistics.power_count).normalized
    if normalized is None:
        return _Refused("Power was recorded for less than 15 seconds.")
    seconds = statistics.counted_seconds
    raw = power.training_stress(normalized, seconds, ftp.value)
    return _Scored(
        raw=raw,
        inputs={
            "normalized_watts": normalized,
            "intensity": normalized / ftp.value,
            "counted_seconds": seconds,
            "coverage": statistics.power_known_seconds / seconds,
        },
        thresholds={"ftp_watts": ftp},
        explanation=(
            f"{_duration(seconds)} at a normalized power of {normalized:.0f} W make {raw:.0f}: an hour at "
            f"the FTP of {ftp.value:.0f} W ({ftp.method}) would make 100."
        ),
    )


def _power_refusal(statistics: Statistics) -> str | None:
    if statistics.power_known_seconds == 0:
        return "No power was recorded."
    if statistics.family != Family.RIDE:
        return "Power counts in rides only: that of another sport cannot be compared with an FTP."
    if statistics.device_watts is not True:
        return "Strava does not say that a device measured the power: estimates are not scored."
    if statistics.power_known_seconds < POWER_COVERAGE * statistics.counted_seconds:
        share = statistics.power_known_seconds / statistics.counted_seconds
        return f"Power is known for {int(100 * share)} % of the ride: 80 % is the least."
    return None


def _by_heart_rate(statistics: Statistics, thresholds: Thresholds) -> _Scored | _Refused:
    seconds_per_bpm = statistics.heart_rate_seconds
    if seconds_per_bpm is None or statistics.heart_rate_known_seconds == 0:
        return _Refused("No heart rate was recorded.")
    resting = thresholds.resting_hr_bpm or _default(DEFAULT_RESTING_HR_BPM)
    maximum = thresholds.max_hr_bpm or _default(DEFAULT_MAX_HR_BPM)
    lthr = thresholds.lthr_bpm or _default(resting.value + DEFAULT_LTHR_SHARE * (maximum.value - resting.value))
    if not (resting.value < maximum.value and resting.value < lthr.value):
        return _Refused(
            f"The heart rates contradict each other: resting {resting.value:.0f}, threshold "
            f"{lthr.value:.0f}, maximum {maximum.value:.0f} bpm."
        )
    exponents = heart.Exponents.WOMEN if thresholds.sex == "F" else heart.Exponents.MEN
    reserve = heart.Reserve(resting_bpm=resting.value, max_bpm=maximum.value, exponents=exponents)
    trimp = heart.trimp(seconds_per_bpm, reserve)
    threshold_hour = heart.threshold_hour(lthr.value, reserve)
    raw = 100 * trimp / threshold_hour
    coverage = statistics.heart_rate_known_seconds / statistics.counted_seconds
    summary = (
        f"The time at each heart rate makes {raw:.0f}: an hour at the threshold heart rate of "
        f"{lthr.value:.0f} bpm ({lthr.method}) would make 100."
    )
    return _Scored(
        raw=raw,
        inputs={
            "trimp": trimp,
            "trimp_of_threshold_hour": threshold_hour,
            "exponents": exponents.value,
            "sex": thresholds.sex,
            "heart_rate_known_seconds": statistics.heart_rate_known_seconds,
            "counted_seconds": statistics.counted_seconds,
            "coverage": coverage,
        },
        thresholds={"lthr_bpm": lthr, "max_hr_bpm": maximum, "resting_hr_bpm": resting},
        explanation=" ".join([summary, *_caveats(coverage, thresholds.sex)]),
    )


def _caveats(coverage: float, sex: str | None) -> list[str]:
    caveats = []
    if coverage < HEART_RATE_COVERAGE:
        caveats.append(f"Heart rate is known for {int(100 * coverage)} % of the time; the rest adds nothing.")
    if sex not in {"M", "F"}:
        caveats.append("Sex is unknown: the men's exponents are used.")
    return caveats


def _default(value: float) -> Threshold:
    return Threshold(value=value, method="default", threshold_id=None)


def _duration(seconds: int) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


# Best first. A further method is one more entry.
_METHODS: Final[tuple[tuple[str, _Method], ...]] = (
    ("power", _by_power),
    ("heart_rate", _by_heart_rate),
)

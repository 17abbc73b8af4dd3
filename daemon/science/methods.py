"""The six ways to a load, each of which scores an activity or says in a sentence why it cannot.

All land on one scale: 100 is one hour at threshold. None knows of the others: their order is `load`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from daemon.science import estimates, heart, pace, power, swim
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.pace import GradeModel
from daemon.science.sports import INDOOR_SPORTS, Family
from daemon.science.statistics import Totals
from daemon.science.streams import LONGEST_SECONDS

LEAST_COVERAGE: Final = 0.8  # of power and of speed: what is unknown is taken for what is known
LEAST_HEART_RATE_COVERAGE: Final = 0.5  # what comes after heart rate is further from the truth than half of it
STANDING_M_PER_S: Final = 0.1
TOLD_COVERAGE: Final = 0.95  # below it the explanation tells how much is missing
HARDEST_EXERTION: Final = 10.0  # of the CR10 scale [Borg 1982; Foster 2001]
EXERTION_MINUTES_OF_100: Final = 7 * 60
DEFAULT: Final = "default"  # the method of a threshold that nobody knows


@dataclass(frozen=True, slots=True)
class Case:
    """One activity to be scored, with all that a method may look at."""

    totals: Totals
    thresholds: Thresholds
    sport_type: str
    grade_model: GradeModel


@dataclass(frozen=True, slots=True)
class Scored:
    """A raw load, what it was made of and what it says of itself; `inputs` can be written as JSON."""

    raw: float
    inputs: Mapping[str, object]
    explanation: str
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a method cannot score an activity, in a sentence."""

    reason: str


def by_power(case: Case) -> Scored | Refused:
    """Score a ride by normalized power against FTP [Coggan 2003]."""
    totals, ftp = case.totals, case.thresholds.ftp_watts
    reason = _power_refusal(totals)
    if reason is not None:
        return Refused(reason)
    if ftp is None or not ftp.value > 0:
        return Refused("Power cannot be scored: no FTP is known.")
    normalized = power.FourthPowers(totals.power_sum4, totals.power_count).normalized
    if normalized is None:
        return Refused("Power was recorded for less than 15 seconds.")
    if normalized == 0:
        return Refused("The power meter showed 0 W throughout.")
    seconds = totals.counted_seconds
    raw = power.training_stress(normalized, seconds, ftp.value)
    return Scored(
        raw=raw,
        inputs={
            "normalized_watts": normalized,
            "intensity": normalized / ftp.value,
            "counted_seconds": seconds,
            "coverage": totals.power_known_seconds / seconds,
        },
        thresholds={"ftp_watts": ftp},
        explanation=(
            f"{_duration(seconds)} at a normalized power of {normalized:.0f} W make {raw:.0f}: an hour at "
            f"the FTP of {ftp.value:.0f} W ({ftp.method}) would make 100."
        ),
    )


def _power_refusal(totals: Totals) -> str | None:
    if totals.power_known_seconds == 0:
        return "No power was recorded."
    if totals.family != Family.RIDE:
        return "Power counts in rides only: that of another sport cannot be compared with an FTP."
    if totals.device_watts is not True:
        return "Strava does not say that a device measured the power: estimates are not scored."
    if totals.power_known_seconds < LEAST_COVERAGE * totals.counted_seconds:
        share = totals.power_known_seconds / totals.counted_seconds
        return f"Power is known for {int(100 * share)} % of the ride: 80 % is the least."
    return None


def by_pace(case: Case) -> Scored | Refused:
    """Score what was done on foot by normalized graded speed against critical speed."""
    totals, critical = case.totals, case.thresholds.critical_speed_m_per_s
    sums, graded = _graded_speed(case)
    reason = _pace_refusal(totals, sums, graded=graded)
    if reason is not None:
        return Refused(reason)
    if critical is None or not critical.value > 0:
        return Refused("Pace cannot be scored: no critical speed is known.")
    normalized = sums.normalized
    if normalized is None:
        return Refused("Speed was recorded for less than 15 seconds.")
    if normalized < STANDING_M_PER_S:
        return Refused("Nothing moved: a treadmill without a sensor shows no speed.")
    seconds = totals.counted_seconds
    raw = pace.training_stress(normalized, seconds, critical.value)
    kind = "graded speed" if graded else "speed (indoors there is no grade)"
    return Scored(
        raw=raw,
        inputs={
            "normalized_graded_m_per_s": normalized,
            "intensity": normalized / critical.value,
            "grade_model": case.grade_model.value if graded else None,
            "counted_seconds": seconds,
            "coverage": totals.speed_known_seconds / seconds,
        },
        thresholds={"critical_speed_m_per_s": critical},
        explanation=(
            f"{_duration(seconds)} at a normalized {kind} of {_per_km(normalized)} make {raw:.0f}: an hour at the "
            f"critical speed of {_per_km(critical.value)} ({critical.method}) would make 100."
        ),
    )


def _graded_speed(case: Case) -> tuple[power.FourthPowers, bool]:
    """Return the sums of graded speed, or indoors those of the speed itself, and whether they are graded."""
    totals = case.totals
    if totals.trainer or case.sport_type in INDOOR_SPORTS:
        return power.FourthPowers(totals.speed_sum4, totals.speed_count), False
    if case.grade_model is GradeModel.MINETTI:
        return power.FourthPowers(totals.graded_minetti_sum4, totals.graded_minetti_count), True
    return power.FourthPowers(totals.graded_strava_sum4, totals.graded_strava_count), True


def _pace_refusal(totals: Totals, sums: power.FourthPowers, *, graded: bool) -> str | None:
    if totals.family not in {Family.RUN, Family.WALK}:
        return "Pace counts on foot only."
    if totals.speed_known_seconds == 0:
        return "No speed was recorded."
    if totals.speed_known_seconds < LEAST_COVERAGE * totals.counted_seconds:
        share = totals.speed_known_seconds / totals.counted_seconds
        return f"Speed is known for {int(100 * share)} % of the time: 80 % is the least."
    if graded and sums.count < LEAST_COVERAGE * totals.speed_count:
        share = sums.count / totals.speed_count
        return f"The grade is known for {int(100 * share)} % of the time: 80 % is the least."
    return None


def by_swim(case: Case) -> Scored | Refused:
    """Score a swim by its speed against critical swim speed [McGregor; Fitzgerald 2008].

    Strava's moving time and distance are taken: a watch in a pool counts lengths, its seconds tell nothing.
    """
    totals, critical = case.totals, case.thresholds.css_m_per_s
    if totals.family != Family.SWIM:
        return Refused("Swimming speed counts in swims only.")
    if critical is None or not critical.value > 0:
        return Refused("Swimming speed cannot be scored: no critical swim speed is known.")
    seconds, distance_m = totals.moving_seconds, totals.distance_m
    if not (0 < seconds <= LONGEST_SECONDS and distance_m > 0):
        return Refused("Strava tells no credible distance and moving time of the swim.")
    speed = distance_m / seconds
    if speed > swim.FASTEST_M_PER_S:
        return Refused(f"Nobody swims {speed:.1f} m/s: the distance or the moving time is wrong.")
    raw = swim.training_stress(distance_m, seconds, critical.value)
    return Scored(
        raw=raw,
        inputs={
            "speed_m_per_s": speed,
            "intensity": speed / critical.value,
            "distance_m": distance_m,
            "moving_seconds": seconds,
        },
        thresholds={"css_m_per_s": critical},
        explanation=(
            f"{distance_m:.0f} m in {_duration(seconds)} make {raw:.0f}: an hour at the critical swim speed of "
            f"{_per_100_m(critical.value)} ({critical.method}) would make 100."
        ),
    )


def by_heart_rate(case: Case) -> Scored | Refused:
    """Score by TRIMP against that of an hour at the threshold heart rate [Banister 1991].

    Seconds without a heart rate count as the mean of those with one: unknown is not 0, here as for power.
    """
    totals, seconds_per_bpm = case.totals, case.totals.heart_rate_seconds
    if seconds_per_bpm is None or totals.heart_rate_known_seconds == 0:
        return Refused("No heart rate was recorded.")
    coverage = totals.heart_rate_known_seconds / totals.counted_seconds
    if coverage < LEAST_HEART_RATE_COVERAGE:
        return Refused(f"Heart rate is known for {int(100 * coverage)} % of the time: 50 % is the least.")
    resting = case.thresholds.resting_hr_bpm or _default(heart.DEFAULT_RESTING_HR_BPM)
    maximum = case.thresholds.max_hr_bpm or _default(heart.DEFAULT_MAX_HR_BPM)
    reserve_bpm = maximum.value - resting.value
    lthr = case.thresholds.lthr_bpm or _default(resting.value + heart.DEFAULT_LTHR_SHARE * reserve_bpm)
    if not (reserve_bpm > 0 and resting.value < lthr.value):
        return Refused(
            f"The heart rates contradict each other: resting {resting.value:.0f}, threshold "
            f"{lthr.value:.0f}, maximum {maximum.value:.0f} bpm."
        )
    sex = case.thresholds.sex
    exponents = heart.Exponents.WOMEN if sex == "F" else heart.Exponents.MEN
    reserve = heart.Reserve(resting_bpm=resting.value, max_bpm=maximum.value, exponents=exponents)
    trimp = heart.trimp(seconds_per_bpm, reserve)
    threshold_hour = heart.threshold_hour(lthr.value, reserve)
    raw = 100 * trimp / threshold_hour / coverage
    summary = (
        f"The time at each heart rate makes {raw:.0f}: an hour at the threshold heart rate of "
        f"{lthr.value:.0f} bpm ({lthr.method}) would make 100."
    )
    return Scored(
        raw=raw,
        inputs={
            "trimp": trimp,
            "trimp_of_threshold_hour": threshold_hour,
            "exponents": exponents.value,
            "sex": sex,
            "heart_rate_known_seconds": totals.heart_rate_known_seconds,
            "counted_seconds": totals.counted_seconds,
            "coverage": coverage,
        },
        thresholds={"lthr_bpm": lthr, "max_hr_bpm": maximum, "resting_hr_bpm": resting},
        explanation=" ".join([summary, *_caveats(coverage, sex)]),
    )


def _caveats(coverage: float, sex: str | None) -> list[str]:
    caveats = []
    if coverage < TOLD_COVERAGE:
        caveats.append(f"Heart rate is known for {int(100 * coverage)} % of the time; the rest counts as its mean.")
    if sex not in {"M", "F"}:
        caveats.append("Sex is unknown: the men's exponents are used.")
    return caveats


def by_exertion(case: Case) -> Scored | Refused:
    """Score by perceived exertion times minutes [Foster 2001], scaled so that 7 for an hour is 100."""
    exertion, seconds = case.totals.perceived_exertion, _active_seconds(case.totals)
    if exertion is None:
        return Refused("The athlete told no perceived exertion.")
    if not 0 < exertion <= HARDEST_EXERTION:
        return Refused(f"A perceived exertion of {exertion:g} is not on the scale up to 10.")
    if seconds is None:
        return Refused("Strava tells no credible duration.")
    raw = exertion * seconds / 60 / EXERTION_MINUTES_OF_100 * 100
    return Scored(
        raw=raw,
        inputs={"perceived_exertion": exertion, "active_seconds": seconds},
        explanation=(
            f"A perceived exertion of {exertion:g} over {_duration(seconds)} makes {raw:.0f}: 7 for an hour would "
            "make 100. It was felt, not measured."
        ),
    )


def by_duration(case: Case) -> Scored | Refused:
    """Estimate the load from the duration and what an hour of the sport usually makes."""
    seconds = _active_seconds(case.totals)
    if seconds is None:
        return Refused("Strava tells no credible duration.")
    per_hour = estimates.load_per_hour(case.sport_type)
    raw = per_hour * seconds / 3600
    known = case.sport_type in estimates.METS
    of_what = case.sport_type if known else "a sport that is not known here"
    return Scored(
        raw=raw,
        inputs={
            "active_seconds": seconds,
            "load_per_hour": per_hour,
            "mets": estimates.mets(case.sport_type),
            "sport_is_known": known,
        },
        explanation=(
            f"Estimated: {_duration(seconds)} of {of_what} make {raw:.0f} where an hour usually makes "
            f"{per_hour:.0f}. Nothing was measured that could be scored."
        ),
    )


def _active_seconds(totals: Totals) -> int | None:
    """Return the moving time, or the elapsed one where that is not credible, or None."""
    both = (totals.moving_seconds, totals.elapsed_seconds)
    return next((seconds for seconds in both if 0 < seconds <= LONGEST_SECONDS), None)


def _default(value: float) -> Threshold:
    return Threshold(value=value, method=DEFAULT, threshold_id=None)


def _duration(seconds: int) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _per_km(m_per_s: float) -> str:
    return f"{_clock(1000 / m_per_s)} /km"


def _per_100_m(m_per_s: float) -> str:
    return f"{_clock(100 / m_per_s)} /100 m"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"

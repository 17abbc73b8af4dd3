"""The heart's thresholds as two years of heart rates and two weeks of mornings show them.

The best method that the data allow, and what stands in where there is none. Refuses to know what is in force and
whether anything should change: `thresholds` decides that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import isnan
from statistics import fmean, median, stdev
from typing import Final

from daemon.science import critical
from daemon.science.arrays import FloatArray
from daemon.science.curves import HEART_RATE_WINDOWS
from daemon.science.evidence import (
    Activity,
    Estimate,
    Kind,
    Outcome,
    Pulse,
    RestingReading,
    Unknown,
    at_duration,
    confirmed,
    within,
)
from daemon.science.heart import DEFAULT_LTHR_SHARE, DEFAULT_MAX_HR_BPM, DEFAULT_RESTING_HR_BPM
from daemon.science.sports import Family

AT_THRESHOLD: Final = (0.95, 1.05)  # of the critical value
HALF_HOUR_SECONDS: Final = 1800
HALF_HOUR_SHARE: Final = 0.80
BEST_OF: Final = 3
DAY_TO_DAY_BPM: Final = 3.0  # what the same effort differs by from one day to another
PEAK_SECONDS: Final = 10
CONFIRMED_BPM: Final = 5.0
MAX_HR_DAYS: Final = 730
TANAKA_ERROR_BPM: Final = 10.0
RESTING_DAYS: Final = 14
RESTING_READINGS: Final = 3
CREDIBLE_RESTING_BPM: Final = (30.0, 120.0)

_HALF_HOUR: Final = HEART_RATE_WINDOWS.tolist().index(HALF_HOUR_SECONDS)


def lthr(
    activities: Sequence[Activity], today: date, pulse: Pulse, watts: float | None, metres_per_second: float | None
) -> Outcome:
    """Return the heart rate of half an hour at threshold, which is told by power or graded speed where possible.

    Of several such half-hours the median of the three highest counts.
    """
    year = within(activities, today, critical.WINDOW_DAYS)
    at_threshold = []
    for one in year:
        if one.family == Family.RIDE:
            bpm = _at_threshold(one.power_curve, one.heart_rate_at_best_power, watts)
        elif one.family == Family.RUN:
            bpm = _at_threshold(one.graded_curve, one.heart_rate_at_best_graded, metres_per_second)
        else:
            bpm = None
        if bpm is not None:
            at_threshold.append((bpm, one))
    if at_threshold:
        lowest, highest = AT_THRESHOLD
        words = f"at {lowest:.0%} to {highest:.0%} of the critical power or speed"
        return _highest_half_hours(at_threshold, "half_hours_at_threshold", words)
    hard = [
        (bpm, one)
        for one in year
        if (bpm := at_duration(one.heart_rate_curve, HALF_HOUR_SECONDS)) is not None
        and pulse.share(bpm) >= HALF_HOUR_SHARE
    ]
    if hard:
        words = f"with the heart at {HALF_HOUR_SHARE:.0%} of its reserve or more"
        return _highest_half_hours(hard, "hardest_half_hours", words)
    return Unknown(
        Kind.LTHR,
        f"The threshold heart rate is not known: no half hour was at {HALF_HOUR_SHARE:.0%} of the heart rate "
        f"reserve. Until then {DEFAULT_LTHR_SHARE:.0%} of the reserve stands in for it.",
    )


def max_hr(activities: Sequence[Activity], today: date, age_years: float | None) -> Outcome:
    """Return the highest heart rate of 10 s that a second activity confirms; else 208 − 0.7 · age [Tanaka 2001]."""
    peaks = [
        (bpm, one)
        for one in within(activities, today, MAX_HR_DAYS)
        if (bpm := at_duration(one.heart_rate_curve, PEAK_SECONDS)) is not None
    ]
    best = confirmed(peaks, lambda highest, following: following >= highest - CONFIRMED_BPM)
    if best is not None:
        bpm, holder, other = best
        return Estimate(
            kind=Kind.MAX_HR,
            value=bpm,
            standard_error=CONFIRMED_BPM / 2,
            method="observed",
            newest_on=holder.local_on,
            explanation=(
                f"The highest heart rate is {bpm:.0f} bpm, held for 10 s on {holder.local_on} and confirmed within "
                f"{CONFIRMED_BPM:.0f} bpm on {other.local_on}."
            ),
            evidence={"activities": [holder.activity_id, other.activity_id]},
        )
    if age_years is None:
        return Unknown(
            Kind.MAX_HR,
            "The highest heart rate is not known: no two activities of two years agree, and neither is the age. "
            f"{DEFAULT_MAX_HR_BPM:.0f} bpm stand in for it.",
        )
    return Estimate(
        kind=Kind.MAX_HR,
        value=208 - 0.7 * age_years,
        standard_error=TANAKA_ERROR_BPM,
        method="age",
        newest_on=today,
        explanation=f"No heart rate shows the highest one; at an age of {age_years:.0f} it is 208 − 0.7 · age.",
        evidence={"age_years": age_years},
        assumed=True,
    )


def resting_hr(readings: Sequence[RestingReading], today: date) -> Outcome:
    """Return the mean of the readings of the last 14 days; readings outside 30…120 bpm do not count."""
    lowest, highest = CREDIBLE_RESTING_BPM
    counted = [
        one for one in readings if 0 <= (today - one.local_on).days < RESTING_DAYS and lowest <= one.bpm <= highest
    ]
    if len(counted) < RESTING_READINGS:
        return Unknown(
            Kind.RESTING_HR,
            f"The resting heart rate is not known: {len(counted)} credible readings in {RESTING_DAYS} days, and "
            f"{RESTING_READINGS} are needed. Where none was ever known {DEFAULT_RESTING_HR_BPM:.0f} bpm stand in.",
        )
    values = [one.bpm for one in counted]
    return Estimate(
        kind=Kind.RESTING_HR,
        value=fmean(values),
        standard_error=stdev(values) / len(values) ** 0.5,
        method="wellness",
        newest_on=max(one.local_on for one in counted),
        explanation=f"The mean of {len(values)} readings in the {RESTING_DAYS} days up to {today}.",
        evidence={"readings": len(values), "lowest_bpm": min(values), "highest_bpm": max(values)},
    )


def _at_threshold(curve: FloatArray | None, bpm: FloatArray | None, critical_value: float | None) -> float | None:
    """Return the heart rate of the best half hour if that was near the critical power or speed."""
    held = at_duration(curve, HALF_HOUR_SECONDS)
    if held is None or bpm is None or critical_value is None or isnan(bpm[_HALF_HOUR]):
        return None
    lowest, highest = AT_THRESHOLD
    return float(bpm[_HALF_HOUR]) if lowest * critical_value <= held <= highest * critical_value else None


def _highest_half_hours(half_hours: Sequence[tuple[float, Activity]], method: str, words: str) -> Estimate:
    """Return the median of the three highest."""
    highest = sorted(half_hours, key=lambda half_hour: (-half_hour[0], half_hour[1].activity_id))[:BEST_OF]
    values = [bpm for bpm, _ in highest]
    spread = max(DAY_TO_DAY_BPM, stdev(values) if len(values) > 1 else 0.0)
    return Estimate(
        kind=Kind.LTHR,
        value=median(values),
        standard_error=spread / len(values) ** 0.5,
        method=method,
        newest_on=max(one.local_on for _, one in highest),
        explanation=(
            f"The threshold heart rate is {median(values):.0f} bpm, the median of the {len(values)} highest of "
            f"{len(half_hours)} half hours {words}."
        ),
        evidence={"half_hours": [{"bpm": bpm, "activity_id": one.activity_id} for bpm, one in highest]},
    )

"""What is inconsistent among the thresholds in force, and what the last months' activities disprove.

Refuses to do anything about it: it says so, every day, until somebody or a refit mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from daemon.science import heart_thresholds
from daemon.science.evidence import Activity, Estimate, Kind, Pulse, at_duration, within
from daemon.science.sports import Family

HOUR_SECONDS: Final = 3600
HOUR_ABOVE: Final = 1.05  # nobody holds more than that of a true threshold for an hour
VALIDATED_DAYS: Final = 90
USUAL_LTHR_SHARE: Final = (0.70, 0.97)
CREDIBLE: Final[Mapping[Kind, tuple[float, float]]] = {
    Kind.FTP: (50.0, 550.0),
    Kind.CRITICAL_SPEED: (1.5, 7.0),
    Kind.CRITICAL_SWIM_SPEED: (0.4, 2.2),
    Kind.LTHR: (80.0, 220.0),
    Kind.MAX_HR: (110.0, 230.0),
    Kind.RESTING_HR: (25.0, 110.0),
}

# What a person may set or import: wider than what is seen, narrow enough for a value in the wrong unit.
ACCEPTED: Final[Mapping[Kind, tuple[float, float]]] = {
    Kind.FTP: (30.0, 700.0),
    Kind.CRITICAL_SPEED: (1.0, 8.0),
    Kind.CRITICAL_SWIM_SPEED: (0.3, 2.5),
    Kind.LTHR: (60.0, 230.0),
    Kind.MAX_HR: (90.0, 240.0),
    Kind.RESTING_HR: (25.0, 120.0),
}
UNITS: Final[Mapping[Kind, str]] = {
    Kind.FTP: "W",
    Kind.CRITICAL_SPEED: "m/s",
    Kind.CRITICAL_SWIM_SPEED: "m/s",
    Kind.LTHR: "bpm",
    Kind.MAX_HR: "bpm",
    Kind.RESTING_HR: "bpm",
}


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Values in force that cannot all be true, or that the athlete has disproved, in a sentence."""

    kinds: tuple[Kind, ...]
    sentence: str


def validate(
    activities: Sequence[Activity], values: Mapping[Kind, float], today: date
) -> tuple[Inconsistency, ...]:
    """Return what is inconsistent among the values in force, and between them and the last months' activities."""
    return (
        *_incredible(values),
        *_out_of_order(values),
        *_disproved(values, activities, today),
    )


def _incredible(values: Mapping[Kind, float]) -> Iterator[Inconsistency]:
    for kind, value in values.items():
        lowest, highest = CREDIBLE[kind]
        if not lowest <= value <= highest:
            yield Inconsistency((kind,), f"{kind} is {value:.4g}, and {lowest:g} to {highest:g} are seen.")


def _out_of_order(values: Mapping[Kind, float]) -> Iterator[Inconsistency]:
    rising = [kind for kind in (Kind.RESTING_HR, Kind.LTHR, Kind.MAX_HR) if kind in values]
    ordered = True
    for lower, higher in pairwise(rising):
        if values[lower] >= values[higher]:
            ordered = False
            yield Inconsistency(
                (lower, higher),
                f"{lower} ({values[lower]:.0f} bpm) is not below {higher} ({values[higher]:.0f} bpm).",
            )
    if ordered and len(rising) == 3:
        share = Pulse(values[Kind.RESTING_HR], values[Kind.MAX_HR]).share(values[Kind.LTHR])
        lowest, highest = USUAL_LTHR_SHARE
        if not lowest <= share <= highest:
            yield Inconsistency(
                tuple(rising),
                f"lthr lies at {share:.0%} of the heart rate reserve; {lowest:.0%} to {highest:.0%} are usual.",
            )


def _disproved(
    values: Mapping[Kind, float], activities: Sequence[Activity], today: date
) -> Iterator[Inconsistency]:
    for one in within(activities, today, VALIDATED_DAYS):
        for kind, family, curve, unit in (
            (Kind.FTP, Family.RIDE, one.power_curve, "W"),
            (Kind.CRITICAL_SPEED, Family.RUN, one.graded_curve, "m/s"),
        ):
            held = at_duration(curve, HOUR_SECONDS) if one.family == family else None
            if held is not None and kind in values and held > HOUR_ABOVE * values[kind]:
                yield Inconsistency(
                    (kind,),
                    f"{kind} is {values[kind]:.4g} {unit}, and {held:.4g} {unit} were held for an hour on "
                    f"{one.local_on}.",
                )
    seen = heart_thresholds.max_hr(activities, today, None)
    highest = values.get(Kind.MAX_HR)
    if isinstance(seen, Estimate) and highest is not None and seen.value > highest + heart_thresholds.CONFIRMED_BPM:
        yield Inconsistency((Kind.MAX_HR,), f"max_hr is {highest:.0f} bpm. {seen.explanation}")

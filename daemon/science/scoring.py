"""The load of an activity as it is stored: raw, and beside it what the wellness of its day does to it.

The same for an activity that comes in and for one that is computed again years later. Refuses to know where any of
it is kept, and to change what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from daemon.science import wellness
from daemon.science.fitness import Basis
from daemon.science.in_force import Thresholds
from daemon.science.lineage import Entry, thresholds_on
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.statistics import Totals
from daemon.science.wellness import Modifier, Part, Reading, Weights

# How far back the wellness of a day reaches.
WELLNESS_REACH: Final = timedelta(days=wellness.RECENT_DAYS + wellness.BASELINE_DAYS - 1)
NEAR: Final = timedelta(days=3)
_PART: Final = tuple(Part.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Choices:
    """What an installation chooses between, from the settings' section `science`."""

    grade_model: GradeModel
    weights: Weights
    basis: Basis


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the athlete: the rows of his thresholds, his sex, and his mornings by local day."""

    entries: Sequence[Entry]
    sex: str | None
    readings: Mapping[date, Reading]


@dataclass(frozen=True, slots=True)
class Done:
    """An activity to be scored, on its local day."""

    activity_id: int
    local_on: date
    sport_type: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Scored:
    """A load and the modifier of its day."""

    activity_id: int
    load: Load
    modifier: Modifier

    def columns(self) -> dict[str, object]:
        """Return the columns of `activity_loads`, ready to be written as JSON."""
        load, modifier = self.load, self.modifier
        return {
            "activity_id": self.activity_id,
            "method": load.method,
            "raw": load.raw,
            "modifier": modifier.value,
            "modifier_parts": [_plain(part) for part in modifier.parts],
            "modifier_explanation": modifier.explanation,
            "inputs": load.inputs,
            "thresholds": load.thresholds,
            "refused": load.refused,
            "explanation": load.explanation,
            "version": load.version,
        }


def score_all(activities: Sequence[Done], known: Known, choices: Choices) -> Iterator[Scored]:
    """Score activities with the thresholds and the wellness of their days; what is the same day is asked once."""

    @cache
    def in_force(on: date) -> Thresholds:
        return thresholds_on(known.entries, on, known.sex)

    modifiers = {
        modifier.on: modifier
        for first_on, last_on in _spans(one.local_on for one in activities)
        for modifier in wellness.modifiers(first_on, last_on, known.readings, choices.weights)
    }
    for one in activities:
        load = score(one.totals, in_force(one.local_on), one.sport_type, choices.grade_model)
        yield Scored(one.activity_id, load, modifiers[one.local_on])


def _spans(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Return the first and last day of each run of days: near ones are cheaper together than one by one."""
    ordered = sorted(set(days))
    first = 0
    for place in range(1, len(ordered) + 1):
        if place == len(ordered) or ordered[place] - ordered[place - 1] > NEAR:
            yield ordered[first], ordered[place - 1]
            first = place


def _plain(part: Part) -> dict[str, object]:
    return {name: getattr(part, name) for name in _PART}  # asdict would copy what needs no copy

"""The load of one activity from its statistics and the thresholds in force: 100 is one hour at threshold.

The best method that the data allow is used, and each better one is told why it was refused. Nothing here
reads a stream, chooses a threshold or applies wellness: the raw load never changes for those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from daemon.science import methods
from daemon.science.in_force import Thresholds
from daemon.science.methods import Case, Refused, Scored
from daemon.science.pace import GradeModel
from daemon.science.statistics import Totals
from daemon.science.versions import LOAD_VERSION

_Method: TypeAlias = Callable[[Case], Scored | Refused]

# Best first: what was measured nearest to the work done, then what the body answered, then what it felt like.
METHODS: Final[Mapping[str, _Method]] = {
    "power": methods.by_power,
    "pace": methods.by_pace,
    "swim": methods.by_swim,
    "heart_rate": methods.by_heart_rate,
    "perceived_exertion": methods.by_exertion,
    "estimated": methods.by_duration,
}


@dataclass(frozen=True, slots=True)
class Load:
    """A load that explains itself; `method` is "none" and `raw` None where every method was refused.

    `inputs`, `thresholds` (name → value, method, threshold_id) and `refused` (each better method → sentence) can
    be written as JSON.
    """

    method: str
    raw: float | None
    inputs: Mapping[str, object]
    thresholds: Mapping[str, object]
    refused: Mapping[str, str]
    explanation: str
    version: int


def score(totals: Totals, thresholds: Thresholds, sport_type: str, grade_model: GradeModel) -> Load:
    """Return the load by the first method that the statistics and thresholds allow; no sport type is an error."""
    case = Case(totals, thresholds, sport_type, grade_model)
    refused: dict[str, str] = {}
    for name, method in METHODS.items():
        outcome = method(case)
        if isinstance(outcome, Refused):
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
            version=LOAD_VERSION,
        )
    return Load(
        method="none",
        raw=None,
        inputs={},
        thresholds={},
        refused=refused,
        explanation=" ".join(["No load could be computed.", *refused.values()]),
        version=LOAD_VERSION,
    )


def is_estimated(method: str, thresholds: Mapping[str, Mapping[str, Any]], assumed: Collection[int]) -> bool:
    """Say whether a stored load is to look like an estimate: nothing was measured, or not what it is held against.

    `thresholds` are those of `Load`; `assumed` are the ids of rows that follow from a rule of thumb. A default has
    no row and is one, too.
    """
    return method == "estimated" or any(
        used["threshold_id"] in assumed or used["method"] == methods.DEFAULT for used in thresholds.values()
    )

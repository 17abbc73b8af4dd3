"""The best over every duration among many activities, and which of them holds it.

Bests are shown as they were done: nothing is discounted for its age. Refuses to fit a model to them: `critical`
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from daemon.science.critical import Bests
from daemon.science.curves import DURATIONS


@dataclass(frozen=True, slots=True)
class Best:
    """The highest mean over a duration (W, or graded m/s), by whom and when."""

    seconds: int
    value: float
    activity_id: int
    local_on: date


def envelope(curves: Sequence[Bests]) -> tuple[Best, ...]:
    """Return the best of each duration of the grid that any activity reaches; of equals the lower id holds it."""
    if not curves:
        return ()
    rows = sorted(curves, key=lambda one: one.activity_id)
    values = np.zeros((len(rows), DURATIONS.size))
    for row, one in enumerate(rows):
        values[row, : one.curve.size] = one.curve
    values = np.nan_to_num(values)
    holders = np.argmax(values, axis=0)
    return tuple(
        Best(seconds, value, rows[holder].activity_id, rows[holder].local_on)
        for seconds, value, holder in zip(
            DURATIONS.tolist(), values.max(axis=0).tolist(), holders.tolist(), strict=True
        )
        if value > 0
    )

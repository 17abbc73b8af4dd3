"""What befalls an event on its way: lost, late, repeated, or overtaken by the next one.

Decides from a seed; refuses to perform, which is the part of `push`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sandbox.quirks import Quirks


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """The fate of one event, in seconds; None where nothing of the kind happens."""

    lost: bool = False
    late_seconds: float = 0.0
    repeated_after: float | None = None
    waits_at_most: float | None = None


NONE = Mishap()


class Mishaps:
    """Draws a fate for every event; the n-th depends on the seed and the rates alone."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"{seed}/events")

    def befall(self, quirks: Quirks) -> Mishap:
        """Draw the next fate."""
        # Always as many numbers: a rate that changes must not move the fates of another kind.
        lost, late, late_share, again, again_share, swap = (self._random.random() for _ in range(6))
        return Mishap(
            lost=lost < quirks.lost_event_rate,
            late_seconds=_within(quirks.late_event_seconds, late_share) if late < quirks.late_event_rate else 0.0,
            repeated_after=(
                _within(quirks.repeated_event_seconds, again_share) if again < quirks.repeated_event_rate else None
            ),
            waits_at_most=quirks.swapped_event_seconds if swap < quirks.swapped_event_rate else None,
        )


def _within(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * share

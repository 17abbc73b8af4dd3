"""What `domestique athletes explain` prints: what each occasion would decide on one athlete, and on what grounds.

Refuses to decide: it asks the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.core.freshness import (
    Athlete,
    Doubt,
    Occasion,
    Policy,
    Proof,
    Skip,
    Sync,
    doubt,
    habit_of,
    should_sync,
)
from daemon.core.habits import LONGEST, Unseen, likely_hours, unseen

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LIKELY_HOURS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Explanation:
    """One athlete's case: `doubt` is None while webhooks are proven to reach us for him."""

    decisions: tuple[tuple[Occasion, Sync | Skip], ...]
    doubt: Doubt | None
    unseen: Unseen  # expected since his news may be unseen; nothing while proof stands
    weekly: float  # activities that his habits make of a week
    likely: tuple[str, ...]  # the hours of the week, in UTC, in which his activities come

    def lines(self) -> tuple[str, ...]:
        """Return it as sentences, for people."""
        if self.doubt is None:
            proof = "Webhooks are proven to reach us for him: the daily audit is enough."
        else:
            proof = (
                f"No proof that webhooks reach us for him: {self.doubt.reason}. News may be unseen since"
                f" {self.doubt.since:%Y-%m-%d %H:%M} UTC; his habits expect {self.unseen.activities:.2f} activities"
                f" since, which wait for {self.unseen.waiting_hours:.2f} h in all by now."
            )
        habit = f"He uploads {self.weekly:.1f} times a week, mostly at {', '.join(self.likely)} UTC."
        return (proof, habit, *(_sentence(occasion, decision) for occasion, decision in self.decisions))


def explain(athlete: Athlete, now: datetime, proof: Proof, policy: Policy) -> Explanation:
    """Explain what would be done about an athlete now, and why."""
    habit = habit_of(athlete, proof)
    doubted = doubt(athlete, now, proof)
    occasions = [occasion for occasion in Occasion if occasion is not Occasion.MANUAL]
    return Explanation(
        decisions=tuple((occasion, should_sync(athlete, occasion, now, proof, policy)) for occasion in occasions),
        doubt=doubted,
        unseen=Unseen() if doubted is None else unseen(habit, doubted.since, now),
        weekly=unseen(habit, now - LONGEST, now).activities,
        likely=tuple(
            f"{DAYS[hour // 24]} {hour % 24:02}:00" for hour in sorted(likely_hours(habit, now, LIKELY_HOURS_SHOWN))
        ),
    )


def _sentence(occasion: Occasion, decision: Sync | Skip) -> str:
    if isinstance(decision, Sync):
        return f"{occasion}: look ({decision.why}): {decision.reason}; urgency {decision.urgency:.3g}."
    return f"{occasion}: skip ({decision.why}): {decision.reason}; not before {decision.until:%Y-%m-%d %H:%M} UTC."

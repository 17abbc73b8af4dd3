"""Who watches a month: holds every permit against what Strava counted and against what was known when it was given.

It keeps its own books, from grants and answers alone, and never reads a rule off the ledger that it judges.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from daemon.core.admission import Answered, Lane
from daemon.core.quota import Grant, Ledger, Lengths, Limits
from tests.support.strava_counter import Counted

LENGTHS: Final = Lengths()
CLOCK_DRIFT: Final = 1e-4

WindowKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What clear readings had told when a permit was given: others' use by window, and the newest limits."""

    rank: int  # of the permit among all that were given
    foreign: Mapping[WindowKey, tuple[int, int]]
    limits: Limits | None


class Witness:
    """Takes notes while a month runs; `verdicts` reads them."""

    def __init__(self) -> None:
        self.granted: Counter[WindowKey] = Counter()
        self.granted_ahead: Counter[WindowKey] = Counter()  # also charged to the window after this one
        self.by_lane: defaultdict[WindowKey, Counter[Lane]] = defaultdict(Counter)
        self.counted: defaultdict[WindowKey, list[Knowledge]] = defaultdict(list)
        self.broken: list[str] = []
        self.live_waits: list[tuple[float, float]] = []  # when it came due, and how long it waited
        self.starts: list[float] = []  # seconds from a sure turn of a spent quarter to the first ask after it
        self.refused_by_strava = 0
        self._rank = 0
        self._foreign: dict[WindowKey, tuple[int, int]] = {}
        self._newest: tuple[int, Limits] | None = None
        self._spent: set[WindowKey] = set()
        self._refused_quarter: int | None = None

    def grant(self, before: Ledger, after: Ledger, grant: Grant, lane: Lane, now: float) -> Knowledge:
        self._rank += 1
        for name, charge in (("quarter", grant.quarter), ("day", grant.day)):
            key = (name, charge.index)
            self.granted[key] += grant.count
            self.by_lane[key][lane] += grant.count
            if charge.ahead:
                self.granted_ahead[key] += grant.count
            if key in self._spent:
                self.broken.append(f"a permit at {now:.3f} in {key}, after a 429 had said that it is spent")
        for name, window in (("quarter", after.quarter), ("day", after.day)):
            most = self.granted[name, window.index] + self.granted_ahead[name, window.index - 1]
            if window.charged > most:
                self.broken.append(f"{window.charged} charged to {(name, window.index)}, of {most} that were given")
        return Knowledge(self._rank, self._foreign, self._newest and self._newest[1])

    def asked(self, ledger: Ledger, quarter_index: int, now: float, *, is_spent: bool) -> None:
        """Note an ask and the quarter in which it was decided: the first after a spent one tells who came late."""
        if self._refused_quarter is not None and quarter_index == self._refused_quarter + 1:
            self.starts.append(now - _sure_at(ledger, quarter_index))
        self._refused_quarter = quarter_index if is_spent else None

    def count(self, counted: Counted, knowledge: Knowledge) -> None:
        self.counted["quarter", counted.quarter_index].append(knowledge)
        self.counted["day", counted.day_index].append(knowledge)

    def answer(self, ledger: Ledger, grant: Grant, counted: Counted, answer: Answered) -> None:
        """Learn from an answer what anybody could know; `ledger` has it taken in already."""
        if answer.reading is None or answer.dated_at is None:
            return
        # A reading is clear where the request was admitted and answered, beyond doubt, in the current window.
        answered_by = int(answer.dated_at.timestamp()) + 1
        if grant.quarter.index == ledger.quarter.index == answered_by // LENGTHS.quarter_seconds:
            self._learn(("quarter", counted.quarter_index), counted.foreign_quarter)
        if grant.day.index == ledger.day.index == answered_by // LENGTHS.day_seconds:
            self._learn(("day", counted.day_index), counted.foreign_day)
            if self._newest is None or counted.order > self._newest[0]:
                self._newest = (counted.order, counted.limits)
                if ledger.limits != counted.limits:
                    self.broken.append(f"the ledger has {ledger.limits} after a clear reading of {counted.limits}")

    def refusal(self, ledger: Ledger) -> None:
        """Note a 429: what the ledger holds spent now must stay so."""
        self.refused_by_strava += 1
        for name, window in (("quarter", ledger.quarter), ("day", ledger.day)):
            if window.spent:
                self._spent.add((name, window.index))

    def over(self) -> int:
        """Return how many requests went out beyond the limits, as far as they and others' use were known."""
        over = 0
        for (name, index), taken in self.counted.items():
            for count, knowledge in enumerate(sorted(taken, key=lambda known: known.rank), 1):
                if knowledge.limits is None:
                    continue
                overall, read = knowledge.foreign.get((name, index), (0, 0))
                over += count + overall > getattr(knowledge.limits, f"overall_{name}") or count + read > getattr(
                    knowledge.limits, f"read_{name}"
                )
        return over

    def _learn(self, window: WindowKey, foreign: tuple[int, int]) -> None:
        overall, read = self._foreign.get(window, (0, 0))
        if foreign[0] > overall or foreign[1] > read:
            # Permits keep the mapping as it was: it is replaced, never changed.
            self._foreign = {**self._foreign, window: (max(overall, foreign[0]), max(read, foreign[1]))}


def _sure_at(ledger: Ledger, quarter_index: int) -> float:
    """Return when, on our clock, a quarter had begun for sure, as far as this ledger knows the clocks."""
    low, at = ledger.offset_low_seconds, ledger.offset_at
    if low is None or at is None:
        return quarter_index * LENGTHS.quarter_seconds + 120.0
    return (quarter_index * LENGTHS.quarter_seconds - low - CLOCK_DRIFT * at.timestamp()) / (1.0 - CLOCK_DRIFT)

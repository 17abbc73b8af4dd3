"""What becomes of an estimate: a row that is written, or a reason why the value in force stays.

Rules of patience and caution. Small changes wait, large ones come in steps, falls are weekly and never on one
activity's account, older loads keep the thresholds of their time, and a manual value is never overwritten.
Refuses to store, to recompute and to withdraw: it says what should be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from daemon.science import effort_thresholds, heart_thresholds
from daemon.science.critical import WINDOW_DAYS
from daemon.science.evidence import (
    Activity,
    Estimate,
    Kind,
    Outcome,
    Pulse,
    RestingReading,
    Unknown,
)
from daemon.science.sports import Family

SIGNIFICANT_ACTIVITIES: Final = 3
SIGNIFICANT_SECONDS: Final = 1800
SIGNIFICANT_WINDOW: Final = timedelta(hours=168)
RISES_ABOVE: Final = 1.02
FALLS_BELOW: Final = 0.97
LARGEST_STEP: Final = 0.10
RECOMPUTED_ABOVE: Final = 0.05
FROM_THE_BEGINNING: Final = date(1970, 1, 1)
IMPORTED: Final = "imported"  # brought along from another app


class Occasion(StrEnum):
    """Why an athlete's thresholds are looked at."""

    SIGNIFICANT_WEEK = "significant_week"
    WEEKLY = "weekly"
    RESTING_HR = "resting_hr"


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest row of a kind that was not withdrawn; `written_on` is the day on which it was decided."""

    value: float
    method: str
    effective_on: date
    written_on: date
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class InForce:
    """What stands for one kind: the newest automatic (or imported) row, and the manual one that wins over it."""

    automatic: Standing | None = None
    manual: Standing | None = None

    @property
    def value(self) -> Standing | None:
        """What counts today."""
        return self.manual or self.automatic


@dataclass(frozen=True, slots=True)
class Row:
    """A threshold to write.

    `moved` is the change against the automatic value before, as a share; None for a first one, which counts
    from the beginning. `suggested` rows wait behind a manual value. Where the change asks for it, the loads from
    `recompute_from` on are to be made again.
    """

    kind: Kind
    value: float
    standard_error: float
    method: str
    effective_on: date
    suggested: bool
    assumed: bool
    moved: float | None
    recompute_from: date | None
    explanation: str
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing is written, and why; `outcome` is what the data said."""

    kind: Kind
    reason: str
    outcome: Outcome


Decision: TypeAlias = Row | Kept


class Session(Protocol):
    """As much of an activity as says whether it is significant."""

    @property
    def started_at(self) -> datetime:
        """When it started."""

    @property
    def family(self) -> str:
        """What it belongs to, see `sports.Family`."""

    @property
    def moving_seconds(self) -> int:
        """How long he moved."""


def is_due(activities: Iterable[Session], now: datetime) -> bool:
    """Say whether the last 168 hours hold three significant activities: rides or runs of 30 minutes moving."""
    significant = [
        one
        for one in activities
        if one.family in {Family.RIDE, Family.RUN}
        and one.moving_seconds >= SIGNIFICANT_SECONDS
        and timedelta(0) <= now - one.started_at <= SIGNIFICANT_WINDOW
    ]
    return len(significant) >= SIGNIFICANT_ACTIVITIES


def look(
    activities: Sequence[Activity],
    in_force: Mapping[Kind, InForce],
    occasion: Occasion,
    today: date,
    age_years: float | None,
) -> tuple[Decision, ...]:
    """Decide on every threshold that activities tell, from those of the last 24 months.

    What is decided on the maximum goes into what follows from it, and FTP and speed into the threshold heart rate.
    """

    def decided(outcome: Outcome) -> tuple[Decision, _Level | None]:
        stands = in_force.get(outcome.kind, InForce())
        decision = decide(outcome, stands, occasion, today)
        return decision, _level(decision, stands)

    rest = in_force.get(Kind.RESTING_HR, InForce()).value
    max_hr, highest = decided(heart_thresholds.max_hr(activities, today, age_years))
    pulse = _pulse(rest, highest)
    ftp, power = decided(effort_thresholds.ftp(activities, today, pulse))
    critical_speed, speed = decided(effort_thresholds.critical_speed(activities, today, pulse))
    swim, _ = decided(effort_thresholds.critical_swim_speed(activities, today))
    watts, metres_per_second = (level.value if level is not None else None for level in (power, speed))
    lthr, _ = decided(heart_thresholds.lthr(activities, today, pulse, watts, metres_per_second))
    return max_hr, ftp, critical_speed, swim, lthr


def look_at_rest(readings: Sequence[RestingReading], in_force: InForce, today: date) -> Decision:
    """Decide on the resting heart rate."""
    return decide(heart_thresholds.resting_hr(readings, today), in_force, Occasion.RESTING_HR, today)


def decide(outcome: Outcome, in_force: InForce, occasion: Occasion, today: date) -> Decision:
    """Say what becomes of one estimate, against the automatic value that stands."""
    if isinstance(outcome, Unknown):
        return Kept(outcome.kind, outcome.reason, outcome)
    before = in_force.automatic
    if before is None or (before.assumed and not outcome.assumed):
        return _row(
            outcome, outcome.value, FROM_THE_BEGINNING, in_force, "It is the first and counts for all days."
        )
    if outcome.assumed and not before.assumed:
        return Kept(outcome.kind, "A rule of thumb does not replace what was observed.", outcome)
    value, stands = outcome.value, before.value
    if FALLS_BELOW * stands <= value <= RISES_ABOVE * stands:
        return Kept(
            outcome.kind,
            f"{value:.4g} is too near to {stands:.4g}, which stands: a change is written above "
            f"{RISES_ABOVE - 1:+.0%} or below {FALLS_BELOW - 1:+.0%}.",
            outcome,
        )
    if value < stands:
        patience = _why_no_fall(outcome, before, occasion, today)
        if patience is not None:
            return Kept(outcome.kind, patience, outcome)
    value = min(max(value, (1 - LARGEST_STEP) * stands), (1 + LARGEST_STEP) * stands)
    # Never before the row that it replaces: that one would win over it.
    effective_on = max(outcome.newest_on, before.effective_on) if value > stands else today
    return _row(outcome, value, effective_on, in_force, _change(outcome, before, value))


@dataclass(frozen=True, slots=True)
class _Level:
    """What counts after a decision."""

    value: float
    assumed: bool


def _level(decision: Decision, stands: InForce) -> _Level | None:
    if isinstance(decision, Row) and not decision.suggested:
        return _Level(decision.value, decision.assumed)
    return _Level(stands.value.value, stands.value.assumed) if stands.value is not None else None


def _pulse(rest: Standing | None, highest: _Level | None) -> Pulse:
    plain = Pulse() if rest is None else Pulse(resting_bpm=rest.value)
    if highest is None or highest.value <= plain.resting_bpm:
        return plain
    return Pulse(plain.resting_bpm, highest.value, max_known=not highest.assumed)


def _why_no_fall(estimate: Estimate, before: Standing, occasion: Occasion, today: date) -> str | None:
    """Return why a value may not fall today; None where it may."""
    if occasion is Occasion.SIGNIFICANT_WEEK:
        return f"{estimate.value:.4g} is below {before.value:.4g}: values fall in the weekly look only."
    if estimate.kind is Kind.MAX_HR and before.method == IMPORTED:
        # Who never goes all out shows less than his maximum, and the app that it came from may know a test.
        return (
            f"{estimate.value:.4g} was seen and {before.value:.4g} brought along: what is seen can only raise that."
        )
    if estimate.kind is not Kind.FTP:
        return None
    poorer = before.method == "critical_power" and estimate.method != before.method
    if poorer and (today - before.written_on).days < WINDOW_DAYS:
        return (
            f"{estimate.value:.4g} by a poorer method is below {before.value:.4g}: that waits until a year has "
            "passed over the better one."
        )
    for one in estimate.without:
        if one.local_on > before.written_on and one.value >= FALLS_BELOW * before.value:
            return (
                f"{estimate.value:.4g} is below {before.value:.4g} on account of one new activity, that of "
                f"{one.local_on}: a value does not fall for that."
            )
    return None


def _change(estimate: Estimate, before: Standing, value: float) -> str:
    words = f"It replaces {before.value:.4g} ({value / before.value - 1:+.1%})."
    if value != estimate.value:
        words += f" The data say {estimate.value:.4g}; one step is {LARGEST_STEP:.0%} at most."
    return words


def _row(estimate: Estimate, value: float, effective_on: date, in_force: InForce, words: str) -> Row:
    before, manual = in_force.automatic, in_force.manual
    felt = manual is None or effective_on < manual.effective_on
    small = before is not None and abs(value - before.value) <= RECOMPUTED_ABOVE * before.value
    if manual is not None:
        words += f" The manual value of {manual.value:.4g} wins from {manual.effective_on} until it is withdrawn."
    return Row(
        kind=estimate.kind,
        value=value,
        standard_error=estimate.standard_error,
        method=estimate.method,
        effective_on=effective_on,
        suggested=manual is not None,
        assumed=estimate.assumed,
        moved=value / before.value - 1 if before is not None else None,
        recompute_from=effective_on if felt and not small else None,
        explanation=f"{estimate.explanation} {words}",
        evidence={**estimate.evidence, "estimate": estimate.value, "newest_on": estimate.newest_on.isoformat()},
    )

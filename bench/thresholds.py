"""How near the thresholds come to the truth: the sandbox's athletes after a year, fitted from stored statistics.

    .venv/bin/python -m bench.thresholds [SEED]

200 athletes who go all out on a bicycle with a meter or on foot, and beside them those who never do. A refusal
counts as a failure. Truth is what the athletes' bodies could do on the last day. Nothing is kept on disk.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from multiprocessing import Pool
from typing import Any

import numpy as np
from rich.progress import track

from daemon.science.effort_thresholds import ftp
from daemon.science.evidence import Activity, Estimate, Kind, Pulse, at_duration
from daemon.science.thresholds import InForce, Kept, Occasion, Row, Standing, look
from tests.support.lived_years import TODAY, YEAR_DAYS, LivedYear, Town

ATHLETES = 200
NUMBERS = 420  # of so many the first 200 who can show something are taken
WORKERS = 2
NEAR = 0.03
NEAR_BPM = 3.0
LARGEST_ERROR = 0.05
CORRUPT = 1.3
TRUTH = {
    Kind.FTP: "critical_power",
    Kind.CRITICAL_SPEED: "critical_speed",
    Kind.CRITICAL_SWIM_SPEED: "swim_speed",
    Kind.LTHR: "threshold_bpm",
    Kind.MAX_HR: "max_bpm",
}
RESERVE = {Kind.FTP: "w_prime", Kind.CRITICAL_SPEED: "d_prime"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """One threshold of one athlete against the truth; shares, bpm for hearts, None where it was refused."""

    error: float | None
    standard_error: float | None
    reserve_error: float | None
    in_force_error: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One athlete, with what he can show, and the worst that one corrupt ride did to his FTP."""

    shown: frozenset[Kind]
    fitted: dict[Kind, Fitted]
    moved: float
    miscalibrated: bool
    activities: int
    milliseconds: float


def fit_at_once(year: LivedYear) -> dict[Kind, Row | Kept]:
    """Return what a first look at the whole year decides."""
    return {one.kind: one for one in look(year.activities, {}, Occasion.WEEKLY, TODAY, None)}


def live_through(year: LivedYear) -> tuple[dict[Kind, InForce], dict[Kind, int]]:
    """Look every week of the year; return what is in force at its end, and how many rows that took."""
    in_force: dict[Kind, InForce] = {}
    rows = dict.fromkeys(Kind, 0)
    for weeks in reversed(range(YEAR_DAYS // 7)):
        today = TODAY - timedelta(weeks=weeks)
        known = [one for one in year.activities if one.local_on <= today]
        for one in look(known, in_force, Occasion.WEEKLY, today, None):
            if isinstance(one, Row):
                rows[one.kind] += 1
                in_force[one.kind] = InForce(Standing(one.value, one.method, one.effective_on, today, one.assumed))
    return in_force, rows


def corrupted(activity: Activity) -> Activity:
    """Return a ride whose meter read 30 % too much."""
    assert activity.power_curve is not None
    return replace(activity, power_curve=activity.power_curve * CORRUPT)


def worst_move(activities: Sequence[Activity], pulse: Pulse) -> float:
    """Return the largest change of FTP that one corrupt ride makes: any of the 20 strongest, or the newest."""
    whole = ftp(activities, TODAY, pulse)
    rides = [one for one in activities if one.power_curve is not None]
    strongest = sorted(rides, key=lambda ride: at_duration(ride.power_curve, 600) or 0.0, reverse=True)[:20]
    moved = 0.0
    for ride in [*strongest, rides[-1]]:
        changed = [corrupted(one) if one is ride else one for one in activities]
        outcome = ftp(changed, TODAY, pulse)
        if isinstance(whole, Estimate) and isinstance(outcome, Estimate):
            moved = max(moved, abs(outcome.value / whole.value - 1))
    return moved


def measure(asked: tuple[int, int]) -> Measured:
    """Let one athlete live, and hold what is made of it against the truth."""
    seed, number = asked
    year = town(seed).live(number)
    shown = set()
    if year.shows_power:
        shown.add(Kind.FTP)
    if year.shows_speed:
        shown.add(Kind.CRITICAL_SPEED)
    if shown and year.habits.has_strap:
        shown |= {Kind.LTHR, Kind.MAX_HR}
    began = time.perf_counter()
    decisions = fit_at_once(year)
    milliseconds = 1000 * (time.perf_counter() - began)
    in_force, rows = live_through(year)
    fitted = {}
    for kind, name in TRUTH.items():
        true, decision, stands = getattr(year.truth, name), decisions[kind], in_force.get(kind, InForce()).automatic
        scale = 1.0 if kind in {Kind.LTHR, Kind.MAX_HR} else true
        row = decision if isinstance(decision, Row) else None
        reserve: Any = row.evidence.get("reserve") if row is not None and kind in RESERVE else None
        fitted[kind] = Fitted(
            error=(row.value - true) / scale if row is not None else None,
            standard_error=row.standard_error / scale if row is not None else None,
            reserve_error=reserve / getattr(year.truth, RESERVE[kind]) - 1 if reserve is not None else None,
            in_force_error=(stands.value - true) / scale if stands is not None else None,
            rows=rows[kind],
        )
    highest = decisions[Kind.MAX_HR]
    pulse = Pulse(max_bpm=highest.value, max_known=True) if isinstance(highest, Row) else Pulse()
    moved = worst_move(year.activities, pulse) if year.shows_power else 0.0
    return Measured(frozenset(shown), fitted, moved, year.miscalibrated, len(year.activities), milliseconds)


@cache
def town(seed: int) -> Town:
    """Return one world, the same in every process."""
    return Town(seed, NUMBERS)


def right(kind: Kind, one: Fitted) -> bool:
    """Say whether a value is as near as promised."""
    if one.error is None or one.standard_error is None:
        return False
    if kind in {Kind.LTHR, Kind.MAX_HR}:
        return abs(one.error) <= NEAR_BPM
    return one.standard_error <= LARGEST_ERROR and abs(one.error) <= max(NEAR, 2 * one.standard_error)


def show(kind: Kind, title: str, many: Sequence[Fitted]) -> None:
    """Print one line of the table."""
    if not many:
        return
    bpm = kind in {Kind.LTHR, Kind.MAX_HR}
    unit, scale, near = ("bpm", 1.0, NEAR_BPM) if bpm else ("%", 100.0, NEAR)
    errors = np.array([one.error for one in many if one.error is not None])
    stood = np.array([one.in_force_error for one in many if one.in_force_error is not None])
    spread = [one.standard_error for one in many if one.standard_error is not None]
    if not errors.size:
        print(f"{title:<42}{len(many):4d}   refused all")
        return
    print(
        f"{title:<42}{len(many):4d}{sum(right(kind, one) for one in many) / len(many):8.1%}"
        f"{sum(abs(errors) <= near) / len(many):9.1%}{len(many) - errors.size:9d}"
        f"{scale * errors.mean():+9.2f}{scale * errors.std():7.2f}{scale * float(np.median(spread)):7.2f} {unit:<4}"
        f"{sum(abs(stood) <= near) / len(many):9.1%}{np.mean([one.rows for one in many]):7.1f}"
    )


def main() -> None:
    """Measure and print."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    sporting = [
        (number, habits)
        for number, habits in town(seed).habits()
        if habits.profile in {"cyclist", "runner", "triathlete"}
    ]
    able = [number for number, habits in sporting if habits.goes_hard][:ATHLETES]
    easy = [number for number, habits in sporting if not habits.goes_hard and number < able[-1]]
    began = time.perf_counter()
    with Pool(WORKERS) as pool:
        asked = [(seed, number) for number in able + easy]
        measured = list(track(pool.imap(measure, asked), description="a year each", total=len(asked)))
    hard, never = measured[: len(able)], measured[len(able) :]
    print(
        f"seed {seed}: {len(able)} athletes who go all out, {len(easy)} who never do; "
        f"{sum(one.activities for one in measured)} activities in {time.perf_counter() - began:.0f} s"
    )
    print(
        f"{'':<42}{'n':>4}{'right':>8}{'within':>9}{'refused':>9}{'bias':>9}{'sd':>7}{'SE':>7} {'':<4}"
        f"{'in force':>9}{'rows':>7}"
    )
    for kind, title in (
        (Kind.FTP, "critical power"),
        (Kind.CRITICAL_SPEED, "critical speed"),
        (Kind.LTHR, "threshold heart rate"),
        (Kind.MAX_HR, "highest heart rate"),
    ):
        show(kind, title, [one.fitted[kind] for one in hard if kind in one.shown])
    for kind, title in ((Kind.FTP, "FTP of those who never go all out"), (Kind.CRITICAL_SPEED, "CS of the same")):
        show(kind, title, [one.fitted[kind] for one in never])
    for kind, name in RESERVE.items():
        errors = [
            abs(error)
            for one in hard
            if kind in one.shown and (error := one.fitted[kind].reserve_error) is not None
        ]
        print(f"{name}: off by {np.median(errors):.1%} in the median, {np.percentile(errors, 90):.1%} at the 90th")
    moved = [one.moved for one in hard if Kind.FTP in one.shown and not one.miscalibrated]
    others = [one.moved for one in hard if Kind.FTP in one.shown and one.miscalibrated]
    print(f"one corrupt ride × {CORRUPT} moves FTP by {max(moved):.1%} at most, of {len(moved)} athletes")
    if others:
        print(f"  and by {max(others):.1%} where another ride was corrupt already, of {len(others)}")
    print(f"one look at everything: {np.median([one.milliseconds for one in measured]):.1f} ms in the median")


if __name__ == "__main__":
    main()

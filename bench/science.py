"""What the science costs: the statistics of a ride, and 90 days of loads computed again from what is kept.

    .venv/bin/python -m bench.science [--athletes 1000] [--without-database]

First one process and no database: rows stand in memory as a query would give them. Beside it the plain way, the
same loads from the raw streams without any curve: a few activities are measured, the rest is their multiple. Even
so that way is flattered, for the streams would first have to be kept, or asked of Strava. Then the same through the
database and the daemon's own jobs. Ratios are of one run; absolute figures are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import orjson

from bench import science_store
from bench.science_store import Original
from daemon.science import fitness, heart, pace, power, streams, wellness
from daemon.science.fitness import Basis, DayLoad
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.sports import Family, family_of
from daemon.science.statistics import ActivityFacts, Statistics, Totals, summarize
from daemon.science.wellness import Reading, Weights
from daemon.strava.wire import parse_streams

DAYS = 90
TODAY = date(2026, 7, 1)
EVERY_DAYS = (2, 2, 1, 1, 1)  # five activities in seven days
REPEATS = 7

THRESHOLDS = Thresholds(
    ftp_watts=Threshold(250.0, "critical_power", 1),
    critical_speed_m_per_s=Threshold(4.0, "critical_power", 2),
    css_m_per_s=Threshold(1.1, "critical_power", 3),
    lthr_bpm=Threshold(168.0, "critical_power", 4),
    max_hr_bpm=Threshold(188.0, "observed", 5),
    resting_hr_bpm=Threshold(48.0, "observed", 6),
    sex="F",
)


@dataclass(frozen=True)
class Example:
    """An activity as Strava gives it, and as a row of ours; `body` None where there are no streams."""

    sport_type: str
    facts: ActivityFacts
    body: bytes | None
    row: dict[str, Any]
    statistics: Statistics


def example(sport_type: str, seconds: int, *channels: str) -> Example:
    """Draw an activity with these streams."""
    chance = np.random.default_rng(seconds)
    effort = np.repeat(chance.uniform(0.5, 1.1, seconds // 60 + 1), 60)[:seconds]
    speed = {Family.RUN: 3.5, Family.SWIM: 1.0}.get(family_of(sport_type), 8.0) * effort
    drawn = {
        "watts": np.rint(250 * effort + chance.normal(0, 20, seconds)),
        "heartrate": np.rint(90 + 80 * effort),
        "velocity_smooth": speed,
        "distance": np.cumsum(speed),
        "altitude": 200 + 40 * np.sin(np.cumsum(speed) / 400),
    }
    answer: dict[str, object] = {"time": {"data": list(range(seconds))}}
    answer |= {key: {"data": drawn[key].tolist()} for key in channels}
    body = orjson.dumps(answer) if channels else None
    facts = ActivityFacts(
        sport_type=sport_type,
        elapsed_seconds=seconds,
        moving_seconds=seconds,
        distance_m=float(speed.sum()),
        device_watts="watts" in channels,
        trainer=False,
        perceived_exertion=None,
    )
    found = summarize(parse_streams(body) if body else None, facts)
    columns = found.columns()
    row: dict[str, Any] = {name: columns[name] for name in Totals.__dataclass_fields__}
    if row["heart_rate_seconds"] is not None:
        row["heart_rate_seconds"] = row["heart_rate_seconds"].tolist()  # as a driver gives an array
    return Example(sport_type, facts, body, row, found)


def examples() -> list[Example]:
    """Return what athletes do in ten activities, every method among it."""
    moving = ("heartrate", "velocity_smooth", "distance", "altitude")
    return [
        example("Ride", 3600, "watts", *moving),
        example("Ride", 5400, "watts", *moving),
        example("Ride", 7200, "watts", *moving),
        example("Ride", 10_800, *moving),
        example("VirtualRide", 3600, "watts", "heartrate"),
        example("Run", 2700, *moving),
        example("Run", 3600, *moving),
        example("TrailRun", 5400, *moving),
        example("Swim", 2700, "heartrate", "distance"),
        example("Yoga", 3600),
    ]


def seconds_of(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median CPU time that some work takes: others on the machine do not count."""
    took = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    return statistics.median(took)


def ride_statistics(hours: int) -> float:
    """Return the seconds from the body of a streams answer to the statistics of a ride."""
    ride = example("Ride", hours * 3600, "watts", "heartrate", "velocity_smooth", "distance", "altitude")
    assert ride.body is not None
    body = ride.body
    return seconds_of(lambda: summarize(parse_streams(body), ride.facts))


def slice_of(athlete: int, known: list[Example]) -> Iterator[tuple[date, Example]]:
    """Return the activities of 90 days of one athlete; each athlete begins elsewhere."""
    on, count = TODAY - timedelta(days=DAYS - 1), athlete
    while on <= TODAY:
        yield on, known[count % len(known)]
        on += timedelta(days=EVERY_DAYS[count % len(EVERY_DAYS)])
        count += 1


def recompute(athlete: int, known: list[Example]) -> list[tuple[date, Load]]:
    """Compute one athlete's loads again from stored rows: the slice after which live work may go first."""
    return [
        (on, score(Totals.from_columns(one.row), THRESHOLDS, one.sport_type, GradeModel.STRAVA))
        for on, one in slice_of(athlete, known)
    ]


def from_raw(one: Example) -> float | None:
    """Return the load in the plain way: from the streams, with nothing kept but the number."""
    family = family_of(one.sport_type)
    if one.body is None or family is Family.SWIM:
        return score(Totals.from_columns(one.row), THRESHOLDS, one.sport_type, GradeModel.STRAVA).raw
    grid = streams.clean(parse_streams(one.body), elapsed_seconds=one.facts.elapsed_seconds, family=family)
    assert isinstance(grid, streams.Grid)
    assert THRESHOLDS.ftp_watts is not None
    assert THRESHOLDS.critical_speed_m_per_s is not None
    if grid.power is not None:
        watts = power.fourth_powers(grid.power, grid.paused).normalized or 0.0
        return power.training_stress(watts, grid.counted_seconds, THRESHOLDS.ftp_watts.value)
    if grid.grade is not None and grid.speed is not None:
        graded = grid.speed * pace.strava_factor(grid.grade)
        speed = power.fourth_powers(graded, grid.paused).normalized or 0.0
        return pace.training_stress(speed, grid.counted_seconds, THRESHOLDS.critical_speed_m_per_s.value)
    assert grid.heart_rate is not None
    reserve = heart.Reserve(48.0, 188.0, heart.Exponents.WOMEN)
    trimp = heart.trimp(heart.histogram(grid.heart_rate), reserve)
    return 100 * trimp / heart.threshold_hour(168.0, reserve)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the science costs.")
    parser.add_argument("--athletes", type=int, default=1000)
    parser.add_argument("--without-database", action="store_true")
    options = parser.parse_args()
    athletes: int = options.athletes
    known = examples()

    print(f"statistics of a ride, streams answer to row     1 h {1000 * ride_statistics(1):8.1f} ms")
    print(f"                                                5 h {1000 * ride_statistics(5):8.1f} ms\n")

    for one in known:  # both ways are the same numbers
        kept = score(Totals.from_columns(one.row), THRESHOLDS, one.sport_type, GradeModel.STRAVA).raw
        plain = from_raw(one)
        assert kept is not None
        assert plain is not None
        assert abs(kept - plain) < 1e-6, one.sport_type

    rows = sum(1 for athlete in range(athletes) for _ in slice_of(athlete, known))
    started = time.process_time()
    for athlete in range(athletes):
        recompute(athlete, known)
    kept_seconds = time.process_time() - started
    plain_seconds = sum(seconds_of(lambda one=one: from_raw(one), 3) for one in known) / len(known) * rows  # type: ignore[misc]

    tracemalloc.start()
    results = recompute(0, known)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    row_bytes = sum(len(orjson.dumps(one.row)) for one in known) / len(known)
    raw_bytes = sum(len(one.body or b"") for one in known) / len(known)

    loads = [DayLoad(on, load.raw or 0.0, load.raw or 0.0) for on, load in results]
    first_on = TODAY - timedelta(days=DAYS - 1)
    fitness_seconds = athletes * seconds_of(lambda: fitness.follow(loads, Basis.UTL, first_on, TODAY, None), 50)
    readings = {TODAY - timedelta(days=back): Reading(55.0 + back % 9, 48.0 + back % 4, 7.5) for back in range(160)}
    wellness_seconds = athletes * seconds_of(
        lambda: wellness.modifiers(first_on, TODAY, readings, Weights()), REPEATS
    )

    print(f"loads of {DAYS} days of {athletes:,} athletes, {rows:,} activities")
    print(f"{'':44}{'CPU s':>10}{'rows/s':>12}{'input a row':>14}{'ratio':>8}")
    for what, took, size in (
        ("from what is kept", kept_seconds, row_bytes),
        ("from raw streams (extrapolated)", plain_seconds, raw_bytes),
    ):
        ratio = f"{plain_seconds / took:.0f} ×" if took is kept_seconds else "1"
        print(f"{what:44}{took:10.1f}{rows / took:12,.0f}{size / 1000:11,.1f} kB{ratio:>8}")
    print(f"memory for one athlete's slice ({len(results)} activities): {peak_bytes / 1000:,.0f} kB at most\n")
    print(f"fitness of those days   {fitness_seconds:8.1f} s{athletes * DAYS / fitness_seconds:12,.0f} days/s")
    print(f"modifiers of those days {wellness_seconds:8.1f} s{athletes * DAYS / wellness_seconds:12,.0f} days/s")
    if not options.without_database:
        science_store.measure(
            [Original(one.sport_type, one.statistics, one.body, partial(from_raw, one)) for one in known], athletes
        )


if __name__ == "__main__":
    main()

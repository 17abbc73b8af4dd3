"""How fresh a fleet is kept, and at what price: the policy against the two systems that came before.

    .venv/bin/python -m bench.freshness [--quick] [--seed N]

Virtual time; the same seed prints the same figures. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.fleet import Fleet, Rule
from bench.lives import DAY, Outage
from bench.score import Score, Setting
from daemon.core.freshness import Policy

RULES: Final[dict[str, Rule]] = {
    "old A: all every 30 min": "old A",
    "old B: all every 3.5 h": "old B",
    "fixed": Policy("fixed"),
    "adaptive, not predictive": Policy(predictive=False),
    "adaptive": Policy(),
}
ADAPTIVE: Final = "adaptive"
FEWER: Final = ("old B: all every 3.5 h", "fixed", ADAPTIVE)  # where a run takes long, or the others do as these
DOWN, UNTOLD = "daemon down", "nobody is told"
CALLS_A_DAY, CALLS_A_QUARTER = 30_000, 600
PROPORTION: Final = 3.0  # calls an athlete and day, where the quota grows with the fleet
OUTAGE_BEGAN: Final = 2 * DAY + 15 * 60 + 7
OUTAGES: Final = {"1 min": 1, "5 min": 5, "1 h": 60, "6 h": 360, "12 h": 720, "48 h": 2_880}


@dataclass(frozen=True, slots=True)
class Run:
    """One simulation, and in which table its row stands."""

    table: str
    labels: tuple[str, ...]
    rule: str
    setting: Setting


def runs(seed: int, *, quick: bool) -> list[Run]:
    """Return what is to be simulated, in the order of the tables' rows."""
    days = 3 if quick else 5
    size = 200 if quick else 1_000
    plan = [
        Run("webhooks", (f"{dropped:.0%}", rule), rule, Setting(size, days, dropped, seed=seed))
        for dropped in (0.0, 0.05, 1.0)
        for rule in RULES
    ]
    for minutes, lasting in OUTAGES.items():
        if quick and lasting not in {60, 720}:
            continue
        for kind, rule in [(DOWN, rule) for rule in FEWER] + [(UNTOLD, ADAPTIVE)]:
            outage = Outage(OUTAGE_BEGAN, lasting, silent=kind == UNTOLD)
            setting = Setting(size, 2 + math.ceil((outage.ended - 2 * DAY) / DAY), 0.0, (outage,), seed=seed)
            plan.append(Run("outages", (minutes, kind, rule), rule, setting))
    for athletes in (100,) if quick else (100, 1_000, 10_000, 100_000):
        for quota in ("30,000 a day", "in proportion"):
            setting = _sized(athletes, quota, seed, days=1 if athletes > 1_000 else 3)
            if athletes * PROPORTION == CALLS_A_DAY and quota == "in proportion":
                continue  # it is the same
            plan += [
                Run("sizes", (f"{athletes:,}", quota, rule), rule, setting)
                for rule in RULES
                if athletes < 100_000 or (quota == "in proportion" and rule in FEWER) or rule == ADAPTIVE
            ]
    for dropped, sizes in ((0.0, (12_000, 13_000)), (0.05, (11_000, 12_000)), (1.0, (3_000, 4_500))):
        plan += [
            Run("largest", (f"{dropped:.0%}", f"{athletes:,}"), ADAPTIVE,
                replace(_sized(athletes, "30,000 a day", seed, days=1), dropped=dropped))
            for athletes in (() if quick else sizes)
        ]  # fmt: skip
    return plan


def _sized(athletes: int, quota: str, seed: int, days: int) -> Setting:
    calls = CALLS_A_DAY if quota == "30,000 a day" else round(athletes * PROPORTION)
    a_quarter = max(6, calls * CALLS_A_QUARTER // CALLS_A_DAY)
    return Setting(athletes, days, 0.05, (), calls, a_quarter, seed, to_the_end=athletes <= 1_000)


def simulate(run: Run) -> tuple[Run, Score]:
    """Simulate one of them, in a process of its own."""
    return run, Fleet(run.setting, RULES[run.rule]).run()


def simulate_all(plan: Sequence[Run]) -> dict[tuple[str, ...], Score]:
    """Simulate them on all processors, with a bar; returns scores by table and labels."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    scores: dict[tuple[str, ...], Score] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress, ProcessPoolExecutor(os.cpu_count()) as pool:
        task = progress.add_task("fleets", total=len(plan))
        longest_first = sorted(plan, key=lambda run: -run.setting.athletes * run.setting.days)
        for done in as_completed([pool.submit(simulate, run) for run in longest_first]):
            run, score = done.result()
            scores[run.table, *run.labels] = score
            progress.update(task, advance=1, description=f"{run.table}: {', '.join(run.labels)}")
    return scores


def told(minutes: float) -> str:
    """Return a span as people read it."""
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def freshness(score: Score) -> tuple[str, ...]:
    """Return p50, p95 and p99."""
    return tuple(told(score.percentile(share)) for share in (50, 95, 99))


def hidden(score: Score, share: float) -> str:
    """Return a percentile of how long it took to find what was hidden, or a dash where nothing was."""
    return told(float(np.percentile(score.hidden, share))) if score.hidden.size else "–"


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(headings) + " |")
    print("|" + " --- |" * len(headings))
    for row in rows:
        print("| " + " | ".join(row) + " |")


Cells = Callable[[Run, Score], tuple[str, ...]]


def _webhooks(run: Run, score: Score) -> tuple[str, ...]:
    price = (f"{score.calls_per_activity:.1f}", f"{score.idle_calls:.2f}")
    return *price, *freshness(score), hidden(score, 100), str(score.missed_forever)


def _outages(run: Run, score: Score) -> tuple[str, ...]:
    within = f"{np.mean(score.hidden <= 60):.0%}" if score.hidden.size else "–"
    found = (str(score.hidden.size), hidden(score, 50), hidden(score, 100), within)
    return *found, f"{score.calls_per_athlete_day:.1f}", str(score.missed_forever)


def _sizes(run: Run, score: Score) -> tuple[str, ...]:
    price = (f"{score.calls_per_activity:.1f}", f"{score.idle_calls:.2f}")
    return *price, *freshness(score), f"{score.waiting / max(1, score.found):.1%}"


def _largest(run: Run, score: Score) -> tuple[str, ...]:
    calls = f"{score.calls / run.setting.days:,.0f}"
    return (
        calls,
        *freshness(score),
        f"{score.longest_blind_hours:.1f} h",
        f"{score.waiting / max(1, score.found):.1%}",
    )


PRICE: Final = ("calls / new activity", "calls / idle athlete-day")
FRESHNESS: Final = ("p50", "p95", "p99")
TABLES: Final[dict[str, tuple[str, tuple[str, ...], Cells]]] = {
    "webhooks": (
        "Events lost on their way",
        ("lost", "policy", *PRICE, *FRESHNESS, "lost ones found within", "missed forever"),
        _webhooks,
    ),
    "outages": (
        "Outages: how long after recovery what they hid is found",
        ("outage", "kind", "policy", "hid", "p50", "all", "within 1 h", "calls / athlete-day", "missed forever"),
        _outages,
    ),
    "sizes": (
        "Sizes, with 5 % of events lost",
        ("athletes", "quota", "policy", *PRICE, *FRESHNESS, "not known in the end"),
        _sizes,
    ),
    "largest": (
        "The largest fleet under 30,000 calls a day, adaptive",
        ("lost", "athletes", "calls / day", *FRESHNESS, "longest without look or proof", "not known in the end"),
        _largest,
    ),
}


def print_tables(plan: Sequence[Run], scores: dict[tuple[str, ...], Score]) -> None:
    """Print every table of which something was simulated, rows in the order of the plan."""
    for name, (title, headings, cells) in TABLES.items():
        rows = [(*run.labels, *cells(run, scores[run.table, *run.labels])) for run in plan if run.table == name]
        if rows:
            table(title, headings, rows)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="bench.freshness", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small fleets and few days: less than a minute")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    plan = runs(arguments.seed, quick=arguments.quick)
    scores = simulate_all(plan)
    print_tables(plan, scores)
    print(f"\n{len(plan)} fleets in {time.perf_counter() - began:.0f} s, seed {arguments.seed}")


if __name__ == "__main__":
    main()

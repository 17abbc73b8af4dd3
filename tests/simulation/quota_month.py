"""Run simulated months from the command line: one by its seed, or many until the time is up.

python -m tests.simulation.quota_month --seed N             the month that a failing test has named
python -m tests.simulation.quota_month --soak-minutes 10    new seeds until then; stops at the first bad month
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time

from tests.simulation.climate import climate
from tests.simulation.month import Month
from tests.simulation.verdict import faults, summary


def lived(seed: int, days: float | None = None) -> Month:
    """Run one month to its end."""
    month = Month(climate(seed, days))
    month.run()
    return month


def replay(month: Month) -> str:
    """Say how to see this month again."""
    return f"python -m tests.simulation.quota_month --seed {month.climate.seed} --days {month.climate.days}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.quota_month", description=__doc__)
    parser.add_argument("--seed", type=int, help="this month only; with --soak-minutes the first")
    parser.add_argument("--days", type=float, help="how many days instead of those that the seed asks for")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="run new seeds for so long")
    asked = parser.parse_args()
    ends_at = time.monotonic() + 60 * asked.soak_minutes
    first = random.randrange(10**6) if asked.seed is None else asked.seed
    wide: dict[str, int] = {}
    for seed in itertools.count(first):
        month = lived(seed, asked.days)
        figures = summary(month)
        if not wide:
            wide = {name: max(len(name), 22 if name == "per lane" else 8) for name in figures}
            print("  ".join(name.rjust(wide[name]) for name in figures))
        print("  ".join(figure.rjust(wide[name]) for name, figure in figures.items()), flush=True)
        found = faults(month)
        if found:
            print("\n".join(found[:20]), f"replay: {replay(month)}", sep="\n")
            return 1
        if time.monotonic() >= ends_at:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

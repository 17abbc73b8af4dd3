"""The receiver's run of uptime: whether events could come in since an instant, told from stamps.

Whoever receives stamps one row per app every few seconds. A run goes on while no two stamps lie further apart than
Strava's own second attempt reaches. In doubt (a clock was set) a run is broken: that costs some polls, while a run
that hides a gap would cost activities. Refuses to know who stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_GAP: Final = timedelta(seconds=60)
STAMP_SECONDS: Final = 10.0
# Several hosts stamp by the database's clock, which may be slewed: less than this is no jump.
LARGEST_STEP_BACK: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Run:
    """Events could come in from `up_since` to `stamped_at`, and a little longer; before it, not since `down_at`."""

    up_since: datetime
    stamped_at: datetime
    down_at: datetime | None = None


def is_broken(stamped_at: datetime, now: datetime) -> bool:
    """Tell whether a run that was last stamped then is over now: too long ago, or the clock was set back."""
    return not -LARGEST_STEP_BACK <= now - stamped_at <= LONGEST_GAP


def stamped(run: Run | None, now: datetime, silent_seconds: float | None) -> Run:
    """Return the run after a stamp at `now`: the same one, or a new one where it was broken.

    `silent_seconds` is how long nobody has stamped by a clock that cannot be set; None where only the other clock
    can tell, because another daemon stamped last. It catches a gap that a clock set back would hide.
    """
    if run is None:
        return Run(now, now)
    is_silent = silent_seconds is not None and silent_seconds > LONGEST_GAP.total_seconds()
    if is_silent or is_broken(run.stamped_at, now):
        return Run(now, now, min(run.stamped_at, now))
    return Run(run.up_since, max(run.stamped_at, now), run.down_at)

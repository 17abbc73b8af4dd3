"""What must be true of a month when it is over, and its figures for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.core.admission import LANES, Lane
from daemon.core.quota.demand import SHARES
from tests.simulation.climate import DAY
from tests.simulation.month import Month
from tests.simulation.witness import LENGTHS

LEARNED_AFTER: Final = 8 * DAY  # one week, and the day in which it began
LATE_SECONDS: Final = 1.0 + 0.5  # after a turn is sure: a poll, and the jitter
AT_ONCE_SHARE: Final = 0.999
USED_SHARE: Final = 0.99


@dataclass(frozen=True, slots=True)
class DayUse:
    """One whole UTC day: what Strava counted, and what was charged but never reached it, of what fits."""

    index: int
    used: int
    unsent: int  # permits of killed daemons, of lost requests, and of the steps that these broke off
    foreign: int
    fits: int

    @property
    def share(self) -> float:
        return (self.used + self.unsent + self.foreign) / self.fits


def day_uses(month: Month) -> list[DayUse]:
    """Return the whole days that can be judged: limits stayed, nothing was inactive, and it is not the first."""
    climate, witness = month.climate, month.witness
    first, last = (int(month.strava_at(at) // DAY) for at in (climate.begins_at, climate.ends_at))
    spells = [(at - DAY, at + DAY) for at, _ in climate.limits_from]  # until the new limits were seen
    spells += [(began, ended + DAY) for began, ended in climate.inactive]
    judged = []
    for index in range(first + 1, last):
        began = index * DAY - climate.begins_at
        if any(start < began + DAY and began < end for start, end in spells):
            continue
        limits = [limits for at, limits in ((0.0, climate.limits), *climate.limits_from) if at <= began][-1]
        used, key = month.strava.ours["day", index], ("day", index)
        meters = (
            (month.strava.foreign_overall[key], limits.overall_day, limits.overall_quarter),
            (month.strava.foreign_read[key], limits.read_day, limits.read_quarter),
        )
        quarters = int(DAY // LENGTHS.quarter_seconds)
        foreign, fits = max(
            ((foreign, min(day, quarters * quarter)) for foreign, day, quarter in meters),
            key=lambda meter: (used + meter[0]) / meter[1],
        )
        judged.append(DayUse(index, used, max(0, witness.granted[key] - used), foreign, fits))
    return judged


def live_waits(month: Month) -> list[float]:
    """Return how long each live step waited for its permits, once a week was there to learn from."""
    learned_at = month.climate.begins_at + LEARNED_AFTER
    return sorted(waited for due_at, waited in month.witness.live_waits if due_at >= learned_at)


def faults(month: Month) -> list[str]:
    """Return what was not as it must be, in sentences; an empty list is a good month."""
    climate, witness, strava = month.climate, month.witness, month.strava
    found = list(witness.broken)
    over = strava.over_limit if climate.is_alone else witness.over()
    if over:
        found.append(f"{over} requests went out beyond what was known to be left")
    if climate.is_alone and witness.refused_by_strava:
        found.append(f"{witness.refused_by_strava} × 429 by our own doing")
    late = [seconds for seconds in witness.starts if seconds > LATE_SECONDS]
    if late and climate.is_calm:
        found.append(f"{len(late)} of {len(witness.starts)} turns were noticed late, by up to {max(late):.1f} s")
    if climate.is_alone:
        found += [
            f"day {day.index}: only {day.share:.2%} used" for day in day_uses(month) if day.share < USED_SHARE
        ]
    if climate.live_fits and (waits := live_waits(month)):
        waiting = sum(1 for waited in waits if waited > 0)
        # One in a thousand; of the few hundred steps of a small app that may be one.
        if waiting > max(1.0, (1.0 - AT_ONCE_SHARE) * len(waits)):
            found.append(f"{waiting} of {len(waits)} live steps waited, the last for {waits[-1]:.0f} s")
    return found + _starved(month)


def _starved(month: Month) -> list[str]:
    """Tell of days in which a lane that never stopped asking got less than its share."""
    if not month.climate.is_alone:
        return []
    found = []
    for day in day_uses(month):
        by_lane = month.witness.by_lane["day", day.index]
        found += [
            f"day {day.index}: {lane} got {by_lane[lane]} of {day.fits}, less than its share"
            for lane in (Lane.INTERACTIVE, Lane.SCHEDULED)
            # A step that does not fit any more is left out.
            if lane in month.climate.endless
            and by_lane[lane] <= SHARES[lane] * day.fits - max(month.climate.calls[lane])
        ]
    return found


def summary(month: Month) -> dict[str, str]:
    """Return a month's figures, ready to be printed."""
    climate, witness, days, waits = month.climate, month.witness, day_uses(month), live_waits(month)
    shares = [day.share for day in days]
    permits = [sum(month.witness.by_lane["day", day.index][lane] for day in days) for lane in LANES]
    return {
        "seed": str(climate.seed),
        "kind": climate.kind,
        "days": str(climate.days),
        "daemons": str(climate.daemons),
        "used": str(sum(count for (name, _), count in month.strava.ours.items() if name == "day")),
        "least day": f"{min(shares):.2%}" if shares else "–",
        "over": str(month.strava.over_limit if climate.is_alone else witness.over()),
        "429": str(witness.refused_by_strava),
        "live p99 s": f"{waits[int(0.99 * len(waits))]:.1f}" if waits else "–",
        "at once": f"{sum(1 for waited in waits if waited == 0) / len(waits):.2%}" if waits else "–",
        "per lane": "/".join(map(str, permits)),
        "faults": str(len(faults(month))),
    }

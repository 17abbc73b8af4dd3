"""When each timer is due: instants in UTC from cron expressions, intervals and "every n days", whatever clocks do.

A local time is due at the first instant at which the zone's clock shows it or has passed it. So a time that the
clock skips (spring, or a whole day on Samoa in 2011) is due when the gap ends, and one that it shows twice
(autumn) is due the first time only. Cronsim is therefore asked about local calendars without a zone, and the zone
is applied here: one rule for every gap and every zone. Intervals know no zone: they count from the epoch, so that
all daemons agree.

This module refuses to know what a timer does, who takes a run, and what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_REPEAT: Final = timedelta(hours=26)  # how much of the local clock one shift of a zone may show twice
# A clock that was set back by more was wrong before: waiting until it is there again would leave the fleet stale
# for longer than the house promises.
WAITED_OUT: Final = timedelta(hours=6)
NOTEWORTHY_SECONDS: Final = 2.0  # a clock is slewed by less than this between two looks


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so much time, counted from the epoch in UTC."""

    period: timedelta

    def __str__(self) -> str:
        minutes = self.period / timedelta(minutes=1)
        return f"every {minutes / 60:g} h" if minutes >= 60 else f"every {minutes:g} min"


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields of cron in local time, for what has a time of day; an Interval suits "every so many minutes".

    Raises ValueError where the expression is none, or names a day that no month has.
    """

    expression: str

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise ValueError(f"a cron expression has five fields: {self.expression!r}")
        try:
            CronSim(self.expression, EPOCH)
        except CronSimError as error:
            raise ValueError(f"{self.expression!r} is no cron expression: {error}") from error

    def __str__(self) -> str:
        return CronSim(self.expression, EPOCH).explain()

    def following(self, local: datetime) -> Iterator[datetime]:
        """Yield the local times after one, earliest first."""
        return iter(CronSim(self.expression, local))

    def preceding(self, local: datetime) -> Iterator[datetime]:
        """Yield the local times before one, latest first."""
        return iter(CronSim(self.expression, local, reverse=True))


@dataclass(frozen=True, slots=True)
class EveryDays:
    """Every n-th day at a local time; days are counted from 1970-01-01, so no month begins the count anew."""

    days: int
    at: time

    def __str__(self) -> str:
        return f"every {self.days} days at {self.at:%H:%M}"

    def following(self, local: datetime) -> Iterator[datetime]:
        """Yield the local times after one, earliest first."""
        yield from (found for found in self._from(local.date(), 1) if found > local)

    def preceding(self, local: datetime) -> Iterator[datetime]:
        """Yield the local times before one, latest first."""
        yield from (found for found in self._from(local.date(), -1) if found < local)

    def _from(self, day: date, direction: int) -> Iterator[datetime]:
        day -= timedelta(days=(day - EPOCH.date()).days % self.days)
        while True:
            yield datetime.combine(day, self.at)
            day += direction * timedelta(days=self.days)


Timing = Interval | Cron | EveryDays


@dataclass(frozen=True, slots=True)
class Timer:
    """One scheduled job; each run begins at most `jitter` after it is due, so that no two houses knock at once."""

    job: str
    timing: Timing
    jitter: timedelta
    does: str


TIMERS: Final[Mapping[str, Timer]] = {
    timer.job: timer
    for timer in (
        Timer(
            "ingestion_tick",
            Interval(timedelta(minutes=30)),
            timedelta(minutes=1),
            "looks for news of athletes not synced lately, then continues backfills",
        ),
        Timer(
            "background_sync",
            Interval(timedelta(hours=6)),
            timedelta(minutes=5),
            "considers every athlete and syncs whoever needs it",
        ),
        Timer(
            "quick_sync",
            Interval(timedelta(hours=3, minutes=30)),
            timedelta(minutes=3),
            "looks at the last days of whoever is likely to have news",
        ),
        Timer(
            "daily_sync",
            Cron("0 2 * * *"),
            timedelta(minutes=10),
            "audits two weeks of every athlete: finds edits, deletions and lost events",
        ),
        Timer(
            "weekly_thresholds",
            Cron("0 3 * * 0"),
            timedelta(minutes=10),
            "fits thresholds from twelve months of curves",
        ),
        Timer(
            "monthly_load",
            Cron("0 4 1 * *"),
            timedelta(minutes=10),
            "computes 90 days of loads again; walks over every athlete's list: finds late uploads of old rides",
        ),
        Timer(
            "resting_hr",
            EveryDays(3, time(5)),
            timedelta(minutes=10),
            "takes resting heart rates into the thresholds",
        ),
    )
}


def next_due(timing: Timing, zone: tzinfo, after: datetime) -> datetime:
    """Return the first due instant after `after`, UTC."""
    if isinstance(timing, Interval):
        return EPOCH + ((after - EPOCH) // timing.period + 1) * timing.period
    # What the clock has shown up to `after` was due by then: the rule is monotone, so earlier times need no look.
    local = after.astimezone(zone).replace(tzinfo=None)
    return next(found for found in _instants(timing.following(local), zone) if found > after)


def latest_due(timing: Timing, zone: tzinfo, at: datetime) -> datetime:
    """Return the last due instant that is not after `at`, UTC."""
    if isinstance(timing, Interval):
        return EPOCH + (at - EPOCH) // timing.period * timing.period
    # The clock may have shown later times than now before it was turned back: begin above all of them.
    local = at.astimezone(zone).replace(tzinfo=None) + LONGEST_REPEAT
    return next(found for found in _instants(timing.preceding(local), zone) if found <= at)


def _instants(locals_: Iterator[datetime], zone: tzinfo) -> Iterator[datetime]:
    return (_instant(local, zone) for local in locals_)


def _instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the first instant at which the zone's clock shows a local time, or has skipped it."""
    # For a time shown twice fold=0 is the first; for one that is skipped it is as much after the gap's end as the
    # time is after the gap's beginning, and fold=1 is before the gap (PEP 495).
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _shift_between(before, first, zone)


def _shift_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the instant, to the second, from which the zone's offset is that of `after`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


# ── what to do about a due time ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Take:
    """Run it once for `due_at`, the latest of the due times that have passed, however many they are."""

    due_at: datetime
    next_due_at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """It is due at `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Replan:
    """What was planned no longer holds: plan `due_at` instead, and say why."""

    due_at: datetime
    reason: str


def plan(timing: Timing, zone: tzinfo, due_at: datetime, now: datetime) -> Take | Wait | Replan:
    """Decide about a timer whose next run was planned for `due_at`.

    A clock that is set back runs nothing twice: what was planned is waited for, unless it is out of all reason.
    """
    coming = next_due(timing, zone, now)
    if due_at <= now:
        # Never earlier than planned: another zone or timing may have no due time in between.
        return Take(max(due_at, latest_due(timing, zone, now)), coming)
    if latest_due(timing, zone, due_at) != due_at:
        return Replan(coming, "its timing or schedule.timezone has changed")
    taken_at = latest_due(timing, zone, due_at - datetime.resolution)  # the clock has shown this before
    if taken_at - now > WAITED_OUT:
        return Replan(coming, "the clock was set back")
    return Wait(due_at)


# ── what clocks have done ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reading:
    """Three clocks at one moment: wall time, seconds since boot, and seconds that the machine was awake."""

    wall_at: datetime
    elapsed_seconds: float
    awake_seconds: float


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the wall clock was set forward (below zero: back), and how long the machine slept; 0 = not at all."""

    jumped_seconds: float
    slept_seconds: float


def shift(before: Reading, after: Reading) -> Shift:
    """Compare two readings of the three clocks."""
    elapsed = after.elapsed_seconds - before.elapsed_seconds
    jumped = (after.wall_at - before.wall_at).total_seconds() - elapsed
    slept = elapsed - (after.awake_seconds - before.awake_seconds)
    return Shift(
        jumped if abs(jumped) >= NOTEWORTHY_SECONDS else 0.0,
        slept if slept >= NOTEWORTHY_SECONDS else 0.0,
    )

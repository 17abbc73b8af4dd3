"""Every due time once, never twice, never missed: against a clock that is walked minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.core.schedule import (
    EPOCH,
    TIMERS,
    WAITED_OUT,
    Cron,
    EveryDays,
    Interval,
    Reading,
    Replan,
    Shift,
    Take,
    Timer,
    Timing,
    Wait,
    latest_due,
    next_due,
    plan,
    shift,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZURICH = ZoneInfo("Europe/Zurich")
ZONES = sorted(available_timezones())
YEARS = st.integers(2000, 2060)
# Half an hour of summer time, summer time given up for Ramadan, winter time that is "negative", a whole day
# skipped, two hours of summer time, shifts at midnight, and offsets of quarters of an hour.
ODD_ZONES = [
    "Australia/Lord_Howe", "Africa/Casablanca", "Europe/Dublin", "Pacific/Apia", "Antarctica/Troll",
    "America/Havana", "Asia/Beirut", "America/Asuncion", "Pacific/Chatham", "Asia/Pyongyang", "Antarctica/Casey",
]  # fmt: skip
zones = st.sampled_from(ODD_ZONES) | st.sampled_from(ZONES)
times = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda at: at.replace(second=0, microsecond=0))
night_times = st.builds(time, st.integers(0, 4), st.sampled_from([0, 1, 15, 29, 30, 31, 45, 59]))


def instants() -> st.SearchStrategy[datetime]:
    """Any instant of the years 2000 to 2060."""
    return st.datetimes(datetime(2000, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))


# The oracle: what is due by a clock that is looked at every minute, knowing nothing of gaps and repeats


@cache
def shifts_of(zone_name: str, year: int) -> list[datetime]:
    """Return the days of a year around which a zone's clock is shifted."""
    zone = ZoneInfo(zone_name)
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(367)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]


def local_times(timing: Timing, first: date, last: date) -> Iterator[datetime]:
    """List the local times of a daily, weekly, monthly or every-n-days timing between two days, the plain way."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        if isinstance(timing, EveryDays):
            if (ordinal - date(1970, 1, 1).toordinal()) % timing.days == 0:
                yield datetime.combine(day, timing.at)
        elif isinstance(timing, Cron):
            minutes, hours, of_month, _, of_week = timing.expression.split()
            if of_month not in {"*", str(day.day)} or of_week not in {"*", str(day.isoweekday() % 7)}:
                continue
            for hour in hours.split(","):
                for minute in minutes.split(","):
                    yield datetime.combine(day, time(int(hour), int(minute)))


def walked(timing: Timing, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """Look at the local clock every minute: a time is due as soon as the clock has shown it or one after it."""
    lead = begin - 3 * DAY
    furthest = lead.astimezone(zone).replace(tzinfo=None)
    wanted = sorted(local_times(timing, furthest.date() - DAY, (end + 2 * DAY).date()))
    wanted = [local for local in wanted if local > furthest]
    due, at = set(), lead
    while at < end:
        at += MINUTE
        furthest = max(furthest, at.astimezone(zone).replace(tzinfo=None))
        while wanted and wanted[0] <= furthest:
            due.add(at)
            wanted.pop(0)
    return sorted(instant for instant in due if begin < instant <= end)


def fired(timing: Timing, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """Run the schedule as a daemon does: from each due instant to the next."""
    found: list[datetime] = []
    at = begin
    while (at := next_due(timing, zone, at)) <= end:
        found.append(at)
    return found


timings = st.one_of(
    st.builds(lambda at: Cron(f"{at.minute} {at.hour} * * *"), night_times | times),
    st.builds(lambda at, day: Cron(f"{at.minute} {at.hour} * * {day}"), night_times, st.integers(0, 6)),
    st.builds(lambda at, day: Cron(f"{at.minute} {at.hour} {day} * *"), night_times, st.integers(1, 31)),
    st.just(Cron("0,30 0,1,2,3 * * *")),
    st.builds(EveryDays, st.integers(1, 5), night_times | times),
)


@given(zones, YEARS, timings)
@settings(max_examples=80, deadline=None)
@example("Pacific/Apia", 2011, Cron("0 2 * * *"))
@example("Pacific/Apia", 2011, EveryDays(1, time(0)))
@example("Australia/Lord_Howe", 2026, Cron("15 2 * * *"))
@example("Australia/Lord_Howe", 2026, Cron("45 1 * * *"))
@example("Africa/Casablanca", 2027, Cron("0 2 * * *"))
@example("Europe/Dublin", 2026, Cron("30 1 * * 0"))
@example("Antarctica/Troll", 2026, Cron("0,30 0,1,2,3 * * *"))
@example("America/Havana", 2026, EveryDays(1, time(0)))
def test_around_every_shift_of_a_zone_each_due_time_fires_once(zone_name: str, year: int, timing: Timing) -> None:
    zone = ZoneInfo(zone_name)
    for day in shifts_of(zone_name, year) or [datetime(year, 7, 1, tzinfo=UTC)]:
        begin, end = day - DAY, day + 3 * DAY

        assert fired(timing, zone, begin, end) == walked(timing, zone, begin, end)


@given(zones, instants(), timings)
@settings(max_examples=60, deadline=None)
def test_the_latest_due_instant_is_the_one_after_which_the_next_comes(
    zone_name: str, at: datetime, timing: Timing
) -> None:
    zone = ZoneInfo(zone_name)

    last, coming = latest_due(timing, zone, at), next_due(timing, zone, at)

    assert last <= at < coming
    assert next_due(timing, zone, last) == coming
    assert latest_due(timing, zone, coming - MINUTE) == last
    assert latest_due(timing, zone, coming) == coming


@given(zones, instants(), st.sampled_from(list(TIMERS.values())))
@settings(max_examples=60, deadline=None)
def test_a_run_may_always_begin_before_the_next_is_due_however_late_jitter_makes_it(
    zone_name: str, at: datetime, timer: Timer
) -> None:
    zone = ZoneInfo(zone_name)
    due_at = next_due(timer.timing, zone, at)

    assert timedelta(0) < timer.jitter < (next_due(timer.timing, zone, due_at) - due_at) / 10


@given(instants(), st.sampled_from([30, 60, 210, 360]))
def test_an_interval_counts_from_the_epoch_so_that_all_daemons_agree(at: datetime, minutes: int) -> None:
    due_at = next_due(Interval(timedelta(minutes=minutes)), ZURICH, at)

    assert at < due_at <= at + timedelta(minutes=minutes)
    assert (due_at - EPOCH) % timedelta(minutes=minutes) == timedelta(0)


def test_every_third_day_does_not_begin_anew_with_the_month() -> None:
    found = fired(EveryDays(3, time(5)), ZURICH, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))

    days = [instant.astimezone(ZURICH).date() for instant in found]
    assert {after - before for before, after in pairwise(days)} == {3 * DAY}
    assert {instant.astimezone(ZURICH).time() for instant in found} == {time(5)}


def test_a_time_that_the_clock_skips_is_due_when_the_gap_ends_and_one_it_shows_twice_the_first_time() -> None:
    half_past_two = Cron("30 2 * * *")

    assert next_due(half_past_two, ZURICH, datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )
    first = next_due(half_past_two, ZURICH, datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_due(half_past_two, ZURICH, first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("expression", ["", "* * * *", "0 0 2 * * *", "61 2 * * *", "0 2 30 2 *", "every night"])
def test_what_is_no_cron_expression_is_refused_where_it_stands(expression: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        Cron(expression)


def test_the_seven_jobs_are_due_as_designed() -> None:
    assert {timer.job: str(timer.timing) for timer in TIMERS.values()} == {
        "ingestion_tick": "every 30 min",
        "background_sync": "every 6 h",
        "quick_sync": "every 3.5 h",
        "daily_sync": "At 02:00 every day",
        "weekly_thresholds": "At 03:00 on Sunday",
        "monthly_load": "At 04:00 on the first day of every month",
        "resting_hr": "every 3 days at 05:00",
    }


# Downtime, and clocks that are set

DAILY = TIMERS["daily_sync"].timing
TICK = TIMERS["ingestion_tick"].timing


@given(zones, instants(), st.timedeltas(timedelta(0), 400 * DAY), timings | st.just(TICK))
@settings(max_examples=60, deadline=None)
def test_however_long_the_downtime_there_is_one_run_for_the_latest_due_time(
    zone_name: str, at: datetime, downtime: timedelta, timing: Timing
) -> None:
    zone = ZoneInfo(zone_name)
    due_at = next_due(timing, zone, at)
    now = due_at + downtime

    decided = plan(timing, zone, due_at, now)

    assert decided == Take(latest_due(timing, zone, now), next_due(timing, zone, now))
    assert plan(timing, zone, decided.next_due_at, now) == Wait(decided.next_due_at)


@given(zones, instants(), st.timedeltas(timedelta(0), WAITED_OUT), timings | st.just(TICK))
@settings(max_examples=60, deadline=None)
def test_a_clock_that_is_set_back_runs_nothing_again(
    zone_name: str, at: datetime, back: timedelta, timing: Timing
) -> None:
    zone = ZoneInfo(zone_name)
    taken = plan(timing, zone, next_due(timing, zone, at), next_due(timing, zone, at))
    assert isinstance(taken, Take)

    assert plan(timing, zone, taken.next_due_at, taken.due_at - back) == Wait(taken.next_due_at)


def test_a_clock_is_waited_for_up_to_six_hours_and_no_longer() -> None:
    taken_at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    planned = taken_at + timedelta(minutes=30)

    assert plan(TICK, UTC, planned, taken_at - WAITED_OUT) == Wait(planned)
    assert plan(TICK, UTC, planned, taken_at - WAITED_OUT - timedelta(seconds=1)) == Replan(
        taken_at - WAITED_OUT, "the clock was set back"
    )


def test_a_clock_that_was_ahead_by_years_does_not_stop_the_timers_for_years() -> None:
    astray = datetime(2044, 5, 1, 2, tzinfo=UTC)
    now = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)

    decided = plan(TICK, UTC, astray, now)

    assert decided == Replan(datetime(2026, 5, 1, 12, 30, tzinfo=UTC), "the clock was set back")


def test_another_time_zone_plans_anew_what_lies_ahead_and_still_catches_up_what_was_missed() -> None:
    planned = datetime(2026, 5, 2, 2, tzinfo=UTC)
    tokyo = ZoneInfo("Asia/Tokyo")
    due_in_tokyo = datetime(2026, 5, 1, 17, tzinfo=UTC)

    ahead = plan(DAILY, tokyo, planned, datetime(2026, 5, 1, 12, tzinfo=UTC))
    missed = plan(DAILY, tokyo, planned, datetime(2026, 5, 2, 2, 30, tzinfo=UTC))

    assert ahead == Replan(due_in_tokyo, "its timing or schedule.timezone has changed")
    assert missed == Take(planned, due_in_tokyo + DAY)


def test_a_jump_of_the_wall_clock_and_a_sleep_of_the_machine_are_told_apart() -> None:
    before = Reading(datetime(2026, 1, 1, tzinfo=UTC), elapsed_seconds=100.0, awake_seconds=50.0)

    def after(wall: float, elapsed: float, awake: float) -> Shift:
        wall_at = before.wall_at + timedelta(seconds=wall)
        return shift(before, Reading(wall_at, 100.0 + elapsed, 50.0 + awake))

    assert after(30.0, 30.0, 30.0) == Shift(0.0, 0.0)
    assert after(31.9, 30.0, 28.1) == Shift(0.0, 0.0)  # slewed, and clocks that are read one after the other
    assert after(3630.0, 30.0, 30.0) == Shift(3600.0, 0.0)
    assert after(-3570.0, 30.0, 30.0) == Shift(-3600.0, 0.0)
    assert after(3630.0, 3630.0, 30.0) == Shift(0.0, 3600.0)
    assert after(30.0, 3630.0, 30.0) == Shift(-3600.0, 3600.0)

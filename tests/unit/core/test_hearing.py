"""Silence is judged by what habits expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daemon.core.habits import ANYBODY, ANYWHERE, HOURS, USUAL_WEEKLY
from daemon.core.hearing import SHORTEST_SILENCE, UNLIKELY_SILENCE, Hearing, hearing

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ATHLETES = 1_000
LONGEST = timedelta(hours=UNLIKELY_SILENCE * HOURS / (USUAL_WEEKLY * (1 - ANYWHERE)) / ATHLETES)


def test_a_silence_in_which_many_events_were_expected_is_one() -> None:
    last = NOW - LONGEST - SECOND
    assert hearing([last], last - SECOND, ATHLETES, ANYBODY, NOW).silent_since == last
    last = NOW - LONGEST + SECOND
    assert hearing([last], last - SECOND, ATHLETES, ANYBODY, NOW).silent_since is None


def test_a_small_fleet_is_silent_for_days_as_a_matter_of_course() -> None:
    assert hearing([NOW - DAY], NOW - DAY, 3, ANYBODY, NOW) == Hearing()


def test_the_end_of_the_last_silence_is_remembered_although_events_come_again() -> None:
    first, second = NOW - 8 * LONGEST, NOW - 4 * LONGEST
    again = [second + step * LONGEST / 2 for step in range(9)]
    told = hearing([first, *again], first, ATHLETES, ANYBODY, NOW)
    assert told == Hearing(None, second, first)


def test_the_time_before_the_receiver_came_up_is_no_silence_but_the_time_since_is() -> None:
    up_since = NOW - LONGEST / 2
    assert hearing([NOW - DAY], up_since, ATHLETES, ANYBODY, NOW) == Hearing()
    up_since = NOW - 2 * LONGEST
    assert hearing([], up_since, ATHLETES, ANYBODY, NOW).silent_since == up_since


def test_of_a_fleet_without_habits_nothing_is_expected() -> None:
    assert hearing([NOW - DAY], NOW - DAY, ATHLETES, (), NOW) == Hearing()


def test_however_many_athletes_a_short_silence_is_none() -> None:
    last = NOW - SHORTEST_SILENCE
    assert hearing([last], last - SECOND, 10**6, ANYBODY, NOW).silent_since == last
    assert hearing([last + SECOND], last, 10**6, ANYBODY, NOW) == Hearing()


def test_at_hours_that_nobody_keeps_no_event_is_expected() -> None:
    noon = tuple(1.0 if hour % 24 == 12 else ANYWHERE / 24 / (1 - ANYWHERE) for hour in range(HOURS))
    midnight = NOW.replace(hour=0)
    assert hearing([midnight], midnight - SECOND, ATHLETES, noon, midnight + 9 * LONGEST) == Hearing()
    assert hearing([NOW], NOW - SECOND, ATHLETES, noon, NOW + LONGEST).silent_since == NOW

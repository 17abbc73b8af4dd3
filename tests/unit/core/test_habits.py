"""What is learned of when uploads come, and what is expected of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.habits import (
    ANYBODY,
    HOURS,
    USUAL_WEEKLY,
    WEEKLY_DECAY,
    Habit,
    everybody,
    hour_of_week,
    learned,
    likely_hours,
    unseen,
    waited_from,
)

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)  # a Wednesday
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
LONG_AGO = NOW - 1_000 * WEEK
instants = st.integers(0, 60 * 24 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


def habit(*seen: datetime, connected_at: datetime = LONG_AGO) -> Habit:
    uploads: tuple[float, ...] = ()
    at: datetime | None = None
    for one in seen:
        uploads, at = learned(uploads, at, one)
    return Habit(uploads, at, connected_at)


def test_the_week_begins_on_monday_at_midnight_utc() -> None:
    assert hour_of_week(datetime(2026, 3, 9, 0, 59, tzinfo=UTC)) == 0
    assert hour_of_week(datetime(2026, 3, 15, 23, 0, tzinfo=UTC)) == HOURS - 1


@given(st.lists(instants, min_size=2, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_a_history_learned_in_any_order_is_the_same(seen: list[datetime], chance: object) -> None:
    shuffled = [*seen]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = habit(*seen), habit(*shuffled)
    assert one.learned_at == other.learned_at
    assert one.uploads == pytest.approx(other.uploads, rel=1e-9, abs=1e-12)


def test_somebody_who_uploads_once_a_week_is_expected_to_do_so() -> None:
    faithful = habit(*(NOW - weeks * WEEK for weeks in range(80)))
    assert unseen(faithful, NOW - WEEK, NOW).activities == pytest.approx(1.0, abs=0.01)


def test_who_stops_is_expected_ever_less() -> None:
    stopped = habit(*(NOW - weeks * WEEK for weeks in range(10, 80)))
    assert unseen(stopped, NOW - WEEK, NOW).activities == pytest.approx(WEEKLY_DECAY**10, abs=0.02)


def test_of_a_newcomer_is_expected_what_anybody_does_and_ever_less_of_it() -> None:
    new = Habit((), None, NOW)
    assert unseen(new, NOW - WEEK, NOW).activities == pytest.approx(USUAL_WEEKLY)
    older = Habit((), None, NOW - 5 * WEEK)
    assert unseen(older, NOW - WEEK, NOW).activities == pytest.approx(USUAL_WEEKLY * WEEKLY_DECAY**5)


def test_news_is_expected_around_the_usual_hour_then_at_that_hour_of_other_days_then_anywhere() -> None:
    known = habit(*(NOW - weeks * WEEK for weeks in range(20)))
    usual = hour_of_week(NOW)
    order = likely_hours(known, NOW, HOURS)
    assert order[0] == usual
    assert set(order[:7]) == {usual + offset for offset in range(-3, 4)}
    assert {hour % 24 for hour in order[: 7 * 7]} == {(usual + offset) % 24 for offset in range(-3, 4)}
    least = unseen(known, NOW + 9 * HOUR, NOW + 10 * HOUR).activities
    assert 0.0 < least < unseen(known, NOW - HOUR, NOW).activities / 10


@given(st.lists(instants, max_size=5), instants, st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_what_is_expected_adds_up_over_spans_and_waits_for_as_long_as_it_is_unseen(
    seen: list[datetime], since: datetime, share: float
) -> None:
    since = max(since, NOW - WEEK)
    between = since + share * (NOW - since)
    known = habit(*seen, connected_at=NOW - 3 * WEEK)
    whole, late = unseen(known, since, NOW), unseen(known, between, NOW)
    hours = (NOW - since) / HOUR
    assert 0.0 <= late.activities <= whole.activities + 1e-12
    assert late.waiting_hours <= whole.waiting_hours + 1e-12
    assert whole.waiting_hours <= whole.activities * hours + 1e-12
    early = whole.activities - late.activities
    assert whole.waiting_hours - late.waiting_hours >= early * (NOW - between) / HOUR - 1e-9


def test_even_rates_wait_for_half_the_span() -> None:
    told = unseen(Habit((), None, NOW), NOW - 6 * HOUR, NOW)
    assert told.activities == pytest.approx(6 * USUAL_WEEKLY / HOURS)
    assert told.waiting_hours == pytest.approx(3 * told.activities)


def test_nothing_is_expected_of_no_time_and_of_more_than_a_week_the_last_one() -> None:
    new = Habit((), None, NOW)
    assert unseen(new, NOW, NOW).activities == unseen(new, NOW + HOUR, NOW).activities == 0.0
    assert unseen(new, NOW - 9 * WEEK, NOW) == unseen(new, NOW - WEEK, NOW)


@given(st.lists(instants, max_size=5), st.integers(0, 300), st.floats(0.001, 3.0))
@settings(max_examples=80)
def test_waiting_reaches_its_worth_at_the_instant_that_was_told(
    seen: list[datetime], minutes: int, worth: float
) -> None:
    known = habit(*seen, connected_at=NOW - WEEK)
    since = NOW - timedelta(minutes=minutes)
    if unseen(known, since, NOW).waiting_hours >= worth:
        return
    latest = NOW + 12 * HOUR
    told = waited_from(known, since, NOW, worth, latest)
    assert unseen(known, since, told).waiting_hours < worth
    if told < latest:
        # Weights fade meanwhile, by a tenth in half a day at the very most.
        assert unseen(known, since, told + timedelta(minutes=2)).waiting_hours > 0.8 * worth


def test_everybody_is_the_mean_of_all() -> None:
    busy, idle = habit(*(NOW - weeks * WEEK for weeks in range(80))), habit()
    mean = everybody([busy, idle], NOW)
    assert math.fsum(mean) == pytest.approx(0.5, abs=0.01)
    assert everybody([], NOW) == ()
    assert everybody([Habit((), None, NOW)], NOW) == pytest.approx(ANYBODY)

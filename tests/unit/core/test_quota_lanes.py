"""Lanes: what is kept for whom, how it melts, what no flood can take, and how demand is learned."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import quota
from daemon.core.admission import LANES, Lane
from daemon.core.quota import NO_DEMAND, Ask, Demand, Ledger, Lengths, Limits, PastHour, Wait, Window
from daemon.core.quota.demand import SHARES

LENGTHS = Lengths()
LIMITS = Limits(600, 30_000, 600, 30_000)
MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
MORNING = MIDNIGHT + timedelta(hours=9, seconds=10)
FRESH = Ledger(limits=LIMITS, limits_learned=True, offset_low_seconds=0, offset_high_seconds=0, offset_at=MORNING)
lanes = st.sampled_from(LANES)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def needing(**calls_a_quarter: float) -> Demand:
    """Return a demand that is the same at every hour, in calls per 15 minutes."""
    return Demand((tuple(calls_a_quarter.get(lane, 0.0) / 900 for lane in LANES),) * 168)


def taken(ledger: Ledger, lane: Lane, at: datetime, demand: Demand, most: int = 10**6) -> tuple[Ledger, int]:
    """Take permits one by one until refused, and return the ledger and how many there were."""
    for count in range(most):
        decision = quota.admit(ledger, Ask(lane, 1), at, LENGTHS, demand)
        if isinstance(decision, Wait):
            return ledger, count
        ledger, _ = decision
    return ledger, most


# ── What is kept for the lanes above ─────────────────────────────────────────────────────────────────────────


def test_backfill_leaves_what_live_work_needs_and_a_margin_and_live_work_may_use_it() -> None:
    demand = needing(live=90)
    ledger, count = taken(FRESH, Lane.BACKFILL, MORNING, demand)
    # A quarter more than it has needed, three standard deviations, and the shares that live work must leave itself.
    assert 600 - 1.25 * 90 - 45 - 90 < count < 600 - 1.25 * 90 - 90
    wait = quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), MORNING, LENGTHS, demand)
    assert wait is not None
    assert not wait.spent
    _, live = taken(ledger, Lane.LIVE, MORNING, demand)
    assert live >= 90  # though it leaves the shares of interactive and scheduled work


@given(st.integers(0, 500), lanes, st.integers(0, 800))
@settings(max_examples=50, deadline=None)
def test_whatever_the_lanes_below_take_what_live_work_needs_is_there(calls: int, below: Lane, at: int) -> None:
    demand, now = needing(live=calls), MORNING + seconds(at)
    expected = calls * max(0, 860 - at) / 900  # it melts until 30 s before the end
    ledger = FRESH
    if below is not Lane.LIVE:
        ledger, _ = taken(FRESH, below, now, demand)
    floor = sum(SHARES.values()) * 600
    _, live = taken(ledger, Lane.LIVE, now, demand)
    # What has its own share may take that much in any case.
    assert live >= min(expected, 600 - floor) - (0 if below is Lane.BACKFILL else floor) - 1


def test_what_is_kept_melts_evenly_and_early_enough_to_be_used() -> None:
    demand = needing(live=120)
    fits = [taken(FRESH, Lane.BACKFILL, MORNING + seconds(at), demand)[1] for at in (0, 300, 600, 800, 861)]
    assert fits == sorted(fits)
    assert 310 < fits[0] < 340
    assert fits[-1] == 600


def test_who_is_held_back_is_told_when_some_of_it_will_have_melted() -> None:
    demand, now = needing(live=200), MORNING
    ledger, _ = taken(FRESH, Lane.BACKFILL, now, demand)
    waits = 0
    while now < MORNING + seconds(858):
        wait = quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), now, LENGTHS, demand)
        if wait is None:
            ledger, count = taken(ledger, Lane.BACKFILL, now, demand)
            assert count >= 1
        else:
            assert now < wait.until < MORNING + seconds(870)
            now, waits = wait.until, waits + 1
    assert waits < 60  # not one by one
    assert taken(ledger, Lane.BACKFILL, now, demand)[0].quarter.charged == 600


def test_a_backlog_uses_the_whole_day_though_live_work_never_came() -> None:
    demand = needing(live=100)
    day = replace(FRESH.day, index=int(MIDNIGHT.timestamp()) // 86_400, charged=25_000)
    ledger, now = replace(FRESH, day=day), MIDNIGHT + timedelta(hours=12)
    ledger, count = taken(ledger, Lane.BACKFILL, now, demand)
    assert count < 100  # nearly all the rest of the day is kept
    while now < MIDNIGHT + timedelta(hours=23, minutes=59, seconds=45):
        ledger, _ = taken(ledger, Lane.BACKFILL, now, demand)
        now += seconds(30)
    assert ledger.day.charged == 30_000


def test_live_work_finds_what_it_needs_in_a_day_that_backfill_has_emptied() -> None:
    """The shares that live work must leave to others are kept beside its need, not out of it."""
    demand, now = needing(live=20), MIDNIGHT + timedelta(hours=20, seconds=10)
    day = replace(FRESH.day, index=int(MIDNIGHT.timestamp()) // 86_400, charged=28_000)
    ledger = replace(FRESH, day=day)
    for _ in range(15):  # quarters
        ledger, _ = taken(ledger, Lane.BACKFILL, now, demand)
        ledger, live = taken(ledger, Lane.LIVE, now + seconds(300), demand, 20)
        assert live == 20
        now += seconds(900)
    assert ledger.day.charged > 29_800


@pytest.mark.parametrize(("charged", "kept"), [(0, False), (15_000, True)])
def test_a_quarter_keeps_room_for_live_work_to_its_end_if_the_days_rest_is_used_all_the_same(
    charged: int, kept: bool
) -> None:
    demand, late = needing(live=60), MORNING + seconds(875)
    day = replace(FRESH.day, index=int(MIDNIGHT.timestamp()) // 86_400, charged=charged)
    ledger, _ = taken(replace(FRESH, day=day), Lane.BACKFILL, late, demand)
    _, live = taken(ledger, Lane.LIVE, late, demand)
    assert (live >= 4) is kept
    assert (ledger.quarter.charged == 600) is not kept


def test_the_reserve_follows_the_hour_of_the_week() -> None:
    rates = [(0.0,) * 4] * 168
    rates[9] = (200 / 900, 0.0, 0.0, 0.0)  # Monday 9 to 10 h
    demand = Demand(tuple(rates))
    quiet = taken(FRESH, Lane.BACKFILL, MORNING - timedelta(hours=4), demand)[1]
    busy = taken(FRESH, Lane.BACKFILL, MORNING, demand)[1]
    tuesday = taken(FRESH, Lane.BACKFILL, MORNING + timedelta(days=1), demand)[1]
    assert quiet == pytest.approx(510, abs=5)  # all but the shares
    assert tuesday == pytest.approx(510, abs=5)
    assert busy < 300


def test_before_a_lower_lane_takes_the_last_it_may_have_the_answers_on_their_way_tell_what_is_left() -> None:
    """Silent requests of ours that a reading counts look like somebody else's, and live work would find no room."""
    demand = needing(live=60)
    day = replace(FRESH.day, index=int(MIDNIGHT.timestamp()) // 86_400, charged=20, shown=10, silent=10)
    ledger, _ = taken(replace(FRESH, day=day), Lane.BACKFILL, MORNING, demand)
    wait = quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), MORNING, LENGTHS, demand)
    assert wait is not None
    assert "answers on their way" in wait.reason
    assert quota.shut_until(ledger, Ask(Lane.LIVE, 1), MORNING, LENGTHS, demand) is None
    assert quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), MORNING + seconds(3), LENGTHS, demand) is None


# ── What no flood can take ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lane", [Lane.INTERACTIVE, Lane.SCHEDULED])
def test_a_flood_of_live_work_leaves_every_lane_its_share(lane: Lane) -> None:
    ledger, live = taken(FRESH, Lane.LIVE, MORNING, needing(live=10_000))
    assert 500 < live < 520
    _, count = taken(ledger, lane, MORNING, needing(live=10_000))
    assert count >= SHARES[lane] * 600 * 0.9


def test_shares_that_nobody_uses_are_used_by_the_flood_before_the_window_ends() -> None:
    ledger = FRESH
    for at in range(0, 890, 30):
        ledger, _ = taken(ledger, Lane.LIVE, MORNING + seconds(at), needing())
    assert ledger.quarter.charged == 600


def test_a_lane_that_had_its_share_is_held_back_like_any_other() -> None:
    demand = needing(live=10_000)
    ledger, count = taken(FRESH, Lane.SCHEDULED, MORNING, demand)
    assert count == SHARES[Lane.SCHEDULED] * 600
    assert taken(ledger, Lane.BACKFILL, MORNING, demand)[1] == 0


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_in_whatever_order_lanes_ask_the_window_is_filled_and_never_overfilled(
    chance: random.Random,
) -> None:
    # No more in all than a day holds: where the day binds, a lane below may rightly get nothing.
    demand = needing(**{lane.value: chance.choice([0, 5, 20, 50]) for lane in LANES})
    ledger, given_to = FRESH, dict.fromkeys(LANES, 0)
    wanting = chance.sample(LANES, chance.randint(1, 4))
    for second in range(0, 861, 20):
        now = MORNING + seconds(second)
        for lane in chance.sample(wanting, len(wanting)):
            ledger, count = taken(ledger, lane, now, demand, chance.choice([0, 3, 50, 1000]))
            given_to[lane] += count
    for lane in wanting:  # whoever wants on until the end
        ledger, count = taken(ledger, lane, MORNING + seconds(870), demand)
        given_to[lane] += count
    assert sum(given_to.values()) == ledger.quarter.charged == 600
    assert ledger.quarter.by_lane == tuple(given_to[lane] for lane in LANES)


# ── Learning ─────────────────────────────────────────────────────────────────────────────────────────────────


def hours(began_at: datetime, count: int, live: int) -> list[PastHour]:
    return [PastHour(began_at + timedelta(hours=hour), 3600, (live, 0, 0, 0)) for hour in range(count)]


def a_quarter(demand: Demand, at: datetime, lane: Lane = Lane.LIVE) -> float:
    return demand.expected(lane, at.timestamp(), 900)


def test_knowing_nothing_a_tenth_is_kept_for_live_work() -> None:
    demand = quota.learned([], MORNING, LIMITS, LENGTHS)
    assert a_quarter(demand, MORNING) == pytest.approx(30_000 / 96 / 10)
    assert a_quarter(demand, MORNING, Lane.SCHEDULED) == 0


def test_each_hour_of_the_week_is_learned_from_its_own_past() -> None:
    past = [
        *hours(MIDNIGHT - timedelta(days=28), 28 * 24, 4),
        *(PastHour(MORNING - timedelta(days=7 * week), 3600, (396, 0, 0, 0)) for week in (1, 2, 3, 4)),
    ]
    demand = quota.learned(past, MORNING, LIMITS, LENGTHS)
    assert 35 < a_quarter(demand, MORNING) < 50  # half of these hours had 400 calls, half had 4
    assert a_quarter(demand, MORNING + timedelta(hours=3)) < 4
    assert a_quarter(demand, MORNING + timedelta(days=1)) < 4


def test_an_hour_with_hundreds_of_calls_is_learned_from_itself_after_one_week() -> None:
    past = [
        PastHour(MIDNIGHT + timedelta(hours=hour - 168), 3600, (1000 if hour % 24 == 18 else 0, 0, 0, 0))
        for hour in range(168)
    ]
    demand = quota.learned(past, MIDNIGHT, LIMITS, LENGTHS)
    assert 4 * a_quarter(demand, MIDNIGHT + timedelta(hours=18)) > 850


def test_newer_weeks_tell_more_than_older_ones() -> None:
    rising = [PastHour(MORNING - timedelta(days=7 * week), 3600, (400 - 100 * week, 0, 0, 0)) for week in (1, 2, 3)]
    falling = [PastHour(MORNING - timedelta(days=7 * week), 3600, (100 * week, 0, 0, 0)) for week in (1, 2, 3)]
    assert a_quarter(quota.learned(rising, MORNING, LIMITS, LENGTHS), MORNING) > a_quarter(
        quota.learned(falling, MORNING, LIMITS, LENGTHS), MORNING
    )


@given(st.floats(0, 10**7), st.floats(0, 3 * 10**6), st.floats(0, 10**6))
@settings(max_examples=80)
def test_what_is_expected_of_two_spans_adds_up(start: float, first: float, second: float) -> None:
    demand = Demand(tuple((hour % 24 / 100, 0.0, 0.0, 0.0) for hour in range(168)))
    whole = demand.expected(Lane.LIVE, start, first + second)
    parts = demand.expected(Lane.LIVE, start, first) + demand.expected(Lane.LIVE, start + first, second)
    assert whole == pytest.approx(parts, abs=1e-6, rel=1e-9)


# ── For people ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backlog_that_fits_into_this_quarter_ends_in_it() -> None:
    done_at = quota.drained_at(FRESH, 300, Lane.BACKFILL, MORNING, LENGTHS)
    assert done_at is not None
    assert MORNING < done_at <= MORNING + seconds(890)


def test_a_backlog_of_a_year_for_a_hundred_athletes_takes_as_many_days_as_the_days_budget_says() -> None:
    done_at = quota.drained_at(FRESH, 90_000, Lane.BACKFILL, MIDNIGHT, LENGTHS)
    assert done_at is not None
    # Two whole days, and the third's 30,000 at 600 a quarter: 12.5 h.
    assert (done_at - MIDNIGHT) / timedelta(hours=1) == pytest.approx(60.5, abs=0.3)


def test_what_the_lanes_above_need_makes_a_backlog_last_longer() -> None:
    alone = quota.drained_at(FRESH, 60_000, Lane.BACKFILL, MIDNIGHT, LENGTHS)
    beside = quota.drained_at(FRESH, 60_000, Lane.BACKFILL, MIDNIGHT, LENGTHS, needing(live=100))
    live = quota.drained_at(FRESH, 60_000, Lane.LIVE, MIDNIGHT, LENGTHS, needing(live=100))
    assert alone is not None
    assert beside is not None
    assert live == alone < beside
    assert quota.drained_at(FRESH, 10, Lane.BACKFILL, MIDNIGHT, LENGTHS, needing(live=600)) is None
    assert quota.drained_at(FRESH, 0, Lane.BACKFILL, MIDNIGHT, LENGTHS) == MIDNIGHT


def test_the_estimate_agrees_with_what_happens_to_a_backlog_that_starts_in_the_middle_of_a_day() -> None:
    day = Window(index=int(MIDNIGHT.timestamp()) // 86_400, charged=29_000)
    ledger, now, left = replace(FRESH, day=day), MORNING + seconds(123), 2500
    estimate = quota.drained_at(ledger, left, Lane.BACKFILL, now, LENGTHS)
    while left:
        ledger, count = taken(ledger, Lane.BACKFILL, now, NO_DEMAND, left)
        left -= count
        now += seconds(60)
    assert estimate is not None
    assert abs(estimate - now) < timedelta(minutes=15)


def test_the_forecast_says_when_the_days_budget_ends_at_the_last_hours_pace() -> None:
    day = Window(index=int(MIDNIGHT.timestamp()) // 86_400, charged=20_000)
    ledger = replace(FRESH, day=day)
    assert quota.forecast(ledger, 2400, MORNING, LENGTHS).day_ends_at == MORNING + timedelta(hours=10_000 / 2400)
    assert quota.forecast(ledger, 100, MORNING, LENGTHS).day_ends_at is None
    assert quota.forecast(ledger, 0, MORNING, LENGTHS).day_ends_at is None
    spent = replace(FRESH, day=replace(day, charged=30_000))
    assert quota.forecast(spent, 0, MORNING, LENGTHS).day_ends_at == MORNING

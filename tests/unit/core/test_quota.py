"""The ledger's arithmetic at its edges, one rule at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import quota
from daemon.core.admission import Answered, Lane, MeterReading, Outcome, Reading
from daemon.core.quota import Ask, Grant, Ledger, Lengths, Limits, Wait

LENGTHS = Lengths()
LIMITS = Limits(600, 30_000, 500, 20_000)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TURN = NOON + timedelta(minutes=15)
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def known(at: datetime, low: float = 0.0, high: float = 0.0, limits: Limits = LIMITS) -> Ledger:
    """Return a ledger that knows the limits, and the clock as exactly as told."""
    return Ledger(
        limits=limits, limits_learned=True, offset_low_seconds=low, offset_high_seconds=high, offset_at=at
    )


def admit(ledger: Ledger, at: datetime, count: int = 1) -> tuple[Ledger, Grant]:
    decision = quota.admit(ledger, Ask(Lane.BACKFILL, count), at, LENGTHS)
    assert not isinstance(decision, Wait), decision.reason
    return decision


def refused(ledger: Ledger, at: datetime, count: int = 1) -> Wait:
    decision = quota.admit(ledger, Ask(Lane.BACKFILL, count), at, LENGTHS)
    assert isinstance(decision, Wait)
    return decision


def room(ledger: Ledger, at: datetime) -> int:
    """Return the most that would be permitted at once, waiting for answers on their way left aside."""
    decisions = {count: quota.admit(ledger, Ask(Lane.BACKFILL, count), at, LENGTHS) for count in range(1, 701)}
    fits = [
        count
        for count, decision in decisions.items()
        if not isinstance(decision, Wait) or decision.reason.startswith("answers on their way")
    ]
    assert fits == list(range(1, len(fits) + 1))
    return len(fits)


def shows(quarter: int, day: int, limits: Limits = LIMITS) -> Reading:
    return Reading(
        MeterReading(limits.overall_quarter, limits.overall_day, quarter, day),
        MeterReading(limits.read_quarter, limits.read_day, quarter, day),
    )


def observe(
    ledger: Ledger,
    grant: Grant,
    at: datetime,
    reading: Reading | None = None,
    outcome: Outcome = Outcome.COUNTED,
    dated_at: datetime | None = None,
) -> Ledger:
    dated_at = (dated_at or at).replace(microsecond=0)
    return quota.observe(ledger, grant, Answered(dated_at, reading, outcome), at, LENGTHS)


def test_a_step_gets_all_its_permits_or_none() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60), 499)
    assert grant.count == 499
    assert refused(ledger, NOON + seconds(60), 2).reason == "this quarter's requests are spent"
    ledger, _ = admit(ledger, NOON + seconds(60), 1)
    assert room(ledger, NOON + seconds(60)) == 0


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(7, 100, 9, 100), 7),
        (Limits(9, 100, 7, 100), 7),
        (Limits(100, 7, 100, 9), 7),
        (Limits(100, 9, 100, 7), 7),
    ],
)
def test_each_of_the_four_limits_binds_alone(limits: Limits, most: int) -> None:
    assert room(known(NOON, limits=limits), NOON + seconds(60)) == most


def test_asking_whether_it_is_shut_takes_nothing() -> None:
    ledger = known(NOON, limits=Limits(1, 100, 1, 100))
    assert quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), NOON + seconds(60), LENGTHS) is None
    ledger, _ = admit(ledger, NOON + seconds(60))
    wait = quota.shut_until(ledger, Ask(Lane.BACKFILL, 1), NOON + seconds(60), LENGTHS)
    assert wait is not None
    assert wait.until >= TURN


# ── Before anything is known ─────────────────────────────────────────────────────────────────────────────────


def test_a_cold_ledger_gives_ten_permits_and_then_waits_for_the_first_answer() -> None:
    at = NOON + seconds(300)
    ledger, grant = admit(Ledger(limits=LIMITS), at, 10)
    wait = refused(ledger, at + seconds(1))
    assert wait.until == at + seconds(3)
    assert not wait.inactive
    ledger = observe(ledger, grant, at + seconds(2), shows(1, 1))
    assert room(ledger, at + seconds(2)) == 490


def test_a_cold_ledger_whose_permits_were_all_lost_lets_one_step_through_every_twenty_seconds() -> None:
    at = NOON + seconds(300)
    ledger, _ = admit(Ledger(limits=LIMITS), at, 10)
    refused(ledger, at + seconds(19.9), 2)
    ledger, grant = admit(ledger, at + seconds(20), 2)
    refused(ledger, at + seconds(20.1), 2)
    refused(ledger, at + seconds(39.9), 2)
    assert observe(ledger, grant, at + seconds(21), shows(1, 1)).limits_learned


def test_answers_without_a_reading_leave_the_ledger_cold() -> None:
    ledger, grant = admit(Ledger(limits=LIMITS), NOON + seconds(300), 10)
    for _ in range(10):
        ledger = observe(ledger, grant, NOON + seconds(301))
    assert room(ledger, NOON + seconds(302)) == 0
    assert room(ledger, TURN + seconds(10)) == 10


def test_an_app_with_one_meter_is_bound_by_that_one_twice() -> None:
    ledger, grant = admit(Ledger(limits=LIMITS), NOON + seconds(300))
    only = MeterReading(100, 1000, 30, 30)
    assert room(observe(ledger, grant, NOON + seconds(301), Reading(only, None)), NOON + seconds(302)) == 70
    assert room(observe(ledger, grant, NOON + seconds(301), Reading(None, only)), NOON + seconds(302)) == 70
    nothing = observe(ledger, grant, NOON + seconds(301), Reading(None, None))
    assert not nothing.limits_learned


# ── At a boundary ────────────────────────────────────────────────────────────────────────────────────────────


def test_six_seconds_before_a_turn_and_less_a_request_is_charged_to_both_windows() -> None:
    _, grant = admit(known(NOON), TURN - seconds(6.101))
    assert not grant.quarter.ahead
    _, grant = admit(known(TURN), TURN - seconds(6))
    assert grant.quarter.ahead
    assert not grant.day.ahead
    _, grant = admit(known(MIDNIGHT), MIDNIGHT - seconds(6))
    assert grant.quarter.ahead
    assert grant.day.ahead


def test_an_inexact_clock_widens_the_guard_on_both_sides_of_the_turn() -> None:
    ledger = known(TURN, low=-2, high=3)
    for at, ahead in ((-9.1, False), (-9.0, True), (1.9, True), (2.1, False)):
        _, grant = admit(ledger, TURN + seconds(at))
        assert grant.quarter.ahead is ahead


@pytest.mark.parametrize("before", [0.5, 4.0, 6.5, 60.0, 800.0])
def test_a_permit_is_good_for_three_seconds_and_else_as_long_as_it_is_surely_counted_where_it_is_charged(
    before: float,
) -> None:
    at = TURN - seconds(before)
    _, grant = admit(known(at), at)
    ends_at = TURN + seconds(900) if grant.quarter.ahead else TURN
    assert at + seconds(3) <= grant.send_before <= ends_at - seconds(3)
    assert grant.send_before > ends_at - seconds(3.2)


def test_late_in_the_day_a_permit_is_not_good_beyond_midnight() -> None:
    at = MIDNIGHT - seconds(9.7)
    _, grant = admit(known(at), at)
    assert not grant.day.ahead
    assert grant.send_before == at + seconds(3)


def test_an_answer_from_before_the_turn_gives_the_charge_of_the_new_window_back() -> None:
    ledger, grant = admit(known(TURN), TURN - seconds(4), 3)
    early = observe(ledger, grant, TURN - seconds(3), shows(1, 1))
    assert early.quarter.charged_ahead == 2
    late = observe(early, grant, TURN + seconds(6), dated_at=TURN - seconds(3))
    assert late.quarter.charged == 1
    assert room(late, TURN + seconds(6)) == 499


def test_an_answer_dated_in_the_last_second_gives_nothing_back_since_an_edge_server_may_be_slow() -> None:
    ledger, grant = admit(known(TURN), TURN - seconds(4))
    ledger = observe(ledger, grant, TURN + seconds(6), dated_at=TURN - seconds(1))
    assert ledger.quarter.charged == 1


def test_a_late_answer_of_the_old_window_does_not_block_the_new_one() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(880), 500)
    assert not grant.quarter.ahead
    ledger = observe(ledger, grant, TURN + seconds(1), shows(500, 9000))
    assert room(ledger, TURN + seconds(1)) == 500
    assert ledger.day.overall_usage == 9000


def test_a_late_answer_that_may_be_of_either_window_does_not_block_the_new_one() -> None:
    ledger, _ = admit(known(NOON), NOON + seconds(60), 300)
    ledger, grant = admit(ledger, TURN - seconds(1), 2)
    ledger = observe(ledger, grant, TURN + seconds(6), shows(302, 302))
    assert room(ledger, TURN + seconds(6)) == 498


def test_requests_on_the_boundary_are_not_taken_for_somebody_elses_in_the_new_window() -> None:
    ledger, early = admit(known(TURN), TURN - seconds(1), 5)
    for _ in range(5):
        ledger = observe(ledger, early, TURN + seconds(6))
    ledger, grant = admit(ledger, TURN + seconds(7))
    ledger = observe(ledger, grant, TURN + seconds(8), shows(6, 6))
    assert room(ledger, TURN + seconds(8)) == 494


def test_a_crashed_step_is_charged_until_its_windows_have_turned() -> None:
    ledger, _ = admit(known(TURN), TURN - seconds(2), 100)
    assert room(ledger, TURN + seconds(60)) == 400
    assert room(ledger, TURN + seconds(901)) == 500
    ledger, _ = admit(known(TURN), TURN - seconds(60), 100)
    assert room(ledger, TURN + seconds(1)) == 500


def test_a_window_never_turns_back() -> None:
    ledger = quota.roll(known(TURN), TURN + seconds(1), LENGTHS)
    assert quota.roll(ledger, TURN - seconds(300), LENGTHS) == ledger


# ── What others use ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_others_use_comes_on_top_of_what_is_in_flight() -> None:
    ledger, _ = admit(known(NOON), NOON + seconds(60), 50)
    ledger, grant = admit(ledger, NOON + seconds(61))
    ledger = observe(ledger, grant, NOON + seconds(62), shows(101, 101))  # it and a hundred others; 50 under way
    assert room(ledger, NOON + seconds(62)) == 500 - 50 - 101


def test_one_meter_may_show_more_of_others_than_the_other() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    uploads = Reading(MeterReading(600, 30_000, 591, 591), MeterReading(500, 20_000, 1, 1))
    assert room(observe(ledger, grant, NOON + seconds(61), uploads), NOON + seconds(62)) == 9


def test_a_silent_answer_is_in_a_later_reading_only_if_it_came_before_that_request_was_admitted() -> None:
    ledger, silent = admit(known(NOON), NOON + seconds(60), 10)
    ledger, early = admit(ledger, NOON + seconds(60))
    for _ in range(10):
        ledger = observe(ledger, silent, NOON + seconds(61))
    ledger, late = admit(ledger, NOON + seconds(62))
    # Twenty beside itself: our ten and ten of others, or twenty of others.
    unsure = observe(ledger, early, NOON + seconds(63), shows(21, 21))
    assert room(unsure, NOON + seconds(63)) == 500 - 12 - 20
    sure = observe(unsure, late, NOON + seconds(64), shows(22, 22))
    assert room(sure, NOON + seconds(64)) == 500 - 12 - 10


def test_a_permit_that_waited_before_it_was_sent_knows_what_was_answered_meanwhile() -> None:
    ledger, waiting = admit(known(NOON), NOON + seconds(60))
    for _ in range(4):
        ledger, silent = admit(ledger, NOON + seconds(61))
        ledger = observe(ledger, silent, NOON + seconds(62))
    sent = quota.seen_since(waiting, ledger)
    ledger = observe(ledger, sent, NOON + seconds(63), shows(5, 5))
    assert room(ledger, NOON + seconds(63)) == 495


def test_requests_answered_just_before_the_turn_is_sure_are_ours_in_the_new_window_too() -> None:
    ledger = known(TURN, low=-1, high=1)
    for number in range(4):
        ledger, grant = admit(ledger, TURN + seconds(0.2))
        ledger = observe(ledger, grant, TURN + seconds(0.4), shows(number + 1, 1))
    ledger, grant = admit(ledger, TURN + seconds(2))
    ledger = observe(ledger, grant, TURN + seconds(2.2), shows(5, 5))
    assert room(ledger, TURN + seconds(3)) == 495


def test_readings_that_overtake_each_other_leave_the_highest() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60), 2)
    ledger = observe(ledger, grant, NOON + seconds(61), shows(42, 42))
    ledger = observe(ledger, grant, NOON + seconds(62), shows(41, 41))
    assert room(ledger, NOON + seconds(62)) == 500 - 42


def test_an_answer_without_a_date_still_shows_its_reading() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    ledger = quota.observe(ledger, grant, Answered(None, shows(101, 101)), NOON + seconds(61), LENGTHS)
    assert room(ledger, NOON + seconds(61)) == 399
    assert ledger.offset_at == NOON


# ── Limits that change ───────────────────────────────────────────────────────────────────────────────────────


def test_limits_follow_the_newest_answer_up_and_down() -> None:
    lower, higher = Limits(100, 1000, 100, 1000), Limits(700, 40_000, 700, 40_000)
    ledger, grant = admit(known(NOON), NOON + seconds(60), 3)
    ledger = observe(ledger, grant, NOON + seconds(61), shows(1, 1, lower))
    assert room(ledger, NOON + seconds(61)) == 97
    ledger = observe(ledger, grant, NOON + seconds(62), shows(3, 3, higher))
    assert room(ledger, NOON + seconds(62)) == 696  # one answer is missing: the third may be somebody else's
    overtaken = observe(ledger, grant, NOON + seconds(63), shows(2, 2, lower))
    assert overtaken.limits == higher


def test_limits_lowered_below_what_is_used_shut_until_the_turn() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60), 200)
    ledger = observe(ledger, grant, NOON + seconds(61), shows(200, 200, Limits(100, 1000, 100, 1000)))
    assert refused(ledger, NOON + seconds(61)).until >= TURN
    assert room(ledger, TURN + seconds(1)) == 100


def test_yesterdays_late_answer_lowers_limits_but_does_not_raise_them() -> None:
    mixed = Limits(700, 40_000, 100, 1000)
    ledger, grant = admit(known(MIDNIGHT), MIDNIGHT - seconds(60))
    ledger = observe(ledger, grant, MIDNIGHT + seconds(5), shows(400, 25_000, mixed))
    assert ledger.limits == Limits(600, 30_000, 100, 1000)
    ledger, grant = admit(ledger, MIDNIGHT + seconds(6))
    ledger = observe(ledger, grant, MIDNIGHT + seconds(7), shows(1, 1, mixed))
    assert ledger.limits == mixed


# ── 429 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_429_shuts_the_quarter_and_only_that() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    ledger = observe(ledger, grant, NOON + seconds(61), outcome=Outcome.RATE_LIMITED)
    wait = refused(ledger, NOON + seconds(61))
    assert TURN <= wait.until < TURN + seconds(1)
    assert not ledger.day.spent
    assert room(ledger, wait.until) == 500


def test_a_429_on_the_days_meter_shuts_the_day() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    ledger = observe(ledger, grant, NOON + seconds(61), shows(2, 20_001), Outcome.RATE_LIMITED)
    assert refused(ledger, TURN + seconds(60)).until >= MIDNIGHT
    assert not ledger.quarter.spent
    assert room(ledger, MIDNIGHT + seconds(10)) == 500


def test_a_late_429_of_the_old_window_leaves_the_new_one_open() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(880))
    ledger = observe(ledger, grant, TURN + seconds(1), shows(501, 501), Outcome.RATE_LIMITED, TURN - seconds(1))
    assert room(ledger, TURN + seconds(1)) == 500


def test_a_429_around_the_turn_holds_everyone_until_the_turn_is_sure() -> None:
    ledger, grant = admit(known(TURN, low=-2, high=2), TURN - seconds(1))
    ledger = observe(ledger, grant, TURN + seconds(0.5), outcome=Outcome.RATE_LIMITED, dated_at=TURN)
    wait = refused(ledger, TURN + seconds(0.5))
    assert TURN + seconds(1) <= wait.until <= TURN + seconds(2)
    assert room(ledger, wait.until) == 499


# ── An inactive app ──────────────────────────────────────────────────────────────────────────────────────────


def inactive() -> Ledger:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    return observe(ledger, grant, NOON + seconds(61), outcome=Outcome.APP_INACTIVE)


def test_an_inactive_app_is_probed_once_in_fifteen_minutes() -> None:
    ledger, at = inactive(), NOON + seconds(61)
    for _ in range(3):
        wait = refused(ledger, at + seconds(899))
        assert wait.inactive
        assert wait.until == at + seconds(900)
        ledger, _ = admit(ledger, at + seconds(900))
        at += seconds(900)


def test_a_counted_answer_makes_the_app_active_again_and_no_other_does() -> None:
    ledger, probe = admit(inactive(), TURN + seconds(61))
    again = observe(ledger, probe, TURN + seconds(62), outcome=Outcome.APP_INACTIVE)
    assert refused(again, TURN + seconds(63)).until == TURN + seconds(62 + 900)
    limited = observe(ledger, probe, TURN + seconds(62), outcome=Outcome.RATE_LIMITED)
    assert refused(limited, TURN + seconds(63)).inactive
    assert room(observe(ledger, probe, TURN + seconds(62)), TURN + seconds(63)) == 499


def test_a_probe_that_the_quota_refuses_is_not_used_up() -> None:
    ledger = replace(inactive(), quarter=replace(inactive().quarter, spent=True), inactive_until=NOON + seconds(90))
    wait = refused(ledger, NOON + seconds(100))
    assert not wait.inactive
    _, probe = admit(ledger, wait.until)
    assert probe.count == 1


# ── Strava's clock ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_offset_lies_between_the_date_less_receipt_and_the_date_less_sending() -> None:
    at = NOON + seconds(60)
    ledger, grant = admit(Ledger(limits=LIMITS), at)
    ledger = observe(ledger, grant, at + seconds(4), dated_at=at + seconds(30))
    # One second of slack either way, and what clocks may drift in four.
    assert quota.offset_bounds(ledger, at + seconds(4), LENGTHS) == pytest.approx((25.0, 32.0), abs=1e-3)
    ledger, grant = admit(ledger, at + seconds(10))
    ledger = observe(ledger, grant, at + seconds(10), dated_at=at + seconds(41))
    low, high = quota.offset_bounds(ledger, at + seconds(10), LENGTHS)
    assert low == pytest.approx(30, abs=1e-2)
    assert high == pytest.approx(32, abs=1e-2)


def test_before_the_first_answer_the_clocks_may_be_two_minutes_apart() -> None:
    assert quota.offset_bounds(Ledger(limits=LIMITS), NOON, LENGTHS) == (-120.0, 120.0)
    assert quota.offset_bounds(Ledger(limits=LIMITS), NOON, Lengths(60, 600)) == (-15.0, 15.0)


def test_knowledge_of_the_clock_wears_off_but_never_below_what_was_known_at_first() -> None:
    ledger = known(NOON, -1, 1)
    low, high = quota.offset_bounds(ledger, NOON + seconds(10_000), LENGTHS)
    assert low == pytest.approx(-2)
    assert high == pytest.approx(2)
    assert quota.offset_bounds(ledger, NOON + timedelta(days=300), LENGTHS) == (-121, 121)
    assert quota.offset_bounds(ledger, NOON - seconds(5), LENGTHS) == (-1, 1)


@pytest.mark.parametrize("hours", [-5.0, -0.1, 0.1, 5.0])
def test_a_clock_that_was_set_makes_old_knowledge_void(hours: float) -> None:
    ledger, grant = admit(known(NOON, -1, 1), NOON + seconds(60))
    strava = NOON + seconds(60) + timedelta(hours=hours)
    ledger = observe(ledger, grant, NOON + seconds(60), shows(1, 1), dated_at=strava)
    low, high = quota.offset_bounds(ledger, NOON + seconds(60), LENGTHS)
    assert low < hours * 3600 < high
    assert high - low == pytest.approx(3)
    ledger, grant = admit(ledger, NOON + seconds(90))
    if hours > 0:
        assert grant.quarter.index == int((strava + seconds(30)).timestamp()) // 900


@given(st.floats(-120, 120), st.floats(0, 3), st.floats(0, 899))
@settings(max_examples=100, deadline=None)
def test_a_wait_that_is_honoured_ends_at_the_turn_and_never_in_a_second_wait(
    offset: float, width: float, spent_at: float
) -> None:
    now = NOON + seconds(spent_at)
    ledger, grant = admit(known(now, offset - width, offset), now)
    ledger = replace(ledger, quarter=replace(ledger.quarter, spent=True))
    wait = refused(ledger, now)
    turn_at = datetime.fromtimestamp((grant.quarter.index + 1) * 900 - offset, UTC)
    assert turn_at <= wait.until + timedelta(microseconds=2)
    assert wait.until <= turn_at + seconds(width + 0.1)
    _, after = admit(ledger, wait.until, 499)
    assert after.quarter.index == grant.quarter.index + 1


# ── For people ───────────────────────────────────────────────────────────────────────────────────────────────


def test_usage_shows_four_counters_and_when_each_starts_anew() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60), 10)
    ledger = observe(ledger, grant, NOON + seconds(61), shows(31, 101))
    rows = quota.usage(ledger, NOON + seconds(61), LENGTHS)
    assert [(row.window, row.meter, row.limit, row.used, row.used_by_us, row.used_by_others) for row in rows] == [
        ("quarter", "overall", 600, 40, 10, 30),
        ("quarter", "read", 500, 40, 10, 30),
        ("day", "overall", 30_000, 110, 10, 100),
        ("day", "read", 20_000, 110, 10, 100),
    ]
    assert {row.by_lane for row in rows} == {(0, 0, 0, 10)}
    assert rows[0].left == 560
    assert [round((row.resets_at - TURN).total_seconds()) for row in rows[:2]] == [0, 0]
    assert MIDNIGHT <= rows[2].resets_at == rows[3].resets_at < MIDNIGHT + seconds(10)
    assert quota.usage(ledger, TURN + seconds(60), LENGTHS)[0].used == 0


def test_usage_shows_a_spent_window_as_full() -> None:
    ledger, grant = admit(known(NOON), NOON + seconds(60))
    ledger = observe(ledger, grant, NOON + seconds(61), outcome=Outcome.RATE_LIMITED)
    assert [row.used for row in quota.usage(ledger, NOON + seconds(61), LENGTHS)] == [600, 500, 1, 1]

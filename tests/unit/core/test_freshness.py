"""The freshness policy: each branch at its edges, and what holds for every athlete."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.core.fleet import span, unseen
from daemon.core.freshness import (
    ACTIVE_WITHIN,
    AUDITED,
    BLIND_AT_MOST,
    OVERLAP,
    RECENT,
    VERIFIED_FOR,
    WALK_AFTER,
    WHOLE_HISTORY,
    Affordable,
    Athlete,
    Occasion,
    Policy,
    Proof,
    Skip,
    Sync,
    affordable,
    doubt,
    should_sync,
    summed_up,
)
from daemon.core.habits import learned

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIXED, ADAPTIVE, BY_AGE = Policy("fixed"), Policy(), Policy(predictive=False)
PROVEN = Proof(verified_at=NOW - HOUR, up_since=NOW - 30 * DAY, event_at=NOW - MINUTE)
GONE = replace(PROVEN, verified_at=None)
TICK, BACKGROUND, QUICK = Occasion.INGESTION_TICK, Occasion.BACKGROUND_SYNC, Occasion.QUICK_SYNC
PLAIN = (TICK, BACKGROUND, QUICK)


def seen(age: timedelta, reach: timedelta = AUDITED, **more: Any) -> Athlete:
    """Return an athlete who was last looked at so long ago, so far back."""
    looked_at = NOW - age
    usual: dict[str, Any] = {
        "connected_at": NOW - 1_000 * DAY,
        "active_at": NOW - DAY,
        "audited_at": looked_at,
        "walked_at": NOW - DAY,
        "event_at": NOW - DAY,
        "missed_at": None,
    }
    return Athlete(7, synced_at=looked_at, reached_to=looked_at - reach, **usual | more)


def why(athlete: Athlete, occasion: Occasion, policy: Policy, proof: Proof = PROVEN) -> tuple[bool, str]:
    decision = should_sync(athlete, occasion, NOW, proof, policy)
    assert decision.reason
    return isinstance(decision, Sync), decision.why


NEWCOMER = replace(seen(DAY), synced_at=None, reached_to=None, audited_at=None)


@pytest.mark.parametrize("policy", [FIXED, ADAPTIVE, BY_AGE])
@pytest.mark.parametrize("occasion", [*PLAIN, Occasion.DAILY_SYNC])
def test_who_was_never_looked_at_is_looked_at_before_anybody_else(policy: Policy, occasion: Occasion) -> None:
    first = should_sync(NEWCOMER, occasion, NOW, GONE, policy)
    stale = should_sync(seen(20 * DAY), occasion, NOW, GONE, policy)
    assert isinstance(first, Sync)
    assert isinstance(stale, Sync)
    assert (first.why, first.lookback) == ("never_synced", AUDITED)
    assert first.urgency > stale.urgency


@pytest.mark.parametrize(
    ("occasion", "age", "active", "expected"),
    [
        (TICK, HOUR - SECOND, True, (False, "too_soon")),
        (TICK, HOUR, True, (True, "tick")),
        (TICK, HOUR, False, (True, "tick")),
        (BACKGROUND, HOUR - SECOND, True, (False, "too_soon")),
        (BACKGROUND, HOUR, True, (False, "not_due")),
        (BACKGROUND, 2 * HOUR - SECOND, True, (False, "not_due")),
        (BACKGROUND, 2 * HOUR, True, (True, "active")),
        (BACKGROUND, 2 * HOUR, False, (False, "not_due")),
        (BACKGROUND, 4 * HOUR - SECOND, False, (False, "not_due")),
        (BACKGROUND, 4 * HOUR, False, (True, "inactive")),
        (BACKGROUND, 6 * HOUR - SECOND, True, (True, "active")),
        (BACKGROUND, 6 * HOUR - SECOND, False, (True, "inactive")),
        (BACKGROUND, 6 * HOUR, True, (True, "scheduled")),
        (BACKGROUND, 6 * HOUR, False, (True, "scheduled")),
        (QUICK, 2 * HOUR - SECOND, True, (False, "not_due")),
        (QUICK, 2 * HOUR, True, (True, "active")),
        (QUICK, 4 * HOUR, False, (True, "inactive")),
        (QUICK, 6 * HOUR, False, (True, "scheduled")),
        (Occasion.DAILY_SYNC, HOUR - SECOND, True, (False, "too_soon")),
        (Occasion.DAILY_SYNC, HOUR, False, (True, "audit")),
        (Occasion.MANUAL, SECOND, False, (True, "asked")),
    ],
)
def test_the_fixed_rule_decides_by_age(
    occasion: Occasion, age: timedelta, active: bool, expected: tuple[bool, str]
) -> None:
    athlete = seen(age, active_at=NOW - ACTIVE_WITHIN - (timedelta(0) if active else SECOND))
    assert why(athlete, occasion, FIXED) == expected


@pytest.mark.parametrize("policy", [FIXED, ADAPTIVE])
def test_a_look_half_an_hour_ago_that_reached_less_far_does_not_cancel_the_audit(policy: Policy) -> None:
    assert why(seen(30 * MINUTE, RECENT), Occasion.DAILY_SYNC, policy) == (True, "audit")
    assert why(seen(30 * MINUTE, AUDITED), Occasion.DAILY_SYNC, policy) == (False, "too_soon")


def test_the_fixed_rule_does_not_repeat_a_young_look_only_because_it_was_narrow() -> None:
    assert why(seen(30 * MINUTE, DAY), TICK, FIXED) == (False, "not_due")


@pytest.mark.parametrize(
    ("occasion", "policy", "age", "lookback"),
    [
        (TICK, FIXED, 2 * HOUR, RECENT),
        (QUICK, FIXED, 2 * DAY, RECENT),
        (QUICK, FIXED, 5 * DAY, 5 * DAY + OVERLAP),
        (Occasion.DAILY_SYNC, FIXED, 2 * HOUR, AUDITED),
        (Occasion.MANUAL, FIXED, 2 * HOUR, AUDITED),
        (TICK, ADAPTIVE, 30 * HOUR, AUDITED),
        (TICK, ADAPTIVE, 20 * DAY, 20 * DAY + OVERLAP),
    ],
)
def test_windows_overlap_and_hold_all_since_the_last_look(
    occasion: Occasion, policy: Policy, age: timedelta, lookback: timedelta
) -> None:
    decision = should_sync(seen(age), occasion, NOW, GONE, policy)
    assert isinstance(decision, Sync)
    assert decision.lookback == lookback


def test_somebody_who_asks_is_served_before_all() -> None:
    asked = should_sync(seen(SECOND), Occasion.MANUAL, NOW, PROVEN, ADAPTIVE)
    new = should_sync(NEWCOMER, TICK, NOW, PROVEN, ADAPTIVE)
    assert isinstance(asked, Sync)
    assert isinstance(new, Sync)
    assert asked.urgency > new.urgency


def test_a_look_dated_in_the_future_stops_nothing() -> None:
    assert why(seen(-HOUR - SECOND), TICK, ADAPTIVE) == (True, "clock_set_back")
    assert why(seen(-HOUR), TICK, ADAPTIVE) == (False, "webhooks_alive")


@pytest.mark.parametrize("policy", [FIXED, ADAPTIVE])
def test_a_history_is_walked_once_a_month_and_behind_everything_else(policy: Policy) -> None:
    walk = Occasion.MONTHLY_WALK
    assert why(seen(DAY, walked_at=NOW - WALK_AFTER + SECOND), walk, policy) == (False, "walked")
    due = should_sync(seen(DAY, walked_at=NOW - WALK_AFTER), walk, NOW, PROVEN, policy)
    never = should_sync(seen(DAY, walked_at=None), walk, NOW, PROVEN, policy)
    audit = should_sync(seen(2 * HOUR), Occasion.DAILY_SYNC, NOW, PROVEN, policy)
    assert isinstance(due, Sync)
    assert isinstance(never, Sync)
    assert isinstance(audit, Sync)
    assert due.lookback == WHOLE_HISTORY
    assert due.urgency < never.urgency < audit.urgency


@pytest.mark.parametrize("age", [HOUR, 6 * HOUR, 24 * HOUR - SECOND])
def test_with_proof_the_daily_audit_is_enough(age: timedelta) -> None:
    for occasion in PLAIN:
        assert why(seen(age), occasion, ADAPTIVE) == (False, "webhooks_alive")
    assert why(seen(age), Occasion.DAILY_SYNC, ADAPTIVE) == (True, "audit")


def test_an_audit_that_the_daily_sync_did_not_come_to_is_made_up_for_by_any_tick() -> None:
    assert why(seen(24 * HOUR), TICK, ADAPTIVE) == (True, "audit")
    assert why(seen(2 * HOUR, RECENT, audited_at=None), TICK, ADAPTIVE) == (True, "audit")


LOST_PROOF = {
    "unverified": replace(PROVEN, verified_at=NOW - VERIFIED_FOR - SECOND),
    "receiver_down": replace(PROVEN, up_since=None),
    "nothing_heard": replace(PROVEN, event_at=None),
    "silent": replace(PROVEN, silent_since=NOW - 5 * HOUR),
}


@pytest.mark.parametrize("cause", LOST_PROOF)
@pytest.mark.parametrize("policy", [ADAPTIVE, BY_AGE])
def test_without_proof_nobody_waits_longer_than_five_hours(cause: str, policy: Policy) -> None:
    athlete = seen(5 * HOUR)
    doubted = doubt(athlete, NOW, LOST_PROOF[cause])
    assert doubted is not None
    assert doubted.why == cause
    later = doubted.since + 5 * HOUR
    proof = replace(LOST_PROOF[cause], event_at=LOST_PROOF[cause].event_at and later)
    assert isinstance(should_sync(athlete, TICK, later, proof, policy), Sync)


def test_proof_lasts_as_long_as_the_subscription_was_seen_lately() -> None:
    assert doubt(seen(5 * HOUR), NOW, replace(PROVEN, verified_at=NOW - VERIFIED_FOR)) is None


def test_news_may_be_unseen_since_the_first_of_several_losses() -> None:
    proof = Proof(NOW - 4 * HOUR, None, NOW - 2 * HOUR, silent_since=NOW - 2 * HOUR, down_at=NOW - 3 * HOUR)
    doubted = doubt(seen(10 * HOUR), NOW, proof)
    assert doubted is not None
    assert doubted.since == NOW - 4 * HOUR
    assert doubt(seen(HOUR), NOW, proof) == replace(doubted, since=NOW - HOUR)


@pytest.mark.parametrize(
    "proof",
    [
        replace(PROVEN, up_since=NOW - MINUTE),
        replace(PROVEN, heard_since=NOW - MINUTE),
        replace(PROVEN, subscribed_at=NOW - MINUTE),
    ],
)
def test_after_an_outage_everybody_looked_at_before_is_looked_at_at_once(proof: Proof) -> None:
    for age in (2 * MINUTE, 23 * HOUR):
        assert why(seen(age), TICK, ADAPTIVE, proof) == (True, "recovered")
    assert why(seen(MINUTE), TICK, ADAPTIVE, proof) == (False, "too_soon")


def test_after_an_outage_those_with_habits_at_that_hour_come_first() -> None:
    proof = replace(PROVEN, up_since=NOW, down_at=NOW - HOUR)
    uploads, uploads_at = learned((), None, NOW - 7 * DAY)
    elsewhen, _ = learned((), None, NOW - 7 * DAY + 12 * HOUR)
    likely = should_sync(seen(9 * HOUR, uploads=uploads, uploads_at=uploads_at), TICK, NOW, proof, ADAPTIVE)
    unlikely = should_sync(seen(9 * HOUR, uploads=elsewhen, uploads_at=uploads_at), TICK, NOW, proof, ADAPTIVE)
    assert isinstance(likely, Sync)
    assert isinstance(unlikely, Sync)
    assert likely.urgency > unlikely.urgency


def test_a_lost_event_is_doubted_until_a_clean_audit_and_an_event_or_two_days() -> None:
    missed: dict[str, Any] = {"missed_at": NOW - 10 * HOUR, "event_at": NOW - DAY}
    assert doubt(seen(10 * HOUR, **missed), NOW, PROVEN) is not None  # found by his last audit
    assert doubt(seen(5 * HOUR, **missed), NOW, PROVEN) is not None  # nothing was heard since
    assert doubt(seen(5 * HOUR, **missed | {"event_at": NOW - HOUR}), NOW, PROVEN) is None
    assert doubt(seen(10 * HOUR, **missed | {"event_at": NOW - HOUR}), NOW, PROVEN) is not None
    assert doubt(seen(5 * HOUR, missed_at=NOW - 2 * DAY, event_at=None), NOW, PROVEN) is None
    assert doubt(seen(5 * HOUR, missed_at=NOW - 2 * DAY + SECOND, event_at=None), NOW, PROVEN) is not None


def test_proof_stood_until_a_walk_found_what_it_had_hidden() -> None:
    doubted = doubt(seen(10 * HOUR, missed_at=NOW - HOUR), NOW, PROVEN)
    assert doubted is not None
    assert (doubted.why, doubted.since) == ("missed", NOW - HOUR)


def test_without_prediction_the_active_are_looked_at_after_two_hours_and_others_after_four() -> None:
    idle: dict[str, Any] = {"active_at": None}
    assert why(seen(2 * HOUR - SECOND), TICK, BY_AGE, GONE) == (False, "not_due")
    assert why(seen(2 * HOUR), TICK, BY_AGE, GONE) == (True, "active")
    assert why(seen(4 * HOUR - SECOND, **idle), TICK, BY_AGE, GONE) == (False, "not_due")
    assert why(seen(4 * HOUR, **idle), TICK, BY_AGE, GONE) == (True, "inactive")


def weekly(at: datetime, times: int = 20) -> dict[str, Any]:
    """Return what is known of somebody who has uploaded at this hour of the week, several times in each."""
    uploads, uploads_at = learned((), None, at - 7 * DAY)
    for back in range(14, 14 + times):
        uploads, uploads_at = learned(uploads, uploads_at, at - 7 * (back // 3) * DAY)
    return {"uploads": uploads, "uploads_at": uploads_at, "connected_at": NOW - 1_000 * DAY}


def test_a_look_is_worth_a_call_where_habits_expect_news_and_not_elsewhere() -> None:
    just_trained = seen(2 * HOUR, **weekly(NOW - HOUR))
    trains_at_night = seen(2 * HOUR, **weekly(NOW + 12 * HOUR, times=2))
    assert why(just_trained, TICK, ADAPTIVE, GONE) == (True, "likely_news")
    assert why(trains_at_night, TICK, ADAPTIVE, GONE) == (False, "resting")


def test_six_hours_for_everybody_come_before_minutes_for_some() -> None:
    likely = should_sync(seen(5 * HOUR - SECOND, **weekly(NOW - HOUR)), TICK, NOW, GONE, ADAPTIVE)
    stale = should_sync(seen(5 * HOUR, **weekly(NOW + 12 * HOUR, times=0)), TICK, NOW, GONE, ADAPTIVE)
    assert isinstance(likely, Sync)
    assert isinstance(stale, Sync)
    assert (likely.why, stale.why) == ("likely_news", "stale")
    assert stale.urgency > likely.urgency


def test_of_a_fleet_that_nobody_has_summed_up_the_usual_is_expected() -> None:
    athlete = seen(2 * HOUR, connected_at=NOW - DAY)
    unknown, usual = (
        should_sync(athlete, TICK, NOW, proof, ADAPTIVE) for proof in (replace(GONE, anybody=()), GONE)
    )
    assert unknown == usual


ages = st.integers(0, 40 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
instants = st.one_of(st.none(), ages.map(lambda age: NOW - age))
patterns = st.one_of(
    st.just(((), None)),
    st.lists(ages, min_size=1, max_size=6).map(
        lambda many: (learned_all(many), NOW - min(many)),
    ),
)


def learned_all(many: list[timedelta]) -> tuple[float, ...]:
    uploads, at = (), None  # type: tuple[float, ...], datetime | None
    for age in many:
        uploads, at = learned(uploads, at, NOW - age)
    return uploads


@st.composite
def athletes(draw: st.DrawFn) -> Athlete:
    age, reach, audited = draw(ages), draw(st.sampled_from([DAY, RECENT, AUDITED, 30 * DAY])), draw(ages)
    uploads, uploads_at = draw(patterns)
    return Athlete(
        athlete_id=1,
        connected_at=NOW - draw(st.sampled_from([1, 30])) * (draw(ages) + 40 * DAY),
        synced_at=NOW - age,
        reached_to=NOW - age - reach,
        active_at=draw(instants),
        audited_at=NOW - age if reach >= AUDITED else NOW - age - audited,
        walked_at=draw(instants),
        event_at=draw(instants),
        missed_at=draw(instants),
        uploads=uploads,
        uploads_at=uploads_at,
    )


@st.composite
def proofs(draw: st.DrawFn) -> Proof:
    names = ("verified_at", "up_since", "event_at", "subscribed_at", "silent_since", "heard_since", "down_at")
    told: dict[str, Any] = {name: draw(instants) for name in names}
    return Proof(**told)


occasions = st.sampled_from(list(Occasion))
policies = st.sampled_from([FIXED, ADAPTIVE, BY_AGE])


@given(athletes(), occasions, proofs(), policies)
@settings(max_examples=200)
def test_every_answer_has_a_reason_and_is_the_same_when_asked_again(
    athlete: Athlete, occasion: Occasion, proof: Proof, policy: Policy
) -> None:
    decision = should_sync(athlete, occasion, NOW, proof, policy)
    assert decision.reason
    assert decision.why.replace("_", "").isalpha()
    assert decision == should_sync(athlete, occasion, NOW, proof, policy)
    if isinstance(decision, Skip):
        assert decision.until > NOW
    else:
        assert decision.lookback >= RECENT
        assert decision.urgency >= 0.0


@given(athletes(), occasions, proofs(), policies, st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=100)
def test_a_skip_holds_until_it_says_if_nothing_happens(
    athlete: Athlete, occasion: Occasion, proof: Proof, policy: Policy, share: float
) -> None:
    decision = should_sync(athlete, occasion, NOW, proof, policy)
    if isinstance(decision, Skip):
        later = min(NOW + share * (decision.until - NOW), decision.until - timedelta.resolution)
        assert isinstance(should_sync(athlete, occasion, later, proof, policy), Skip)


@given(athletes(), proofs(), st.sampled_from([ADAPTIVE, BY_AGE]))
@settings(max_examples=100)
def test_to_the_adaptive_policy_the_three_plain_occasions_are_alike(
    athlete: Athlete, proof: Proof, policy: Policy
) -> None:
    first, *others = (should_sync(athlete, occasion, NOW, proof, policy) for occasion in PLAIN)
    assert all(other == first for other in others)


@given(athletes(), occasions, proofs(), policies, ages)
@settings(max_examples=300)
def test_who_is_staler_is_not_skipped_where_the_fresher_is_looked_at_nor_less_urgent(
    athlete: Athlete, occasion: Occasion, proof: Proof, policy: Policy, older: timedelta
) -> None:
    assert athlete.synced_at is not None
    staler = replace(athlete, synced_at=athlete.synced_at - older)
    fresh, stale = (should_sync(one, occasion, NOW, proof, policy) for one in (athlete, staler))
    if isinstance(fresh, Sync):
        assert isinstance(stale, Sync)
        assert stale.urgency >= fresh.urgency - 1e-9


@given(athletes(), proofs(), policies, st.integers(0, 29))
@example(seen(0 * HOUR), GONE, ADAPTIVE, 29)
@settings(max_examples=60, deadline=None)
def test_with_an_occasion_every_half_hour_nobody_goes_six_hours_without_a_look_or_proof(
    athlete: Athlete, proof: Proof, policy: Policy, first: int
) -> None:
    blind_since: datetime | None = None
    if (doubted := doubt(athlete, NOW, proof)) is not None:
        blind_since = max(NOW, doubted.since)  # what was neglected before is made up for at the first occasion
    for tick in range(40):
        now = NOW + first * MINUTE + tick * 30 * MINUTE
        if isinstance(should_sync(athlete, TICK, now, proof, policy), Sync):
            athlete = replace(athlete, synced_at=now, reached_to=now - AUDITED, audited_at=now)
        doubted = doubt(athlete, now, proof)
        blind_since = None if doubted is None else max(blind_since or doubted.since, doubted.since)
        assert blind_since is None or now - blind_since + 30 * MINUTE < BLIND_AT_MOST


def test_a_fleet_is_as_stale_as_those_without_proof() -> None:
    proof = replace(PROVEN, up_since=NOW - 5 * HOUR)
    fleet = [seen(hours * HOUR) for hours in range(20)]
    told = summed_up(span(unseen(athlete, NOW, proof), NOW) for athlete in fleet)
    assert (told.athletes, told.proven, told.blind) == (20, 6, 13)
    assert (told.median, told.p95, told.longest) == (9 * HOUR, 19 * HOUR, 19 * HOUR)
    assert summed_up([]).athletes == 0


def test_what_keeps_everybody_below_six_hours_is_kept_from_less_urgent_looks() -> None:
    # Ten hours are two rounds of five: 200 looks.
    assert affordable(500, 100, 10 * HOUR, HOUR) == Affordable(500, 300)
    assert affordable(200, 100, 10 * HOUR, HOUR) == Affordable(200, 0)
    assert affordable(500, 0, 10 * HOUR, HOUR) == Affordable(500, 500)


def test_too_few_calls_are_spread_over_the_rest_of_the_day() -> None:
    assert affordable(199, 100, 10 * HOUR, HOUR) == Affordable(20, 20)
    assert affordable(100, 100, 10 * HOUR, 20 * HOUR) == Affordable(100, 100)
    assert affordable(0, 100, 10 * HOUR, HOUR) == Affordable(0, 0)

"""Each check at its threshold, since when, and what holds traffic back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.freshness import BLIND_AT_MOST, UNSEEN_EDGES, summed_up
from daemon.core.health import Check, Measured, TimerState, Verdict, headline, judge, overall
from daemon.core.quota import MeterUsage, Wait
from daemon.core.subscription import State

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WELL = Measured(measured_at=NOW, unfolded=0, dead_jobs=0, needs_authorization=0, disabled_notifications=0)
SPENT = Wait(NOW + timedelta(minutes=7), "this quarter's requests are spent")
INACTIVE = Wait(NOW + timedelta(minutes=15), "Strava says that the app is inactive", inactive=True)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def verified(at: datetime) -> dict[str, Any]:
    """A subscription that was seen at an instant, and then the last word about it."""
    return {
        "subscription_state": State.VERIFIED,
        "subscription_detail": "it leads here",
        "subscription_verified_at": at,
    }


def checks(measured: Measured, before: dict[str, Check] | None = None) -> dict[str, Check]:
    return {check.name: check for check in judge(measured, before or {})}


def test_all_is_well_where_nothing_is_wrong_and_there_is_nothing_to_do() -> None:
    found = checks(WELL)
    assert set(found) == {
        "database", "durability", "inbox", "queue", "dead_jobs", "timers", "strava_app", "quota", "subscription",
        "authorizations", "notifications", "freshness", "event_loop",
    }  # fmt: skip
    assert {check.verdict for check in found.values()} == {Verdict.OK}
    assert {check.advice for check in found.values()} == {"nothing to do"}
    assert not any(check.holds_back_traffic for check in found.values())
    assert overall(tuple(found.values())) is Verdict.OK


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("database", {"database_error": "no answer within 2 s"}, Verdict.FAILING),
        ("durability", {"settings_off": ("fsync",)}, Verdict.FAILING),
        ("inbox", {"oldest_unfolded_at": ago(60)}, Verdict.OK),
        ("inbox", {"oldest_unfolded_at": ago(60.001)}, Verdict.FAILING),
        ("inbox", {"oldest_unfolded_at": ago(-5)}, Verdict.OK),
        ("queue", {"oldest_runnable_at": ago(600)}, Verdict.OK),
        ("queue", {"oldest_runnable_at": ago(600.001)}, Verdict.FAILING),
        ("queue", {"oldest_runnable_at": ago(99_999), "shut": SPENT}, Verdict.OK),
        ("queue", {"oldest_runnable_at": ago(99_999), "shut": INACTIVE}, Verdict.OK),
        ("dead_jobs", {"dead_jobs": 1}, Verdict.WARNING),
        ("timers", {"timers": (TimerState("daily_sync", ago(300)),)}, Verdict.OK),
        ("timers", {"timers": (TimerState("daily_sync", ago(300.001)),)}, Verdict.FAILING),
        ("timers", {"timers": (TimerState("daily_sync", ago(301), running_since=ago(7200)),)}, Verdict.WARNING),
        ("timers", {"timers": (TimerState("daily_sync", ago(-60), running_since=ago(7200)),)}, Verdict.OK),
        ("strava_app", {"shut": SPENT}, Verdict.OK),
        ("strava_app", {"shut": INACTIVE}, Verdict.FAILING),
        ("quota", {"shut": SPENT}, Verdict.WARNING),
        ("quota", {"shut": INACTIVE}, Verdict.OK),
        ("subscription", {"subscription_known": False}, Verdict.WARNING),
        ("subscription", {"subscription_state": State.GONE, "subscription_detail": "gone"}, Verdict.WARNING),
        ("subscription", {"subscription_state": State.ELSEWHERE, "subscription_detail": "away"}, Verdict.WARNING),
        ("subscription", {"subscription_state": State.UNKNOWN, "subscription_detail": "503"}, Verdict.WARNING),
        ("subscription", verified(ago(60)), Verdict.OK),
        ("subscription", verified(ago(9e5)), Verdict.OK),  # looked at by a command, once
        ("subscription", verified(ago(3 * 3600)) | {"subscription_state": State.UNKNOWN}, Verdict.OK),
        ("subscription", verified(ago(3 * 3600 + 0.001)) | {"subscription_state": State.UNKNOWN}, Verdict.WARNING),
        ("authorizations", {"needs_authorization": 1}, Verdict.WARNING),
        ("notifications", {"disabled_notifications": 1}, Verdict.WARNING),
        ("event_loop", {"loop_lag_seconds": 1.0}, Verdict.OK),
        ("event_loop", {"loop_lag_seconds": 1.001}, Verdict.FAILING),
    ],
)
def test_each_check_turns_at_its_threshold_and_alone(name: str, changes: dict[str, Any], verdict: Verdict) -> None:
    found = checks(replace(WELL, **changes))
    assert found[name].verdict is verdict
    assert (found[name].advice == "nothing to do") is (verdict is Verdict.OK)
    others = {check.name for check in found.values() if check.verdict is not Verdict.OK} - {name}
    refused = changes.get("shut")
    expected = {"strava_app" if refused.inactive else "quota"} if refused else set()
    assert others <= expected


@pytest.mark.parametrize(
    ("changes", "holding"),
    [
        ({"database_error": "down"}, {"database"}),
        ({"settings_off": ("fsync", "full_page_writes")}, {"durability"}),
        ({"oldest_unfolded_at": ago(9999), "loop_lag_seconds": 9.0, "shut": INACTIVE, "dead_jobs": 3}, set()),
    ],
)
def test_only_a_database_that_cannot_keep_events_holds_traffic_back(
    changes: dict[str, Any], holding: set[str]
) -> None:
    found = checks(replace(WELL, **changes))
    assert {check.name for check in found.values() if check.holds_back_traffic} == holding
    assert overall(tuple(found.values())) is Verdict.FAILING


def test_without_a_database_nothing_is_said_about_what_is_in_it() -> None:
    found = checks(Measured(measured_at=NOW, database_error="down"))
    assert set(found) == {"database", "durability", "event_loop"}
    assert found["database"].value == "down"


def test_since_stays_while_the_verdict_stays_and_moves_when_it_changes() -> None:
    first = checks(WELL)
    assert {check.since for check in first.values()} == {NOW}
    later = replace(WELL, measured_at=NOW + timedelta(seconds=2), dead_jobs=1)
    second = checks(later, first)
    assert second["dead_jobs"].since == later.measured_at
    assert {check.since for name, check in second.items() if name != "dead_jobs"} == {NOW}
    worse = replace(later, measured_at=NOW + timedelta(seconds=4), dead_jobs=2)
    third = checks(worse, second)
    assert third["dead_jobs"].since == later.measured_at
    assert third["dead_jobs"].value == "2 dead jobs"
    mended = replace(WELL, measured_at=NOW + timedelta(seconds=6))
    assert checks(mended, third)["dead_jobs"].since == mended.measured_at


def test_the_worst_check_is_the_whole_and_no_check_at_all_is_failing() -> None:
    ok, warning, failing = (
        Check("x", verdict, NOW, "", "", "") for verdict in (Verdict.OK, Verdict.WARNING, Verdict.FAILING)
    )
    assert overall((ok, ok)) is Verdict.OK
    assert overall((warning, ok)) is Verdict.WARNING
    assert overall((warning, failing, ok)) is Verdict.FAILING
    assert overall(()) is Verdict.FAILING


def test_values_say_what_was_measured() -> None:
    rows = (
        MeterUsage("quarter", "overall", 600, 300, 200, 100, 0, (0, 0, 0, 200), NOW),
        MeterUsage("day", "read", 1000, 900, 800, 100, 0, (0, 0, 0, 800), NOW),
        MeterUsage("day", "overall", 0, 0, 0, 0, 0, (0, 0, 0, 0), NOW),
    )
    found = checks(
        replace(WELL, quota=rows, shut=SPENT, unfolded=3, oldest_unfolded_at=ago(61), settings_off=("fsync",))
    )
    assert found["quota"].value == "900 of 1000 this day (read)"
    assert "12:07:00 UTC" in found["quota"].advice
    assert found["subscription"].value == "known, not looked at"
    assert found["inbox"].value == "3 events unfolded, the oldest for 61 s"
    assert found["durability"].value == "fsync off"
    assert checks(WELL)["quota"].value == "not known yet"


def test_the_subscription_says_when_it_was_seen_or_what_is_wrong_and_what_to_do() -> None:
    seen = checks(replace(WELL, **verified(ago(60))))["subscription"]
    assert seen.value == "verified at 2026-01-01 11:59:00 UTC"
    gone = checks(replace(WELL, subscription_state=State.GONE, subscription_detail="nothing there"))["subscription"]
    assert gone.value == "nothing there"
    assert "subscription create" in gone.advice
    away = checks(replace(WELL, subscription_state=State.ELSEWHERE, subscription_detail="away"))["subscription"]
    assert "--replace" in away.advice
    unknown = replace(
        WELL, **verified(ago(9e4)) | {"subscription_state": State.UNKNOWN, "subscription_detail": "503"}
    )
    assert "503" in checks(unknown)["subscription"].advice


def test_a_timer_that_nobody_starts_comes_before_those_whose_last_run_still_goes_on() -> None:
    slow = TimerState("quick_sync", ago(9000), running_since=ago(20_000))
    dead = TimerState("daily_sync", ago(600))

    found = checks(replace(WELL, timers=(slow, dead, TimerState("resting_hr", ago(-600)))))["timers"]

    assert found.verdict is Verdict.FAILING
    assert found.value == "daily_sync is 10 min late, quick_sync is 2 h late"
    assert "caught up once" in found.advice
    advice = checks(replace(WELL, timers=(slow,)))["timers"].advice
    assert "the run of quick_sync before it goes on since 06:26 UTC" in advice


def test_an_endpoint_that_was_disabled_by_itself_is_told_with_the_commands_that_mend_it() -> None:
    found = checks(replace(WELL, disabled_notifications=2))["notifications"]
    assert found.value == "2 disabled by themselves"
    for command in ("list", "enable ID", "remove ID"):
        assert f"`domestique notifications {command}`" in found.advice


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=30))
def test_a_fleet_s_picture_counts_everybody_once_and_each_band_holds_the_one_before(seconds: list[float]) -> None:
    spans = [timedelta(seconds=each) for each in seconds]
    found = summed_up(spans)
    assert list(found.within) == sorted(found.within)
    assert found.within == tuple(sum(span <= edge for span in spans) for edge in UNSEEN_EDGES)
    assert found.within[0] == found.proven
    assert found.athletes - found.within[UNSEEN_EDGES.index(BLIND_AT_MOST)] == found.blind
    assert found.total == sum(spans, timedelta(0))


def test_the_fleet_is_fresh_while_nobody_is_unseen_for_six_hours() -> None:
    fresh = summed_up([timedelta(0)] * 8 + [timedelta(hours=5)] * 2)
    assert checks(replace(WELL, staleness=fresh))["freshness"].verdict is Verdict.OK
    some = checks(replace(WELL, staleness=summed_up([timedelta(0)] * 8 + [timedelta(hours=7)])))["freshness"]
    assert some.verdict is Verdict.WARNING
    assert "1 of 9 athletes" in some.value
    assert "domestique quota" in some.advice
    most = summed_up([timedelta(hours=7)] * 6 + [timedelta(0)] * 3)
    assert checks(replace(WELL, staleness=most))["freshness"].verdict is Verdict.FAILING
    assert checks(replace(WELL, staleness=summed_up([])))["freshness"].value == "nobody is connected"
    assert checks(WELL)["freshness"].value == "not measured yet"


def test_the_headline_counts_what_fails_and_what_warns() -> None:
    assert headline(judge(WELL, {})) == f"All is well: {len(judge(WELL, {}))} checks pass."
    warned = judge(replace(WELL, dead_jobs=3), {})
    assert headline(warned) == f"It works; 1 of {len(warned)} checks warns."
    failing = judge(replace(WELL, dead_jobs=3, loop_lag_seconds=9.0, settings_off=("fsync",)), {})
    assert headline(failing) == f"Not everything works: 2 of {len(failing)} checks fail, 1 warns."

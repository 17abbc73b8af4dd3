"""The sandbox counts requests as Strava does, or an app's ledger could not be held against it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.options import Limits
from sandbox.quota import Quota

QUARTER, DAY = 900, 86_400


def quota(quarter: int = 3, day: int = 100, read_quarter: int = 3, read_day: int = 100) -> Quota:
    limits = {"overall": Limits(quarter, day), "read": Limits(read_quarter, read_day)}
    return Quota(limits, QUARTER, DAY)  # type: ignore[arg-type]


def test_the_fourth_read_of_three_is_refused_and_still_counts_toward_the_day() -> None:
    counted = quota()
    assert [counted.charge(1_000, reads=True) for _ in range(5)] == [None, None, None, "overall", "overall"]
    assert counted.headers(1_000)["X-Ratelimit-Usage"] == "5,5"
    report = counted.report(1_000)["overall"]
    assert report["quarter"]["over_limit"] == 2
    assert report["day"]["over_limit"] == 0


def test_a_new_quarter_begins_on_the_clock_and_not_after_the_first_request() -> None:
    counted = quota()
    for _ in range(3):
        assert counted.charge(QUARTER - 1, reads=True) is None
    assert counted.charge(QUARTER - 0.001, reads=True) == "overall"
    assert counted.charge(QUARTER, reads=True) is None
    assert counted.headers(QUARTER)["X-Ratelimit-Usage"] == "1,5"


def test_a_full_day_refuses_though_the_quarter_is_young() -> None:
    counted = quota(quarter=10, day=2, read_quarter=10, read_day=99)
    assert [counted.charge(at, reads=True) for at in (0, 1000, 2000)] == [None, None, "overall"]
    assert counted.charge(DAY, reads=True) is None


def test_the_read_meter_may_be_the_narrower_one_and_writes_pass_by_it() -> None:
    counted = quota(quarter=100, read_quarter=1)
    assert counted.charge(0, reads=True) is None
    assert counted.charge(0, reads=True) == "read"
    assert counted.charge(0, reads=False) is None
    assert counted.headers(0)["X-Ratelimit-Usage"] == "3,3"
    assert counted.headers(0)["X-Readratelimit-Usage"] == "2,2"


def test_foreign_requests_fill_the_windows_without_being_refused_themselves() -> None:
    counted = quota(quarter=600, day=1_000)
    counted.charge_foreign(0, 599)
    assert counted.charge(0, reads=False) is None
    assert counted.charge(0, reads=False) == "overall"
    window = counted.report(0)["overall"]["quarter"]
    assert (window["foreign"], window["counted"], window["over_limit"]) == (599, 601, 1)


def test_limits_that_change_while_running_are_shown_by_the_next_answer() -> None:
    counted = quota()
    counted.charge(0, reads=True)
    counted.resize({"overall": Limits(1, 50)}, 0, 0)
    assert counted.headers(0)["X-Ratelimit-Limit"] == "1,50"
    assert counted.charge(0, reads=True) == "overall"


def test_shorter_windows_take_hold_at_once() -> None:
    counted = quota()
    for _ in range(3):
        counted.charge(100, reads=True)
    counted.resize({}, 2, 0)
    assert counted.charge(101, reads=True) is None
    assert counted.report(101)["overall"]["quarter"]["starts_at"] == 100


@settings(max_examples=60)
@given(st.lists(st.floats(0, 5 * QUARTER), max_size=60), st.integers(1, 8))
def test_every_window_holds_exactly_the_requests_that_fell_into_it(instants: list[float], limit: int) -> None:
    counted = quota(quarter=limit, day=10_000, read_quarter=10_000, read_day=10_000)
    refused = [at for at in sorted(instants) if counted.charge(at, reads=True) is not None]
    expected = Counter(int(at // QUARTER) * QUARTER for at in instants)
    report = counted.report(5 * QUARTER)["overall"]
    windows = [*report["past_quarters"], report["quarter"]]
    assert {w["starts_at"]: w["counted"] for w in windows if w["counted"]} == dict(expected)
    assert sum(w["over_limit"] for w in windows) == len(refused)
    assert len(refused) == sum(max(0, count - limit) for count in expected.values())
    assert report["day"]["counted"] == len(instants)

"""When the watchdog is fed, and what the status line says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.health import Check, Verdict
from daemon.core.liveliness import (
    IGNORED_POOL_SECONDS,
    SILENT_SERVER_SECONDS,
    UNMEASURED_SECONDS,
    Signs,
    Traffic,
    illness,
    status_line,
)
from daemon.core.quota import MeterUsage

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WELL = Signs(unmeasured_seconds=2, server_silent_seconds=2, pool_ignored_seconds=0, tasks_ended=False)


def check(name: str, verdict: Verdict, value: str = "so") -> Check:
    return Check(name, verdict, NOW, value, "a threshold", "some advice")


def meter(window: str, used: int, limit: int) -> MeterUsage:
    return MeterUsage(window, "read", limit, used, used, 0, 0, (0, 0, 0, 0), NOW)


def test_what_answers_is_fed() -> None:
    assert illness(WELL) is None


@given(
    unmeasured=st.floats(0, UNMEASURED_SECONDS),
    silent=st.floats(0, SILENT_SERVER_SECONDS),
    ignored=st.floats(0, IGNORED_POOL_SECONDS),
)
@settings(max_examples=30)
def test_within_its_patience_nothing_is_ill(unmeasured: float, silent: float, ignored: float) -> None:
    assert illness(Signs(unmeasured, silent, ignored, tasks_ended=False)) is None


@pytest.mark.parametrize(
    ("signs", "reason"),
    [
        (Signs(2, 2, 0, tasks_ended=True), "a root task has ended"),
        (Signs(31, 2, 0, tasks_ended=False), "health has not been measured for 31 s"),
        (Signs(2, 301, 0, tasks_ended=False), "the database has not answered for 301 s"),
        (Signs(2, 2, 31, tasks_ended=False), "the database answers, but for 31 s not the pool"),
    ],
)
def test_what_only_a_restart_mends_is_named(signs: Signs, reason: str) -> None:
    assert illness(signs) == reason


def test_a_pool_that_is_passed_over_is_given_up_long_before_a_server_that_answers_nobody() -> None:
    assert IGNORED_POOL_SECONDS * 5 < SILENT_SERVER_SECONDS


def test_the_status_line_says_what_goes_on_and_what_is_left() -> None:
    quota = [meter("quarter", 100, 600), meter("quarter", 250, 300), meter("day", 1000, 30000)]

    line = status_line([check("database", Verdict.OK)], Traffic(4, 17, 2), quota)

    assert line == (
        "all is well; 4 events/min; 17 jobs due, 2 running;"
        " calls left: 50 of 300 this quarter, 29000 of 30000 this day"
    )


def test_the_status_line_begins_with_the_worst() -> None:
    checks = [
        check("dead_jobs", Verdict.WARNING, "3 dead jobs"),
        check("loop", Verdict.OK),
        check("database", Verdict.FAILING, "no answer within 2 s"),
    ]

    assert status_line(checks, None, []) == "failing: database: no answer within 2 s (and 1 more)"

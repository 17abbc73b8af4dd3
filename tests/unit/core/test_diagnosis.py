"""What the doctor says, at the edges of its thresholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daemon.core import diagnosis
from daemon.core.diagnosis import GIB, Connected, Server
from daemon.core.health import Verdict
from daemon.core.subscription import Finding, State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SERVER = Server(
    server_at=NOW, major=15, version="15.8", settings_off=(), max_connections=100, connections=12, size_bytes=GIB
)


def verdicts(server: Server, pool_size: int = 10) -> dict[str, Verdict]:
    return {line.name: line.verdict for line in diagnosis.database(server, pool_size, NOW, NOW, embedded=False)}


def test_a_server_as_it_should_be_is_well_and_needs_no_advice() -> None:
    lines = diagnosis.database(SERVER, 10, NOW, NOW, embedded=True)
    assert {line.verdict for line in lines} == {Verdict.OK}
    assert {line.advice for line in lines} == {""}
    assert diagnosis.worst(lines) is Verdict.OK


@pytest.mark.parametrize(
    ("server", "name", "verdict"),
    [
        (replace(SERVER, major=14), "database", Verdict.FAILING),
        (replace(SERVER, settings_off=("fsync",)), "durability", Verdict.FAILING),
        (replace(SERVER, settings_off=("autovacuum",)), "durability", Verdict.WARNING),
        (replace(SERVER, max_connections=14), "connections", Verdict.WARNING),
        (replace(SERVER, server_at=NOW + timedelta(seconds=2.1)), "clock", Verdict.WARNING),
        (replace(SERVER, server_at=NOW - timedelta(seconds=2.1)), "clock", Verdict.WARNING),
    ],
)
def test_one_thing_that_is_wrong_is_the_only_one_that_is_told(server: Server, name: str, verdict: Verdict) -> None:
    found = verdicts(server)
    assert found.pop(name) is verdict
    assert set(found.values()) == {Verdict.OK}


@pytest.mark.parametrize(
    ("read_after_seconds", "verdict"),
    [
        (-2.1, Verdict.WARNING), (-1.9, Verdict.OK), (0.0, Verdict.OK), (30.0, Verdict.OK), (60.0, Verdict.OK),
        (61.9, Verdict.OK), (62.1, Verdict.WARNING),
    ],
)  # fmt: skip
def test_a_server_that_takes_a_minute_to_answer_has_its_clock_judged_by_both_ends(
    read_after_seconds: float, verdict: Verdict
) -> None:
    server = replace(SERVER, server_at=NOW + timedelta(seconds=read_after_seconds))
    lines = diagnosis.database(server, 10, NOW, NOW + timedelta(minutes=1), embedded=False)
    assert {line.name: line.verdict for line in lines}["clock"] is verdict


def test_stravas_clock_is_told_by_bounds_and_only_a_sure_distance_is_wrong() -> None:
    assert diagnosis.stravas_clock(None).verdict is Verdict.OK
    assert diagnosis.stravas_clock((-30.0, 30.0)).verdict is Verdict.OK
    assert diagnosis.stravas_clock((1.0, 9.0)).verdict is Verdict.OK
    assert diagnosis.stravas_clock((2.5, 3.5)).verdict is Verdict.WARNING
    assert diagnosis.stravas_clock((-4.0, -2.5)).verdict is Verdict.WARNING


def test_a_disk_is_full_below_two_gibibytes_or_a_tenth_of_a_small_one() -> None:
    assert diagnosis.disk("/var", 3 * GIB, 1000 * GIB).verdict is Verdict.OK
    assert diagnosis.disk("/var", 1 * GIB, 1000 * GIB).verdict is Verdict.FAILING
    assert diagnosis.disk("/var", 1 * GIB, 8 * GIB).verdict is Verdict.OK
    assert diagnosis.disk("/var", GIB // 2, 8 * GIB).verdict is Verdict.FAILING


def test_who_keeps_private_activities_to_himself_is_told_and_nothing_is_wrong_with_that() -> None:
    line = diagnosis.athletes(Connected(athletes=5, resting=0, without_activities=0, without_private=2))
    assert line.verdict is Verdict.OK
    assert "2 keep what is private" in line.found
    assert diagnosis.athletes(Connected(5, 1, 0, 0)).verdict is Verdict.WARNING


@pytest.mark.parametrize("state", list(State))
def test_every_state_of_the_subscription_has_a_verdict_and_what_is_wrong_an_advice(state: State) -> None:
    line = diagnosis.subscription(Finding(state, None, "so it is"), is_kept=False)
    assert (line.verdict is Verdict.OK) is (state is State.VERIFIED)
    assert bool(line.advice) is (state is not State.VERIFIED)


def test_secrets_that_no_key_opens_are_worse_than_those_under_an_older_one() -> None:
    assert diagnosis.secrets(9, 9, 9, []).verdict is Verdict.OK
    assert diagnosis.secrets(9, 9, 7, []).verdict is Verdict.WARNING
    lost = diagnosis.secrets(9, 9, 7, ["refresh token of athlete 3"])
    assert lost.verdict is Verdict.FAILING
    assert "refresh token of athlete 3" in lost.found

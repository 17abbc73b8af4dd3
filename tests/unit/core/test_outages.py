"""A server that does not answer is left alone for a while, longer with each failure, within bounds."""

from __future__ import annotations

from datetime import timedelta

from daemon.core.outages import FAILURES, LONGEST, quiet_for


def test_one_bad_connection_is_no_outage() -> None:
    assert {quiet_for(failures) for failures in range(FAILURES)} == {timedelta(0)}


def test_the_pause_doubles_up_to_five_minutes_and_stays_there() -> None:
    pauses = [quiet_for(failures) for failures in range(FAILURES, FAILURES + 6)]
    assert pauses == [timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 300, 300)]
    assert quiet_for(10**9) == LONGEST

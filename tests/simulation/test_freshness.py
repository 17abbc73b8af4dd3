"""A small slice of bench.freshness: what the policy promises to a fleet, in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from bench.fleet import Fleet
from bench.lives import DAY, Outage
from bench.score import Score, Setting
from daemon.core.freshness import Policy

ATHLETES, MORE = 120, 200
HOUR = 60.0


def lived(
    policy: Policy, days: int = 2, dropped: float = 0.0, outage: Outage | None = None, athletes: int = ATHLETES
) -> Score:
    outages = () if outage is None else (outage,)
    return Fleet(Setting(athletes, days, dropped, outages), policy).run()


@pytest.fixture(scope="module")
def without_events() -> Score:
    return lived(Policy(), days=3, dropped=1.0, athletes=MORE)


def test_a_dropped_event_is_found_within_a_day_and_costs_others_nothing() -> None:
    score = lived(Policy(), days=4, dropped=0.05)
    assert score.hidden.size > 5
    assert score.hidden.max() <= 24 * HOUR
    assert score.missed_forever == 0
    assert score.idle_calls < 1.6  # the daily audit, a walk a month, and some looks at those who lost an event


@pytest.mark.parametrize(
    "outage",
    [
        Outage(2 * DAY + 15 * 60 + 7, 3 * 60),
        Outage(1 * DAY + 15 * 60 + 7, 12 * 60),
        Outage(1 * DAY + 15 * 60 + 7, 12 * 60, silent=True),
    ],
    ids=["down for three hours", "down for half a day", "deaf for half a day and not told"],
)
def test_what_an_outage_hid_is_found_within_an_hour(outage: Outage) -> None:
    score = lived(Policy(), outage=outage)
    assert score.hidden.size > 0
    assert score.hidden.max() <= HOUR
    assert score.missed_forever == 0


def test_without_events_nobody_is_blind_for_six_hours_and_nothing_is_missed_for_good(without_events: Score) -> None:
    assert 0.0 < without_events.longest_blind_hours <= 6.0
    assert without_events.hidden.size > 100
    assert without_events.hidden.max() <= 6 * HOUR
    assert without_events.missed_forever == 0


def test_prediction_makes_the_same_fleet_fresher_with_fewer_calls(without_events: Score) -> None:
    by_age = lived(Policy(predictive=False), days=3, dropped=1.0, athletes=MORE)
    assert without_events.calls < 0.95 * by_age.calls
    assert np.median(without_events.hidden) < np.median(by_age.hidden)
    assert without_events.hidden.mean() < by_age.hidden.mean()


def test_a_fleet_beyond_its_quota_spends_all_of_it_and_no_more_and_misses_nothing_for_good() -> None:
    days = 2
    scarce = Setting(ATHLETES, days, 1.0, calls_a_day=4 * ATHLETES, calls_a_quarter=20)
    score = Fleet(scarce, Policy()).run()
    assert 0.9 * days * scarce.calls_a_day < score.calls <= days * scarce.calls_a_day
    assert score.missed_forever == 0


def test_the_same_seed_lives_the_same_life() -> None:
    one, again = (lived(Policy(), days=1, dropped=0.5) for _ in range(2))
    assert one.calls == again.calls
    assert np.array_equal(one.freshness, again.freshness)

"""The record of an activity that thresholds are told from."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import pytest

from daemon.science.evidence import Activity, at_duration, confirmed, within
from daemon.science.statistics import ActivityFacts, summarize
from tests.support.efforts import TODAY, activity, days_ago

STARTED_AT = datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
HOUR = 3600


def test_the_graded_columns_are_those_of_the_model_that_the_setting_picks() -> None:
    streams: dict[str, object] = {
        "time": list(range(HOUR)),
        "heartrate": [150] * HOUR,
        "velocity_smooth": [3.0] * HOUR,
        "distance": [3.0 * second for second in range(HOUR)],
        "altitude": [50 * math.sin(second / 300) for second in range(HOUR)],
    }
    facts = ActivityFacts("Run", HOUR, HOUR, 3.0 * HOUR, None, False, None)
    statistics = summarize(streams, facts)
    strava = Activity.of(7, STARTED_AT, date(2026, 6, 1), statistics, "strava")
    minetti = Activity.of(7, STARTED_AT, date(2026, 6, 1), statistics, "minetti")
    assert strava.graded_curve is statistics.graded_strava_curve
    assert strava.heart_rate_at_best_graded is statistics.heart_rate_at_best_graded_strava
    assert minetti.graded_curve is statistics.graded_minetti_curve
    assert minetti.heart_rate_at_best_graded is statistics.heart_rate_at_best_graded_minetti
    assert (strava.local_on, strava.moving_seconds, strava.power_curve) == (date(2026, 6, 1), HOUR, None)
    assert at_duration(strava.heart_rate_curve, 1800) == pytest.approx(150)
    assert at_duration(strava.heart_rate_curve, 5400) is None


def test_days_are_counted_back_from_today() -> None:
    ages = [activity(days + 2, days_ago(days)) for days in (-1, 0, 29, 30)]
    assert [one.activity_id for one in within(ages, TODAY, 30)] == [2, 31]


def test_the_highest_value_that_another_activity_confirms_is_taken() -> None:
    candidates = [(float(value), activity(number, TODAY)) for number, value in enumerate((100, 93, 80, 91))]
    found = confirmed(candidates, lambda highest, following: following >= highest - 5)
    assert found is not None
    assert (found[0], found[1].activity_id, found[2].activity_id) == (93.0, 1, 3)
    assert confirmed(candidates[:1], lambda highest, following: True) is None

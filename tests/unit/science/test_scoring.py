"""Many activities scored at once: each as if it were alone, with the thresholds and the wellness of its own day."""

from __future__ import annotations

from datetime import date, timedelta

import orjson
import pytest

from daemon.science.evidence import Kind
from daemon.science.fitness import Basis
from daemon.science.lineage import Entry, thresholds_on
from daemon.science.load import score
from daemon.science.pace import GradeModel
from daemon.science.scoring import WELLNESS_REACH, Choices, Done, Known, score_all
from daemon.science.wellness import Reading, Weights, modifiers
from tests.support.training import hour_at

FIRST_ON = date(2026, 6, 1)
CHOICES = Choices(GradeModel.STRAVA, Weights(hrv=0.1, resting_hr=0.0, sleep=0.0), Basis.UTL)
ENTRIES = [
    Entry(1, Kind.FTP, 250, "imported", date(1970, 1, 1), FIRST_ON),
    Entry(2, Kind.FTP, 300, "critical_power", FIRST_ON + timedelta(days=3), FIRST_ON),
]
READINGS = {
    FIRST_ON + timedelta(days=day): Reading(rmssd_ms=60.0 + 3 * (day % 2) if day < 2 else 30.0)
    for day in range(-70, 9)
}
RIDES = [Done(day, FIRST_ON + timedelta(days=day // 2), "Ride", hour_at(200 + day)) for day in range(16)]


def test_each_is_scored_as_if_it_were_alone() -> None:
    known = Known(ENTRIES, "F", READINGS)
    found = list(score_all(RIDES, known, CHOICES))
    assert [one.activity_id for one in found] == list(range(16))
    for ride, scored in zip(RIDES, found, strict=True):
        thresholds = thresholds_on(ENTRIES, ride.local_on, "F")
        assert scored.load == score(ride.totals, thresholds, "Ride", GradeModel.STRAVA)
        assert [scored.modifier] == modifiers(ride.local_on, ride.local_on, READINGS, CHOICES.weights)
    assert len({one.modifier.value for one in found}) > 1
    assert found[5].load.inputs["intensity"] == pytest.approx(205 / 250)
    assert found[6].load.inputs["intensity"] == pytest.approx(206 / 300)


def test_days_far_apart_are_scored_as_well_in_whatever_order_they_come() -> None:
    readings = {FIRST_ON + timedelta(days=day): Reading(rmssd_ms=60.0 + day % 7) for day in range(-90, 400)}
    days = [300, 0, 1, 5, 8, 12, 301, 8]
    rides = [Done(day, FIRST_ON + timedelta(days=day), "Ride", hour_at(200)) for day in days]
    found = list(score_all(rides, Known(ENTRIES, "F", readings), CHOICES))
    assert [one.activity_id for one in found] == days
    for ride, scored in zip(rides, found, strict=True):
        assert [scored.modifier] == modifiers(ride.local_on, ride.local_on, readings, CHOICES.weights)


def test_no_reading_further_back_than_the_reach_counts() -> None:
    on = RIDES[0].local_on
    near = {day: reading for day, reading in READINGS.items() if on - WELLNESS_REACH <= day <= on}
    assert len(near) == WELLNESS_REACH.days + 1 < len(READINGS)
    (with_all,) = score_all(RIDES[:1], Known(ENTRIES, None, READINGS), CHOICES)
    (with_near,) = score_all(RIDES[:1], Known(ENTRIES, None, near), CHOICES)
    assert with_all == with_near
    del near[on - WELLNESS_REACH]
    (with_less,) = score_all(RIDES[:1], Known(ENTRIES, None, near), CHOICES)
    assert with_less.modifier != with_all.modifier


def test_the_columns_can_be_written_as_json_and_lose_nothing() -> None:
    (scored,) = score_all(RIDES[4:5], Known(ENTRIES, "F", READINGS), CHOICES)
    columns = orjson.loads(orjson.dumps(scored.columns()))
    assert columns["raw"] == scored.load.raw
    assert columns["modifier"] == scored.modifier.value
    assert columns["modifier_explanation"] == scored.modifier.explanation
    assert [part["adds"] for part in columns["modifier_parts"]] == [part.adds for part in scored.modifier.parts]
    assert columns["thresholds"]["ftp_watts"] == {"value": 250, "method": "imported", "threshold_id": 1}

"""Each corruption is what it says it is, and leaves the rest of the recording alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sandbox.corruptions import CLOCK_JUMP_SECONDS, MISCALIBRATED, RATES
from sandbox.drawing import draw
from sandbox.recording import Channels, Recording
from sandbox.sessions import Session
from sandbox.world import Body, Home

CLEAN = Session(
    seed=11, kind="ride", sport_type="Ride", shape="steady", name="Test", start_at=1_720_000_000,
    moving_seconds=3_600, body=Body(), home=Home("Annecy", "France", 45.8992, 6.1294, "Europe/Paris"),
)  # fmt: skip
RUN = replace(CLEAN, kind="run", sport_type="Run")
UNTOUCHED = {
    "power_spike": "heartrate", "power_lost": "heartrate", "power_miscalibrated": "heartrate",
    "heart_absent": "distance", "heart_late": "distance", "heart_cadence_lock": "distance",
    "position_jump": "heartrate", "clock_jump": "distance",
}  # fmt: skip


def pair(kind: str, session: Session) -> tuple[Channels, Channels, Recording]:
    clean, struck = draw(session), draw(replace(session, corruption=kind))
    assert isinstance(clean.streams, Channels)
    assert isinstance(struck.streams, Channels)
    return clean.streams, struck.streams, struck


def changed(clean: Channels, struck: Channels, key: str) -> int:
    before, after = clean.arrays[key], struck.arrays[key]
    return int((~((before == after) | (np.isnan(before) & np.isnan(after)))).sum())


@pytest.mark.parametrize("kind", RATES)
def test_a_corrupted_recording_still_holds_equally_long_streams(kind: str) -> None:
    clean, struck, recording = pair(kind, RUN if kind == "heart_cadence_lock" else CLEAN)
    assert len({len(values) for values in struck.values()}) == 1
    assert recording.moving_seconds == draw(CLEAN if "watts" in clean else RUN).moving_seconds
    if kind in UNTOUCHED:
        assert changed(clean, struck, UNTOUCHED[kind]) == 0
    assert dict(clean) != dict(struck)


def test_a_spike_is_beyond_any_human_and_short() -> None:
    clean, struck, _ = pair("power_spike", CLEAN)
    assert 1 <= changed(clean, struck, "watts") <= 3
    assert 2_600 <= np.nanmax(struck.arrays["watts"]) <= 25_000


def test_a_wrong_calibration_multiplies_every_watt() -> None:
    clean, struck, _ = pair("power_miscalibrated", CLEAN)
    ratio = np.nansum(struck.arrays["watts"]) / np.nansum(clean.arrays["watts"])
    assert ratio == pytest.approx(MISCALIBRATED, rel=0.002)


def test_a_clock_jump_ends_the_recording_in_another_year_but_not_its_elapsed_time() -> None:
    _, struck, recording = pair("clock_jump", CLEAN)
    assert struck["time"][-1] > CLOCK_JUMP_SECONDS
    assert recording.elapsed_seconds < 10_000


def test_a_gap_loses_records_but_no_distance() -> None:
    clean, struck, recording = pair("record_gap", CLEAN)
    lost = len(clean["time"]) - len(struck["time"])
    assert 20 <= lost <= 60
    assert struck["distance"][-1] == clean["distance"][-1] == recording.distance_metres


def test_a_jump_of_the_position_is_in_the_distance_too() -> None:
    clean, struck, recording = pair("position_jump", CLEAN)
    assert 300 <= struck["distance"][-1] - clean["distance"][-1] <= 900.1
    assert recording.distance_metres == struck["distance"][-1]


def test_a_locked_heart_rate_is_the_step_rate() -> None:
    clean, struck, _ = pair("heart_cadence_lock", RUN)
    wrong = clean.arrays["heartrate"] != struck.arrays["heartrate"]
    assert 150 <= wrong.sum() <= 620
    assert np.nanmin(struck.arrays["heartrate"][wrong]) > 140


def test_a_strap_at_home_and_an_empty_battery_leave_no_value() -> None:
    assert "heartrate" not in pair("heart_absent", CLEAN)[1]
    _, struck, _ = pair("power_lost", CLEAN)
    assert struck["watts"][-1] is None
    assert struck["watts"][0] is not None

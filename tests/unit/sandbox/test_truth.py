"""GET /sandbox/truth/{athlete} tells what the recordings were drawn from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox import drawing
from sandbox.corruptions import RATES
from sandbox.recording import known
from tests.support.served_sandbox import Serve

ROOT = Path(__file__).resolve().parents[3]


async def test_the_truth_covers_today_and_the_whole_history(serve: Serve) -> None:
    served = await serve("--athletes", "3", "--history-days", "365")
    athlete_id = served.athlete_id
    truth = await served.control("GET", f"/truth/{athlete_id}")
    assert (truth["profile"], truth["has_power_meter"], truth["tested_sports"]) == ("cyclist", True, ["ride"])
    today, days = truth["today"], truth["days"]
    assert len(days) == 53
    assert days[-1]["on"] == today["on"]
    assert days[-1]["critical_power"] == today["critical_power"] == pytest.approx(today["ftp"], abs=0.6)
    assert all(abs(day["form"] - 1) <= truth["noise"]["season_swing"] for day in days)
    assert len({day["weight_kg"] for day in days}) > 3
    assert today["resting_hr"] < today["lthr"] < today["max_hr"]
    assert truth["noise"]["corruptions"] == RATES
    daily = await served.control("GET", f"/truth/{athlete_id}?step_days=1")
    assert [day["on"] for day in daily["days"]][-1] == today["on"]
    assert len(daily["days"]) == 365


async def test_the_hard_efforts_that_it_names_touch_the_curve_and_no_other_ride_passes_it(serve: Serve) -> None:
    served = await serve("--history-days", "365", "--corruptions", "0", "--seed", "3")
    truth = await served.control("GET", f"/truth/{served.athlete_id}?step_days=1")
    w_prime = truth["today"]["w_prime"]
    hard = {effort["activity_id"]: effort["seconds"] for effort in truth["hard_efforts"]}
    assert len(hard) >= 6
    assert truth["corrupted"] == []
    past = {day["on"]: day["critical_power"] for day in truth["days"]}
    for activity in served.strava.world:
        recording = activity.draw()
        watts, on = known(recording.streams, "watts"), recording_date(activity.start_at)
        if not recording.device_watts or not watts.size or on not in past:
            continue
        sums = np.concatenate([[0.0], np.cumsum(watts)])
        for seconds in (180, 300, 720, 1_200, 1_800):
            if seconds < watts.size:
                best = float((sums[seconds:] - sums[:-seconds]).max()) / seconds
                # The athlete's day is not UTC's, and form moves by some tenths of a percent from day to day.
                assert best <= (past[on] + w_prime / seconds) * (1 + drawing.METER_ERROR + 0.004) + 0.5
        for seconds in hard.get(activity.id, ()):
            best = float((sums[seconds:] - sums[:-seconds]).max()) / seconds
            assert best == pytest.approx(past[on] + w_prime / seconds, rel=0.035)


def recording_date(at: int) -> str:
    return str(np.datetime64(at, "s").astype("datetime64[D]"))


async def test_what_is_corrupted_is_told_with_its_kind(serve: Serve) -> None:
    served = await serve("--history-days", "365", "--corruptions", "4")
    truth = await served.control("GET", f"/truth/{served.athlete_id}")
    assert len(truth["corrupted"]) > 10
    assert {one["corruption"] for one in truth["corrupted"]} <= set(RATES)
    spiked = [one["activity_id"] for one in truth["corrupted"] if one["corruption"] == "power_spike"]
    for activity_id in spiked:
        found = served.strava.world.find(activity_id)
        assert found is not None
        assert found.summary()["max_watts"] >= 2_600
    gone = truth["corrupted"][0]["activity_id"]
    await served.control("DELETE", f"/activities/{gone}")
    left = await served.control("GET", f"/truth/{served.athlete_id}")
    assert gone not in {one["activity_id"] for one in left["corrupted"]}


async def test_an_uploaded_test_obeys_the_truth_of_its_day(serve: Serve) -> None:
    served = await serve("--history-days", "30")
    made = await served.control("POST", "/activities", kind="indoor", shape="all_out", duration=3_600, event=False)
    today = (await served.control("GET", f"/truth/{served.athlete_id}"))["today"]
    found = served.strava.world.find(made["id"])
    assert found is not None
    watts = known(found.draw().streams, "watts")
    sums = np.concatenate([[0.0], np.cumsum(watts)])
    seconds = 1_440  # two fifths of the hour
    best = float((sums[seconds:] - sums[:-seconds]).max()) / seconds
    assert best == pytest.approx(today["critical_power"] + today["w_prime"] / seconds, rel=0.02)


@pytest.mark.parametrize("asked", ["1", "x", "99999999999999999999", "{}?step_days=0", "{}?step_days=week"])
async def test_senseless_questions_get_a_sentence(serve: Serve, asked: str) -> None:
    served = await serve()
    async with served.client.get(f"/sandbox/truth/{asked.format(served.athlete_id)}") as answer:
        assert answer.status == (400 if "step_days" in asked else 404)
        assert len((await answer.json())["error"]) > 10


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells a process's peak of memory")
def test_a_world_of_two_thousand_athletes_takes_little_memory_however_much_is_drawn() -> None:
    script = """
from pathlib import Path
from sandbox.options import parse_options
from sandbox.strava import FakeStrava

def peak_megabytes():
    # Not getrusage: its peak counts what the parent held before this program began.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

strava = FakeStrava(parse_options(["--athletes", "2000", "--history-days", "365"]))
strava.populate()
started = peak_megabytes()
athletes = list(strava.world.athletes)
everything = {"after": 0, "before": 2e12, "now": 2e12, "newest_first": True}
def draw_some(numbers):
    for number in numbers:
        for activity in strava.world.listing(athletes[number], **everything)[::9]:
            activity.streams()
draw_some(range(0, 30))
warm = peak_megabytes()
draw_some(range(30, 60))
print(started, warm, peak_megabytes())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    answered = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    started, warm, end = map(float, answered.stdout.split())
    assert started < 160
    assert warm < 260
    assert end - warm < 40

"""Files become activities as Strava would make them of an upload: nothing repaired, nothing fatal."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from sandbox.rides import Ride, read_rides
from tests.support.served_sandbox import Serve

RIDES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "rides"
needs_rides = pytest.mark.skipif(not RIDES.is_dir(), reason="the folder of recorded rides is not on this machine")


@pytest.fixture(scope="module")
def rides() -> dict[str, Ride]:
    return {ride.file: ride for ride in read_rides(RIDES)}


def folder_of(folder: Path, *files: str) -> Path:
    """Return a folder of some of the rides: reading all of them takes seconds."""
    for file in files:
        (folder / file).symlink_to(RIDES / file)
    return folder


def stream(ride: Ride, key: str) -> list[Any]:
    assert ride.recording is not None
    return list(ride.recording.streams[key])


@needs_rides
def test_every_recorded_ride_is_readable_and_its_streams_are_equally_long(rides: dict[str, Ride]) -> None:
    assert len(rides) == 7
    for ride in rides.values():
        assert ride.recording is not None, ride.reason
        assert len({len(values) for values in ride.recording.streams.values()}) == 1
        assert 2**31 < ride.activity_id < 2**53
    assert len({ride.activity_id for ride in rides.values()}) == 7
    assert len({ride.athlete_id for ride in rides.values()}) == 7


@needs_rides
def test_what_the_devices_wrote_is_reported(rides: dict[str, Ride]) -> None:
    edge, karoo = rides["ride-edge810-vector.fit"].device, rides["ride-karoo-2025.fit"].device
    assert (edge.normalized_power, edge.training_stress_score, edge.threshold_power) == (301, 118.7, 315)
    assert (karoo.normalized_power, karoo.threshold_power) == (195, 220)
    run = rides["run-fr955-stryd.fit"].device
    assert (run.threshold_heart_rate, run.max_heart_rate, run.resting_heart_rate, run.sex) == (162, 189, 47, "M")


@needs_rides
def test_the_served_watts_hold_the_devices_own_normalized_power(rides: dict[str, Ride]) -> None:
    for file, expected in (("ride-edge810-vector.fit", 301), ("ride-karoo-2025.fit", 195)):
        watts = np.array([0 if watt is None else watt for watt in stream(rides[file], "watts")], dtype=float)
        mean30 = np.convolve(watts, np.full(30, 1 / 30), mode="valid")
        assert float(np.mean(mean30**4)) ** 0.25 == pytest.approx(expected, rel=0.01)


@needs_rides
def test_a_clock_jump_and_a_power_spike_are_served_as_they_were_recorded(rides: dict[str, Ride]) -> None:
    assert max(stream(rides["broken-clock-jump.fit"], "time")) > 6.8e7
    assert max(watt or 0 for watt in stream(rides["broken-power-spike.fit"], "watts")) == 21_733
    recording = rides["broken-clock-jump.fit"].recording
    assert recording is not None
    assert (recording.elapsed_seconds, recording.moving_seconds) == (7_057, 6_799)


@needs_rides
def test_smart_recording_keeps_its_gaps_and_its_missing_values(rides: dict[str, Ride]) -> None:
    ride = rides["ride-smart-recording.fit"]
    clock = stream(ride, "time")
    assert (clock[0], len(clock)) == (1, 3_098)
    assert max(later - earlier for earlier, later in pairwise(clock)) > 60
    assert stream(ride, "latlng")[0] is None
    assert "watts" not in (ride.recording.streams if ride.recording else {})


@needs_rides
def test_a_runners_power_meter_is_served_as_watts(rides: dict[str, Ride]) -> None:
    ride = rides["run-fr955-stryd.fit"]
    assert ride.recording is not None
    assert (ride.recording.sport_type, ride.recording.zone.utc_offset_seconds) == ("Run", 3_600)
    assert stream(ride, "watts")[:2] == [179, 216]


@needs_rides
async def test_a_saved_strava_activity_is_served_with_its_own_detail_but_only_keys_of_the_api(
    serve: Serve, tmp_path: Path
) -> None:
    served = await serve("--rides", str(folder_of(tmp_path, "strava-activity-6271393008.json")))
    athlete = next(one for one in await served.control("GET", "/athletes") if one["id"] == 2_470_979)
    token = athlete["access_token"]
    _, detail, _ = await served.get("/activities/6271393008", token)
    assert (detail["sport_type"], detail["average_watts"], detail["timezone"]) == (
        "VirtualRide", 162, "(GMT+01:00) Europe/Paris",
    )  # fmt: skip
    assert "start_latitude" not in detail
    keys = "time,watts,grade_adjusted_distance"
    _, streams, _ = await served.get(f"/activities/6271393008/streams?keys={keys}&key_by_type=true", token)
    assert set(streams) == {"time", "watts", "distance"}
    assert streams["watts"]["original_size"] == 3_646


@needs_rides
async def test_a_rides_athlete_can_be_imported_with_the_threshold_his_device_knew(
    serve: Serve, tmp_path: Path
) -> None:
    thresholds = {"ride-edge810-vector.fit": 315, "ride-karoo-2025.fit": 220}
    served = await serve("--rides", str(folder_of(tmp_path, *thresholds)))
    athletes = {one["source"]: one for one in await served.control("GET", "/athletes")}
    for file, ftp in thresholds.items():
        owner = athletes[file]
        assert owner["ftp"] == ftp
        _, items, _ = await served.get("/athlete/activities", owner["access_token"])
        report = next(ride for ride in await served.control("GET", "/rides") if ride["file"] == file)
        assert [item["id"] for item in items] == [report["activity_id"]]
        assert (items[0]["device_watts"], report["athlete_id"]) == (True, owner["id"])


FIT_EPOCH = 631_065_600  # the FIT calendar begins at the end of 1989
UINT8, UINT32, ENUM = 0x02, 0x86, 0x00


def fit_file(*messages: tuple[int, list[tuple[int, int, int]]]) -> bytes:
    """Write a FIT file: per message its global number, and its fields as number, type and value."""
    body = b""
    for number, fields in messages:
        sizes = [4 if kind == UINT32 else 1 for _, kind, _ in fields]
        body += struct.pack("<BBBHB", 0x40, 0, 0, number, len(fields))
        body += b"".join(bytes((name, size, kind)) for (name, kind, _), size in zip(fields, sizes, strict=True))
        body += b"\0" + b"".join(v.to_bytes(size, "little") for (_, _, v), size in zip(fields, sizes, strict=True))
    return struct.pack("<BBHI4sH", 14, 0x20, 2132, len(body), b".FIT", 0) + body + b"\0\0"


def fit_session(start_at: int, sport: int, seconds: int) -> tuple[int, list[tuple[int, int, int]]]:
    return 18, [(2, UINT32, start_at - FIT_EPOCH), (5, ENUM, sport), (7, UINT32, seconds * 1000)]


def fit_record(at: int, beats: int) -> tuple[int, list[tuple[int, int, int]]]:
    return 20, [(253, UINT32, at - FIT_EPOCH), (3, UINT8, beats)]


async def test_of_several_sessions_the_first_is_served_and_the_notes_say_so(serve: Serve, tmp_path: Path) -> None:
    start = 1_700_000_000
    records = [fit_record(start + second, 255 if second == 2 else 100 + second) for second in range(4)]
    swim, bike = fit_session(start, 5, 900), fit_session(start + 1_000, 2, 3_600)
    (tmp_path / "triathlon.fit").write_bytes(fit_file(*records, swim, bike))
    served = await serve("--rides", str(tmp_path))
    (ride,) = await served.control("GET", "/rides")
    assert (ride["sport_type"], ride["notes"]) == ("Swim", ["2 sessions, the first is served"])
    (athlete,) = [one for one in await served.control("GET", "/athletes") if one["source"] == "triathlon.fit"]
    path = f"/activities/{ride['activity_id']}/streams?keys=time,heartrate&key_by_type=true"
    _, streams, _ = await served.get(path, athlete["access_token"])
    assert streams["time"]["data"] == [0, 1, 2, 3]
    assert streams["heartrate"]["data"] == [100, 101, None, 103]
    assert streams["time"]["series_type"] == "time"


def saved(**changes: Any) -> bytes:
    activity = {
        "id": 5_000_000_000,
        "athlete": {"id": 9},
        "start_date": "2024-05-01T06:00:00Z",
        "elapsed_time": 60,
        "type": "Ride",
    } | changes
    return orjson.dumps({"activity": activity, "streams": {"time": [0, 60]}})


async def test_files_that_cannot_be_read_are_listed_with_the_reason(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a-noise.fit").write_bytes(b"\x0e\x10" + bytes(range(200)))
    (tmp_path / "b-empty.fit").write_bytes(b"")
    (tmp_path / "c-text.json").write_text("{")
    (tmp_path / "d-other.json").write_text('{"streams": []}')
    (tmp_path / "e-half.json").write_text('{"activity": {"id": 1}}')
    (tmp_path / "f-date.json").write_bytes(saved(start_date="yesterday"))
    (tmp_path / "g-list.json").write_text("[]")
    (tmp_path / "h-good.json").write_bytes(saved())
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / "folder.fit").mkdir()
    served = await serve("--rides", str(tmp_path))
    rides = await served.control("GET", "/rides")
    assert [ride["file"][0] for ride in rides] == list("abcdefgh")
    assert all(ride["reason"] for ride in rides[:-1])
    assert rides[-1]["activity_id"] == 5_000_000_000
    assert 9 in served.strava.world.athletes


@needs_rides
async def test_a_file_that_was_cut_short_gives_what_is_left_of_it(serve: Serve, tmp_path: Path) -> None:
    whole = (RIDES / "ride-karoo-2025.fit").read_bytes()
    (tmp_path / "cut.fit").write_bytes(whole[: len(whole) // 2])
    served = await serve("--rides", str(tmp_path))
    (ride,) = await served.control("GET", "/rides")
    assert "no session: told from its records" in ride["notes"]
    assert any("stopped reading" in note for note in ride["notes"])
    assert 1_500 < ride["points"] < 3_000

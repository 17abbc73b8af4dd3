"""Details, list items, splits and maps are what their parts say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import polyline
from sandbox.recording import Recording, Streams, Zone
from sandbox.shapes import detail_of, iso, streams_of, summary_of
from sandbox.splits import METRES_PER_KILOMETRE, METRES_PER_MILE, splits

PARIS = Zone("(GMT+01:00) Europe/Paris", 7_200)


def recording(**changes: object) -> Recording:
    facts: dict[str, object] = {
        "name": "Test",
        "sport_type": "GravelRide",
        "start_at": 1_720_000_000,
        "zone": PARIS,
        "elapsed_seconds": 3,
        "moving_seconds": 2,
        "distance_metres": 20.0,
        "streams": {
            "time": [0, 1, 2, 3],
            "watts": [100, None, 300, 200],
            "heartrate": [None, 120, 130, 140],
            "velocity_smooth": [0.0, 9.5, None, 10.5],
        },
    }
    return Recording(**(facts | changes))  # type: ignore[arg-type]


def decoded(text: str) -> list[tuple[float, float]]:
    """Decode a polyline in the plainest way."""
    numbers, value, shift = [], 0, 0
    for letter in text:
        bits = ord(letter) - 63
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    points, latitude, longitude = [], 0, 0
    for north, east in zip(numbers[::2], numbers[1::2], strict=True):
        latitude, longitude = latitude + north, longitude + east
        points.append((latitude / 1e5, longitude / 1e5))
    return points


def test_the_published_example_of_a_polyline_is_encoded_to_the_letter() -> None:
    points = [[38.5, -120.2], [40.7, -120.95], [43.252, -126.453]]
    assert polyline.encode(points, 100) == "_p~iF~ps|U_ulLnnqC_mqNvxq`@"
    assert polyline.encode([], 100) == ""


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=2, max_size=40), st.integers(2, 20))
def test_a_polyline_keeps_both_ends_and_no_more_points_than_asked(
    points: list[tuple[float, float]], most: int
) -> None:
    kept = decoded(polyline.encode(points, most))
    assert len(kept) == min(most, len(points))
    for end in (0, -1):
        assert kept[end] == pytest.approx(points[end], abs=1e-5)


def test_missing_values_stay_out_of_every_average() -> None:
    detail = detail_of(5, 7, recording())
    assert (detail["average_watts"], detail["max_watts"]) == (200.0, 300)
    assert (detail["average_heartrate"], detail["max_heartrate"]) == (130.0, 140.0)
    assert (detail["average_speed"], detail["max_speed"]) == (10.0, 10.5)
    assert (detail["type"], detail["sport_type"]) == ("Ride", "GravelRide")


def test_the_local_start_ends_in_a_false_z() -> None:
    detail = detail_of(5, 7, recording())
    assert detail["start_date"] == iso(1_720_000_000) == "2024-07-03T09:46:40Z"
    assert detail["start_date_local"] == "2024-07-03T11:46:40Z"
    assert (detail["utc_offset"], detail["timezone"]) == (7_200.0, "(GMT+01:00) Europe/Paris")


def test_estimated_power_is_owned_up_to_and_has_no_maximum() -> None:
    detail = detail_of(5, 7, recording(device_watts=False))
    assert (detail["device_watts"], detail["average_watts"]) == (False, 200.0)
    assert "max_watts" not in detail
    assert "weighted_average_watts" not in detail


def test_a_list_item_is_a_part_of_the_detail_with_a_coarser_map() -> None:
    detail = detail_of(5, 7, recording())
    item = summary_of(detail)
    assert {"perceived_exertion", "description", "laps", "embed_token"}.isdisjoint(item)
    assert item["resource_state"] == 2
    assert item["map"] == {"id": "a5", "summary_polyline": "", "resource_state": 2}
    assert all(item[key] == detail[key] for key in item if key not in {"resource_state", "map"})


def test_distance_comes_unasked_where_there_is_one() -> None:
    streams: Streams = {"time": [0, 1], "distance": [0.0, 2.0], "watts": [1, 2]}
    assert list(streams_of(streams, {"watts"}, key_by_type=True)) == ["distance", "watts"]
    assert list(streams_of({"time": [0], "watts": [1]}, {"watts"}, key_by_type=True)) == ["watts"]


@pytest.mark.parametrize(("length", "count"), [(METRES_PER_KILOMETRE, 3), (METRES_PER_MILE, 2)])
def test_splits_add_up_to_the_run(length: float, count: int) -> None:
    seconds = list(range(801))
    streams: Streams = {
        "time": seconds,
        "distance": [3.0 * second for second in seconds],
        "heartrate": [None if second % 7 == 0 else 150 for second in seconds],
        "altitude": [second / 10 for second in seconds],
    }
    cut = splits(streams, length)
    assert len(cut) == count
    assert sum(one["distance"] for one in cut) == pytest.approx(2_400)
    assert sum(one["elapsed_time"] for one in cut) == 800
    assert {one["average_heartrate"] for one in cut} == {150}
    assert cut[0]["average_speed"] == 3.0
    assert sum(one["elevation_difference"] for one in cut) == pytest.approx(80)
    assert splits({"time": seconds}, length) == []


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.floats(0, 5_000)), max_size=50))
def test_splits_of_any_distances_end_and_never_go_backwards(distances: list[float | None]) -> None:
    cut = splits({"time": list(range(len(distances))), "distance": distances}, METRES_PER_KILOMETRE)
    assert len(cut) <= len(distances)
    assert all(one["distance"] >= 0 and one["elapsed_time"] > 0 for one in cut)

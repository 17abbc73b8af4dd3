"""Cleaning: each rule, and what must hold of every stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.arrays import FloatArray
from daemon.science.sports import Family
from daemon.science.streams import Grid, Rejected, clean


def cleaned(
    raw: Mapping[str, object], family: Family = Family.RIDE, elapsed: float = 7200, *, trainer: bool = False
) -> Grid:
    grid = clean(raw, elapsed_seconds=elapsed, family=family, trainer=trainer)
    assert isinstance(grid, Grid)
    return grid


def quality(grid: Grid) -> dict[str, Any]:
    return cast("dict[str, Any]", grid.quality)


def power_of(watts: list[float | None], **streams: list[float | None]) -> list[float | None]:
    grid = cleaned({"time": list(range(len(watts))), "watts": watts, **streams})
    assert grid.power is not None
    return [None if np.isnan(value) else float(value) for value in grid.power]


def test_records_are_sorted_and_of_equal_times_the_last_wins() -> None:
    grid = cleaned({"time": [3, 0, 1, 1, 2], "watts": [130, 100, 999, 110, 120]})
    assert grid.power is not None
    assert grid.power.tolist() == [100, 110, 120, 130]
    assert quality(grid)["repeated_records"] == 1


def test_the_last_record_of_a_second_wins_whole_even_where_it_knows_less() -> None:
    grid = cleaned({"time": [0, 1, 1], "watts": [100, 110, None], "heartrate": [120, 121, 140]})
    assert grid.power is not None
    assert np.isnan(grid.power[1])


def test_records_outside_the_activity_are_dropped_with_a_minute_of_grace() -> None:
    times = [*range(100), 160, 161, -5]
    grid = cleaned({"time": times, "watts": [200] * 103}, elapsed=100)
    assert quality(grid)["dropped_records"] == 2
    assert grid.paused.size == 161


def test_more_than_one_record_in_twenty_outside_rejects_the_activity() -> None:
    inside, outside = list(range(95)), [10**7] * 5
    assert isinstance(clean({"time": inside + outside}, elapsed_seconds=95, family=Family.RIDE), Grid)
    rejected = clean({"time": inside + outside + [10**7]}, elapsed_seconds=95, family=Family.RIDE)
    assert rejected == Rejected("6 of 101 records lie outside the activity's time")


def test_a_null_in_the_time_stream_is_a_dropped_record() -> None:
    grid = cleaned({"time": [None, *range(40)], "watts": [900, *[200] * 40]})
    assert grid.power is not None
    assert grid.power.max() == 200
    assert quality(grid)["dropped_records"] == 1


@pytest.mark.parametrize("elapsed", [48 * 3600 + 1, -1, float("nan"), float("inf")])
def test_an_activity_that_no_clock_allows_is_rejected(elapsed: float) -> None:
    rejected = clean({"time": [0, 1]}, elapsed_seconds=elapsed, family=Family.RIDE)
    assert isinstance(rejected, Rejected)
    assert "48 hours" in rejected.reason


def test_a_spike_is_set_aside_before_anything_is_interpolated() -> None:
    watts = power_of([200, 200, 21_733, 210, 210, -3, 210])
    assert watts == [200, 200, 205, 210, 210, 210, 210]


@pytest.mark.parametrize(
    ("family", "known"), [(Family.RUN, False), (Family.WALK, False), (Family.RIDE, True), (Family.OTHER, True)]
)
def test_a_sprinters_speed_is_impossible_on_foot_only(family: Family, *, known: bool) -> None:
    grid = cleaned({"time": [0, 1], "velocity_smooth": [3.0, 12.6]}, family)
    assert grid.speed is not None
    assert bool(np.isnan(grid.speed[1])) is not known


def test_heart_rates_outside_30_to_240_are_set_aside() -> None:
    grid = cleaned({"time": list(range(4)), "heartrate": [29, 30, 240, 241]})
    assert grid.heart_rate is not None
    assert np.isnan(grid.heart_rate).tolist() == [True, False, False, True]


def test_known_neighbours_ten_seconds_apart_are_joined_and_eleven_are_not() -> None:
    ten = power_of([100, *[None] * 9, 200])
    assert ten == [100 + 10 * second for second in range(11)]
    eleven = power_of([100, *[None] * 10, 200])
    assert eleven == [100, *[None] * 10, 200]


def test_nothing_is_filled_before_the_first_known_value_or_after_the_last() -> None:
    assert power_of([None, None, 150, 150, None]) == [None, None, 150, 150, None]


def test_a_null_is_unknown_and_a_zero_is_known() -> None:
    watts = power_of([*[200] * 20, *[None] * 20, *[0] * 20])
    assert watts[20:40] == [None] * 20
    assert watts[40:] == [0] * 20


def gap(seconds: int, metres: float | None) -> Grid:
    """Two minutes of riding with a time without records in the middle."""
    times = [*range(60), *range(59 + seconds, 119 + seconds)]
    distance = [5.0 * second for second in range(60)]
    middle = 295.0 if metres is None else 295.0 + metres
    distance += [middle + 5.0 * second for second in range(60)]
    streams: dict[str, object] = {
        "time": times,
        "watts": [200] * 120,
        "heartrate": [140] * 120,
        "velocity_smooth": [5.0] * 120,
    }
    if metres is not None:
        streams["distance"] = distance
    return cleaned(streams)


def test_records_ten_seconds_apart_leave_no_pause() -> None:
    grid = gap(10, 0)
    assert not grid.paused.any()
    assert grid.power is not None
    assert not np.isnan(grid.power).any()


def test_a_longer_time_without_records_is_a_pause() -> None:
    grid = gap(61, 305)
    assert np.flatnonzero(grid.paused).tolist() == list(range(60, 120))
    assert grid.counted_seconds == 120


def test_a_gap_up_to_a_minute_in_which_the_distance_grew_is_movement_of_unknown_power() -> None:
    grid = gap(60, 60.0)
    assert not grid.paused.any()
    assert grid.counted_seconds == 179
    assert grid.power is not None
    assert grid.heart_rate is not None
    assert grid.speed is not None
    assert grid.distance is not None
    inside = slice(60, 119)
    assert np.isnan(grid.power[inside]).all()
    assert np.isnan(grid.heart_rate[inside]).all()
    assert grid.speed[inside] == pytest.approx(np.full(59, 1.0))
    assert grid.distance[inside] == pytest.approx(295.0 + np.arange(1, 60))


@pytest.mark.parametrize("metres", [59.0, 0.0, None])
def test_a_gap_up_to_a_minute_without_enough_distance_is_a_pause(metres: float | None) -> None:
    assert gap(60, metres).counted_seconds == 120


def test_the_first_record_starts_the_grid_and_the_last_one_ends_it() -> None:
    grid = cleaned({"time": [120, 121, 122], "watts": [1, 2, 3]})
    assert grid.first_second == 120
    assert grid.counted_seconds == 3


def test_without_a_speed_stream_the_distance_tells_the_speed() -> None:
    grid = cleaned({"time": [0, 1, 2, 3, 100, 101], "distance": [0, 2, 5, 9, 9, 12]})
    assert grid.speed is not None
    assert grid.speed[:4].tolist() == [2, 2, 3, 4]
    assert grid.speed[100:].tolist() == [3, 3]
    assert quality(grid)["derived"] == ["speed"]


def test_a_jump_of_the_distance_is_taken_out_and_the_rest_kept() -> None:
    distance = [3.0 * second for second in range(10)]
    jumped = [*distance[:5], *[value + 5000 for value in distance[5:7]], *distance[7:]]
    grid = cleaned({"time": list(range(10)), "distance": jumped}, Family.RUN)
    assert grid.distance is not None
    assert np.diff(grid.distance).tolist() == [3, 3, 3, 3, 0, 3, 0, 3, 3]
    assert quality(grid)["impossible_values"]["distance"] == 2


def hill(family: Family, *, trainer: bool = False) -> Grid:
    seconds = list(range(200))
    return cleaned(
        {
            "time": seconds,
            "distance": [3.0 * second for second in seconds],
            "altitude": [0.3 * second for second in seconds],
        },
        family,
        trainer=trainer,
    )


def test_grade_belongs_to_those_who_climb_on_foot_outdoors() -> None:
    assert hill(Family.RUN).grade == pytest.approx(np.full(200, 0.1))
    assert hill(Family.WALK).grade == pytest.approx(np.full(200, 0.1))
    assert hill(Family.RIDE).grade is None
    treadmill = hill(Family.RUN, trainer=True)
    assert treadmill.grade is None
    assert quality(treadmill)["refused"] == {"grade": "indoors there is no grade"}


def test_what_was_repaired_is_told_in_sentences_and_a_good_ride_has_none() -> None:
    assert cleaned({"time": [0, 1, 2], "watts": [100, 110, 120]}).sentences == ()
    grid = cleaned({"time": [0, 1, 1, *range(2, 40), -9], "watts": [100] * 3 + [9000] * 39})
    assert grid.sentences == (
        "Records outside the activity's time, dropped: 1 of 42.",
        "Records that repeated a second, of each the last was kept: 1.",
        "Impossible values of power, set aside: 38.",
        "Seconds of unknown power: 38.",
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([100, 110], "the stream watts has 2 values for 3 times"),
        ([100, "110", 120], "the stream watts holds more than numbers: str"),
        ([100, True, 120], "the stream watts holds more than numbers: bool"),
        ([100, [110], {}], "the stream watts holds more than numbers: dict, list"),
        ([100, 10**400, 120], "the stream watts holds a number without end"),
        ("100", "the stream watts is not a list"),
        ({"data": [1, 2, 3]}, "the stream watts is not a list"),
        ([None, None, None], "the stream watts holds no credible value"),
        ([float("nan"), float("inf"), 1e300], "the stream watts holds no credible value"),
    ],
)
def test_a_channel_that_cannot_be_read_is_refused_with_a_reason_and_the_others_stay(
    values: object, reason: str
) -> None:
    grid = cleaned({"time": [0, 1, 2], "watts": values, "heartrate": [120, 121, 122]})
    assert grid.power is None
    assert quality(grid)["refused"] == {"power": reason}
    assert grid.heart_rate is not None


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (None, "the time stream is not a list"),
        ([], "the time stream is empty"),
        (["0", "1"], "the time stream holds more than numbers: str"),
        ([None, None], "2 of 2 records lie outside the activity's time"),
        ([10**400], "the time stream holds a number without end"),
    ],
)
def test_without_readable_times_the_activity_is_rejected(times: object, reason: str) -> None:
    rejected = clean({"time": times, "watts": [1, 2]}, elapsed_seconds=100, family=Family.RIDE)
    assert rejected == Rejected(reason)


steps = st.sampled_from([0, 1, 1, 1, 1, 2, 3, 7, 10, 11, 12, 30, 59, 60, 61, 200])
samples = st.tuples(
    steps,
    st.none() | st.sampled_from([-5, 0, 150, 220.5, 400, 2500, 21_733]),
    st.none() | st.sampled_from([0, 30, 120, 151.5, 180, 241]),
    st.none() | st.sampled_from([0, 0.3, 3.1, 9.7, 12.5, 13.0, 250.0]),
    st.none() | st.sampled_from([-30, 0, 0.7, 2.9, 12.5, 33.3, 60.0, 5000.0]),
    st.none() | st.sampled_from([-2000, 0, 100.2, 130.6, 9000.4]),
)


def recording(seconds: list[tuple[Any, ...]]) -> dict[str, object]:
    times, distances, second, metres = [], [], 0, 0.0
    for step, _, _, _, covered, _ in seconds:
        second += step
        metres += covered or 0.0
        times.append(second)
        distances.append(None if covered is None else metres)
    return {
        "time": times,
        "distance": distances,
        "watts": [sample[1] for sample in seconds],
        "heartrate": [sample[2] for sample in seconds],
        "velocity_smooth": [sample[3] for sample in seconds],
        "altitude": [sample[5] for sample in seconds],
    }


def as_recorded(grid: Grid) -> dict[str, object]:
    """The grid's own seconds, written as if a device had recorded them."""
    kept = np.flatnonzero(~grid.paused)
    raw: dict[str, object] = {"time": (kept + grid.first_second).tolist()}
    channels: dict[str, FloatArray | None] = {
        "watts": grid.power,
        "heartrate": grid.heart_rate,
        "velocity_smooth": grid.speed,
        "distance": grid.distance,
        "altitude": grid.altitude,
    }
    for key, values in channels.items():
        if values is not None:
            raw[key] = [None if np.isnan(value) else value for value in values[kept].tolist()]
    return raw


@settings(max_examples=80, deadline=None)
@given(
    st.lists(samples, min_size=1, max_size=60),
    st.sampled_from(Family),
    st.sets(st.sampled_from(["velocity_smooth", "distance", "altitude"])),
)
def test_cleaning_twice_changes_nothing(seconds: list[tuple[Any, ...]], family: Family, absent: set[str]) -> None:
    raw = {key: values for key, values in recording(seconds).items() if key not in absent}
    once = cleaned(raw, family, elapsed=20_000)
    twice = cleaned(as_recorded(once), family, elapsed=20_000)
    assert twice.first_second == once.first_second
    np.testing.assert_array_equal(twice.paused, once.paused)
    for channel in ("power", "heart_rate", "speed", "distance", "altitude", "grade"):
        first, second = getattr(once, channel), getattr(twice, channel)
        if first is None or second is None:
            assert first is second, channel
        else:
            np.testing.assert_array_equal(second, first, err_msg=channel)


@settings(max_examples=60, deadline=None)
@given(st.lists(samples, min_size=1, max_size=60), st.sampled_from(Family))
def test_a_pause_holds_no_value_and_what_is_known_is_within_bounds(
    seconds: list[tuple[Any, ...]], family: Family
) -> None:
    grid = cleaned(recording(seconds), family, elapsed=20_000)
    bounds = {
        "power": (0, 2500),
        "heart_rate": (30, 240),
        "speed": (0, 12.5 if family in {Family.RUN, Family.WALK} else 100),
    }
    for channel, (lowest, highest) in bounds.items():
        values = getattr(grid, channel)
        if values is None:
            continue
        assert np.isnan(values[grid.paused]).all()
        known = values[~np.isnan(values)]
        assert known.size == 0 or (lowest <= known.min() and known.max() <= highest)
    if grid.distance is not None:
        assert (np.diff(grid.distance[~np.isnan(grid.distance)]) >= 0).all()

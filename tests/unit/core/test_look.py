"""A look's decisions, each branch at its edges."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from daemon.core.look import Bury, Known, LookAgain, Shape, missing, relook_at, streams_expected, streams_needed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHAPE = Shape("Ride", NOW, 3600, 3500, 30_000.0, trainer=False)
VERSION = 3


def kept(version: int | None = VERSION) -> Known:
    return Known(SHAPE, "kept", version)


@pytest.mark.parametrize(
    ("known", "needed"),
    [
        (None, True),
        (kept(), False),
        (kept(version=2), True),
        (kept(version=None), True),
        (Known(SHAPE, "wanted", None), True),
        (Known(SHAPE, "wanted", VERSION), True),
        (Known(SHAPE, "none", None), False),
        (Known(SHAPE, "none", 2), False),
    ],
)
def test_streams_are_fetched_where_statistics_are_missing_or_old(known: Known | None, needed: bool) -> None:
    assert streams_needed(known, SHAPE, VERSION, manual=False) is needed
    # As many permits are asked for beforehand as an unchanged activity will need: one too many is lost.
    assert streams_expected(known, VERSION) is needed


@pytest.mark.parametrize("known", [None, kept(), kept(2), Known(SHAPE, "wanted", None), Known(SHAPE, "none", None)])
def test_a_manual_activity_has_no_streams(known: Known | None) -> None:
    assert not streams_needed(known, SHAPE, VERSION, manual=True)


@pytest.mark.parametrize("state", ["kept", "wanted", "none"])
@pytest.mark.parametrize(
    "changed",
    [
        {"sport_type": "Run"},
        {"start_at": NOW + timedelta(seconds=1)},
        {"elapsed_seconds": 3599},
        {"moving_seconds": 3499},
        {"distance_m": 29_999.0},
        {"trainer": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_shape_means_other_streams(changed: dict[str, object], state: str) -> None:
    assert set(changed) <= {field.name for field in fields(Shape)}
    other = replace(SHAPE, **changed)  # type: ignore[arg-type]
    assert streams_needed(Known(SHAPE, state, VERSION), other, VERSION, manual=False)


def not_found(
    *, seen: bool = False, expects_gone: bool = False, age: timedelta = timedelta(0), attempts: int = 1
) -> LookAgain | Bury:
    return missing(seen=seen, expects_gone=expects_gone, hinted_at=NOW - age, attempts=attempts, now=NOW)


def test_what_was_once_seen_and_is_gone_is_buried() -> None:
    assert not_found(seen=True) == Bury("Strava no longer shows it")
    assert not_found(seen=True, expects_gone=True) == Bury("Strava no longer shows it")


def test_what_was_deleted_before_it_was_seen_is_buried() -> None:
    assert not_found(expects_gone=True) == Bury("deleted before it was ever seen")


def test_a_young_activity_is_looked_for_again_and_an_old_one_is_not() -> None:
    two_hours = timedelta(hours=2)
    assert isinstance(not_found(age=two_hours - timedelta(microseconds=1)), LookAgain)
    assert not_found(age=two_hours) == Bury("never shown by Strava")


def test_a_clock_that_runs_behind_is_no_reason_to_bury_but_a_hint_from_the_far_future_is() -> None:
    assert isinstance(not_found(age=timedelta(seconds=-120)), LookAgain)
    assert isinstance(not_found(age=timedelta(days=-3650)), Bury)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 20), (1, 20), (2, 120), (3, 600), (4, 1800), (5, 1800), (100, 1800)]
)
def test_it_is_looked_for_ever_more_rarely(attempts: int, seconds: int) -> None:
    assert not_found(attempts=attempts) == LookAgain(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(("looked", "minutes"), [(0, 5), (1, 15), (2, 45), (3, None), (4, None)])
def test_late_streams_are_looked_for_three_times(looked: int, minutes: int | None) -> None:
    assert relook_at(looked, NOW) == (None if minutes is None else NOW + timedelta(minutes=minutes))

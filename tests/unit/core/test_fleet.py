"""The fleet in bands, and the stalest by name, the same page by page as at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.fleet import EDGES_HOURS, MOST_NAMED, Unseen, pictured, span, stalest, unseen
from daemon.core.freshness import Athlete, Proof

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOBODY = Proof(None, None, None)


def athlete(athlete_id: int, synced_hours_ago: float | None) -> Athlete:
    synced_at = NOW - timedelta(hours=synced_hours_ago) if synced_hours_ago is not None else None
    return Athlete(athlete_id, NOW - timedelta(days=9), synced_at, synced_at, None, None, None, None, None)


def hours(*spans: float) -> list[timedelta]:
    return [timedelta(hours=each) for each in spans]


def test_each_band_holds_what_lies_between_its_edges() -> None:
    fleet = pictured(NOW, hours(0, 0, 0.5, 1, 2.9, 3, 11, 12, 23, 24, 500), [])

    assert fleet.proven == 2
    assert fleet.bands == (1, 2, 1, 1, 2, 2)
    assert len(fleet.bands) == len(EDGES_HOURS) + 1


def test_who_was_never_looked_at_is_unseen_since_he_connected_and_says_why() -> None:
    judged = unseen(athlete(7, None), NOW, NOBODY)

    assert judged is not None
    assert (judged.athlete_id, judged.why, span(judged, NOW)) == (7, "never_synced", timedelta(days=9))


def test_who_is_proven_to_be_up_to_date_is_unseen_for_no_time() -> None:
    verified = Proof(NOW, NOW - timedelta(days=3), NOW, NOW - timedelta(days=3))

    assert unseen(athlete(7, 1), NOW, verified) is None
    assert span(None, NOW) == timedelta(0)


def test_a_look_dated_in_the_future_is_no_negative_time() -> None:
    assert span(unseen(athlete(7, -5), NOW, NOBODY), NOW) == timedelta(0)


@given(
    st.lists(st.none() | st.floats(0, 1e3, allow_nan=False), max_size=40),
    st.integers(1, 15),
)
@settings(max_examples=50)
def test_everybody_is_in_one_band_and_pages_name_the_same_as_the_whole(
    ages: list[float | None], most_per_page: int
) -> None:
    judged = [unseen(athlete(number, age), NOW, NOBODY) for number, age in enumerate(ages, 1)]
    named = list[Unseen]()
    for begin in range(0, len(judged), most_per_page):
        named = stalest([*named, *judged[begin : begin + most_per_page]])
    fleet = pictured(NOW, [span(one, NOW) for one in judged], named)

    assert fleet.proven + sum(fleet.bands) == len(ages)
    everybody = sorted(one for one in judged if one is not None)
    assert list(fleet.stalest) == everybody[:MOST_NAMED]

"""Events meet with misfortune as often as they are told to, and the same seed tells the same story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.mishaps import Mishap, Mishaps
from sandbox.quirks import Quirks
from tests.support.served_sandbox import Callback, Serve, Served

rates = st.sampled_from([0.0, 0.3, 1.0])


def fates(quirks: Quirks, seed: int = 1, count: int = 400) -> list[Mishap]:
    mishaps = Mishaps(seed)
    return [mishaps.befall(quirks) for _ in range(count)]


def test_without_rates_nothing_ever_happens() -> None:
    assert set(fates(Quirks())) == {Mishap()}


@settings(max_examples=25)
@given(st.integers(0, 1000), rates, rates, rates, rates)
def test_the_seed_decides_and_each_kind_is_drawn_for_itself(
    seed: int, lost: float, late: float, repeated: float, swapped: float
) -> None:
    quirks = Quirks(
        lost_event_rate=lost, late_event_rate=late, repeated_event_rate=repeated, swapped_event_rate=swapped
    )
    drawn = fates(quirks, seed, 60)
    assert drawn == fates(quirks, seed, 60)
    without_loss = fates(replace(quirks, lost_event_rate=0.0), seed, 60)
    assert [replace(fate, lost=False) for fate in drawn] == without_loss


def test_a_rate_is_met_and_the_seconds_lie_between_their_bounds() -> None:
    drawn = fates(Quirks(late_event_rate=0.25, late_event_seconds=(3, 9), repeated_event_rate=0.5), count=2_000)
    late = [fate.late_seconds for fate in drawn if fate.late_seconds]
    repeated = [fate.repeated_after for fate in drawn if fate.repeated_after is not None]
    assert 0.2 < len(late) / 2_000 < 0.3
    assert 0.45 < len(repeated) / 2_000 < 0.55
    assert 3 <= min(late) < 4 < 8 < max(late) <= 9
    assert 62 <= min(repeated) < 63 < 74 < max(repeated) <= 75


async def upload(served: Served, name: str) -> int:
    made = await served.control("POST", "/activities", kind="manual", name=name)
    activity_id: int = made["id"]
    return activity_id


async def settled(served: Served) -> list[dict[str, Any]]:
    shown = await served.control("GET", "/events?settled=60")
    assert shown["settled"] is True
    deliveries: list[dict[str, Any]] = shown["events"]
    return deliveries


async def test_an_event_that_swaps_goes_after_the_next_one(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", swapped_event_rate=1.0, swapped_event_seconds=60)
    first, second = await upload(served, "first"), await upload(served, "second")
    await served.control("PATCH", "/settings", swapped_event_rate=0.0)
    third = await upload(served, "third")
    await settled(served)
    assert [event["object_id"] for event in callback.events()] == [third, second, first]


async def test_an_event_that_swaps_goes_alone_where_no_other_comes(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", swapped_event_rate=1.0, swapped_event_seconds=0.05)
    await upload(served, "only")
    (delivery,) = await settled(served)
    assert delivery["outcome"] == "acknowledged"


async def test_an_event_that_was_lost_lets_nobody_pass(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", swapped_event_rate=1.0, swapped_event_seconds=60)
    first = await upload(served, "waits")
    await served.control("PATCH", "/settings", swapped_event_rate=0.0, lost_event_rate=1.0)
    await upload(served, "lost")
    assert callback.heard == []
    await served.control("PATCH", "/settings", lost_event_rate=0.0)
    third = await upload(served, "passes")
    await settled(served)
    assert [event["object_id"] for event in callback.events()] == [third, first]


async def test_a_repeated_event_is_the_same_to_the_byte_and_comes_later(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", repeated_event_rate=1.0, repeated_event_seconds=[0.1, 0.2])
    await upload(served, "twice")
    first, second = await settled(served)
    assert len(callback.heard) == 2
    assert len(set(callback.heard)) == 1
    assert second["attempts"][0]["at"] - first["attempts"][0]["at"] > 0.05


async def test_a_late_event_comes_late_and_tells_the_time_of_what_happened(
    serve: Serve, callback: Callback
) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", late_event_rate=1.0, late_event_seconds=[1.1, 1.1])
    await upload(served, "late")
    (delivery,) = await settled(served)
    assert delivery["attempts"][0]["at"] - delivery["body"]["event_time"] > 1.0


async def test_events_sent_by_hand_go_as_they_were_told_to(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", lost_event_rate=1.0, repeated_event_rate=1.0)
    await served.control("POST", "/events", body={"by": "hand"})
    await settled(served)
    assert callback.heard == [b'{"by":"hand"}']


@pytest.mark.parametrize(
    "wrong",
    [
        {"lost_event_rate": 1.5},
        {"late_event_rate": -0.1},
        {"late_event_seconds": [5, 1]},
        {"repeated_event_seconds": [1]},
        {"repeated_event_seconds": ["a", "b"]},
        {"swapped_event_seconds": -1},
        {"athlete_limit": -1},
        {"private_flip": "never"},
    ],
)
async def test_a_senseless_misfortune_is_refused(serve: Serve, wrong: dict[str, Any]) -> None:
    served = await serve()
    async with served.client.patch("/sandbox/settings", json=wrong) as answer:
        assert answer.status == 400
        assert next(iter(wrong)) in (await answer.json())["error"]


async def test_a_flip_may_be_told_as_what_it_is_to_apps_that_do_not_read_everything(
    serve: Serve, callback: Callback
) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", private_flip="update", missing_scope="forbidden")
    await served.control("POST", f"/athletes/{served.athlete_id}/authorize", scope="read,activity:read")
    made = await upload(served, "open")
    await settled(served)
    await served.control("POST", f"/activities/{made}/hide")
    await settled(served)
    assert callback.events()[1]["updates"] == {"private": "true"}
    status, body, _ = await served.get("/athlete/zones")
    assert (status, body["errors"][0]["code"]) == (403, "missing")

"""The past of invented athletes: planned when looked at, the same in any order, and its lists tell no lies."""

from __future__ import annotations

import random
from collections import Counter

import orjson
import pytest

from sandbox import histories
from sandbox.drawing import draw
from sandbox.habits import Nature
from sandbox.histories import FIRST_PAST_ID, History, Lives
from sandbox.options import parse_options
from sandbox.recording import known
from sandbox.riders import invent_athletes
from sandbox.seasons import lay_out, live_through
from sandbox.shapes import summary_of
from sandbox.strava import FakeStrava
from sandbox.world import FIRST_LIVE_ID, Activity, Athlete, World
from tests.support.served_sandbox import Serve

UNTIL = 1_760_000_000
ATHLETES = list(invent_athletes(12, 5))


def world(days: int = 365, until: int = UNTIL) -> World:
    made = World(History(Lives(Nature(seed=5)), days, until))
    for athlete in ATHLETES:
        made.enrol(athlete)
    return made


def listed(made: World, athlete: Athlete) -> list[Activity]:
    return made.listing(athlete.id, after=0, before=2e12, now=UNTIL, newest_first=False)


def forget() -> None:
    for cache in (lay_out, live_through, draw):
        cache.cache_clear()


def test_an_activity_is_the_same_to_the_last_value_whatever_else_was_asked_before() -> None:
    first = world()
    chosen = [activity for athlete in ATHLETES[:4] for activity in listed(first, athlete)[::40]]
    expected = {one.id: orjson.dumps([one.detail(), dict(one.streams())]) for one in chosen}
    forget()
    second, order = world(), [one.id for one in chosen]
    random.Random(3).shuffle(order)
    for activity_id in order:
        found = second.find(activity_id)
        assert found is not None
        found.summary()
        assert orjson.dumps([found.detail(), dict(found.streams())]) == expected[activity_id]


def test_a_longer_history_and_a_later_start_keep_what_there_was() -> None:
    athlete = ATHLETES[3]
    short = {one.id: one.start_at for one in listed(world(60), athlete)}
    long = {one.id: one.start_at for one in listed(world(800), athlete)}
    later = {one.id: one.start_at for one in listed(world(61, UNTIL + 86_400), athlete)}
    assert len(long) > 8 * len(short)
    assert short.items() <= long.items()
    assert short.items() <= later.items()


def test_ids_rise_with_the_days_belong_to_one_athlete_and_lie_below_those_of_new_activities() -> None:
    made = world()
    ids = [one.id for athlete in ATHLETES for one in listed(made, athlete)]
    assert len(ids) == len(set(ids)) > 1_000
    assert all(FIRST_PAST_ID <= one < FIRST_LIVE_ID for one in ids)
    for athlete in ATHLETES:
        own = listed(made, athlete)
        assert all(
            found is not None and found.athlete_id == athlete.id for found in map(made.find, (a.id for a in own))
        )
        days = [one.id >> 19 for one in own]
        assert days == sorted(days)
    assert made.find(FIRST_PAST_ID) is None
    assert made.find(1) is None


def test_everything_has_ended_before_the_sandbox_starts() -> None:
    for athlete in ATHLETES[:5]:
        for activity in listed(world(20), athlete):
            assert activity.start_at + activity.draw().elapsed_seconds < UNTIL


def test_a_list_item_is_exactly_the_detail_and_the_streams() -> None:
    made = world()
    for athlete in ATHLETES[:9]:
        for activity in listed(made, athlete)[::25]:
            item, recording = activity.summary(), activity.draw()
            assert item == orjson.loads(orjson.dumps(summary_of(activity.detail())))
            watts, beats = known(recording.streams, "watts"), known(recording.streams, "heartrate")
            if watts.size:
                assert item["average_watts"] == round(float(watts.mean()), 1)
            assert item["has_heartrate"] is bool(beats.size)
            if beats.size:
                assert item["average_heartrate"] == round(float(beats.mean()), 1)
            if "distance" in recording.streams:
                assert item["distance"] == pytest.approx(recording.streams["distance"][-1])
            if "moving" in recording.streams and not recording.trainer:
                assert item["moving_time"] >= len(recording.streams["time"]) - 1


def test_an_edit_outlives_the_forgetting_of_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "KEPT_ACTIVITIES", 400)
    made = world()
    edited, plain = listed(made, ATHLETES[0])[5], listed(made, ATHLETES[1])[5]
    edited.changes["name"] = "Renamed"
    for athlete in ATHLETES:
        listed(made, athlete)
    found = made.find(edited.id)
    assert found is not None
    assert found.detail()["name"] == "Renamed"
    assert made.find(plain.id) is not plain


def test_a_deleted_activity_of_the_past_stays_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "KEPT_ACTIVITIES", 100)
    made = world()
    gone = listed(made, ATHLETES[0])[7]
    assert made.remove(gone.id) is gone
    for athlete in ATHLETES:
        listed(made, athlete)
    assert made.find(gone.id) is None
    assert gone.id not in {one.id for one in listed(made, ATHLETES[0])}
    assert gone.id not in {one.id for one in made}
    assert made.remove(gone.id) is None


def test_a_team_does_varied_sports_under_sensible_names() -> None:
    made = world(120)
    items = [one.summary() for athlete in ATHLETES for one in listed(made, athlete)[::6]]
    assert len({item["sport_type"] for item in items}) >= 7
    names = Counter(item["name"] for item in items)
    assert len(names) > 30
    assert max(map(len, names)) < 40


def test_new_ids_never_come_again_at_the_next_start_unless_asked() -> None:
    def made_at(offset: str, *flags: str) -> list[int]:
        strava = FakeStrava(parse_options(["--athletes", "0", "--clock-offset", offset, *flags]))
        return [strava.world.next_activity_id() for _ in range(3)]

    first = FakeStrava(parse_options(["--athletes", "0"]))
    begun = int(first.clock.now())
    ids = [first.world.next_activity_id() for _ in range(1_000)]
    assert ids == sorted(set(ids))
    # A start in any other second begins 65,536 ids away.
    assert abs(ids[0] - FIRST_LIVE_ID - (begun - 1_577_836_800) * 65_536) <= 2 * 65_536
    assert made_at("0", "--live-ids-from", "5000") == [5_001, 5_002, 5_003]


async def test_years_of_history_are_listed_at_once_and_page_by_page(serve: Serve) -> None:
    served = await serve("--history-days", "1100", "--seed", "5")
    seen: list[int] = []
    for page in (1, 2, 3, 4):
        status, items, _ = await served.get(f"/athlete/activities?page={page}&per_page=60")
        assert status == 200
        assert all(item["athlete"]["id"] == served.athlete_id for item in items)
        seen.extend(item["id"] for item in items)
    assert len(seen) == len(set(seen)) == 240
    assert seen == sorted(seen, reverse=True)

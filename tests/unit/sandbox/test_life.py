"""The demo's heartbeat: activities appear, now and then one is edited or deleted."""

from __future__ import annotations

from collections import Counter

from sandbox.life import Life
from tests.support.served_sandbox import Callback, Serve


async def test_much_happens_in_a_long_life_and_all_of_it_is_announced(serve: Serve, callback: Callback) -> None:
    served = await serve("--athletes", "3", "--callback", callback.url)
    life = Life(served.strava, 60.0)
    for _ in range(100):
        life.happen()
    shown = await served.control("GET", "/events?settled=20")
    assert shown["settled"] is True
    aspects = Counter(event["aspect_type"] for event in callback.events())
    created = [event["object_id"] for event in callback.events() if event["aspect_type"] == "create"]
    assert aspects["create"] > 70
    assert aspects["update"] > 0
    assert aspects["delete"] > 0
    assert len(created) > len(set(created))  # some are sent twice
    assert len({event["owner_id"] for event in callback.events()}) == 3
    now = served.strava.clock.now()
    deleted = {event["object_id"] for event in callback.events() if event["aspect_type"] == "delete"}
    assert {activity.id for activity in served.strava.world} == set(created) - deleted
    assert all(activity.start_at < now for activity in served.strava.world)


async def test_the_same_seed_lives_the_same_life(serve: Serve) -> None:
    lives = []
    for _ in range(2):
        served = await serve("--athletes", "3", "--seed", "9")
        life = Life(served.strava, 60.0)
        for _ in range(20):
            life.happen()
        lives.append([(activity.athlete_id, activity.detail()["name"]) for activity in served.strava.world])
    assert lives[0] == lives[1]


async def test_nobody_is_left_to_live_once_all_have_revoked(serve: Serve) -> None:
    served = await serve()
    served.strava.revoke(served.athlete_id, event=False)
    Life(served.strava, 60.0).happen()
    assert list(served.strava.world) == []

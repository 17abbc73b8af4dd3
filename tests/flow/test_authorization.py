"""Tokens over the whole road: refreshed once, rested when dead, believed only when Strava says so."""

from __future__ import annotations

from typing import Any

from tests.flow.conftest import MakeHouse
from tests.support.daemon import SUBSCRIPTION_ID, Daemon, eventually


async def state_of(daemon: Daemon, athlete_id: int) -> str:
    return str(await daemon.value("SELECT state FROM athletes WHERE athlete_id = $1", athlete_id))


async def is_deauthorized(daemon: Daemon, athlete_id: int) -> bool:
    """Tell whether it is proven: the athlete rests from the refusal on, a moment before."""
    return bool(
        await daemon.value("SELECT deauthorized_at IS NOT NULL FROM athletes WHERE athlete_id = $1", athlete_id)
    )


def creation(activity_id: int, athlete_id: int) -> dict[str, Any]:
    return {
        "object_type": "activity",
        "object_id": activity_id,
        "aspect_type": "create",
        "owner_id": athlete_id,
        "subscription_id": SUBSCRIPTION_ID,
        "event_time": 1_700_000_000,
        "updates": {},
    }


async def loads(daemon: Daemon) -> int:
    return int(await daemon.value("SELECT count(*) FROM activity_loads"))


async def test_an_expired_token_is_refreshed_once_for_many_looks(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    before = (await daemon.sandbox.athletes())[0]["refresh_token"]
    await daemon.sandbox.age_tokens(athlete_id, expires_in=-10)
    async with daemon.look_inside() as connection:
        await connection.execute("UPDATE credentials SET expires_at = now() - interval '10 s'")
    for seed in range(4):
        await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=seed, duration=600)

    async def all_stand() -> bool:
        return await loads(daemon) == 4

    await eventually(all_stand, 120)
    assert (await daemon.sandbox.counts())["endpoints"]["token"] == 1
    assert (await daemon.sandbox.athletes())[0]["refresh_token"] != before  # rotated, and we hold the new one
    await daemon.sandbox.age_tokens(athlete_id, expires_in=-10)  # this time only Strava knows
    await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=9, duration=600)

    async def one_more() -> bool:
        return await loads(daemon) == 5

    await eventually(one_more, 120)


async def test_a_stop_stores_a_refresh_that_takes_longer_than_jobs_are_given(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    async with daemon.look_inside() as connection:
        await connection.execute("UPDATE credentials SET expires_at = now() - interval '10 s'")
    await daemon.sandbox.fault("delay", endpoint="token", seconds=9, count=1)  # a drain takes six
    await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)

    async def is_under_way() -> bool:
        return bool(await daemon.value("SELECT count(refresh_began_at) FROM credentials"))

    await eventually(is_under_way)
    assert await daemon.stop() == 0

    events = [line["event"] for line in daemon.log_lines()]
    assert events.index("daemon.stop_begun") < events.index("token.refreshed") < events.index("daemon.stopped")
    assert "token.not_refreshed" not in events


async def test_a_deauthorization_rests_the_athlete_and_stops_every_call(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    first, second = await daemon.import_athletes()
    await daemon.sandbox.revoke(first)

    await eventually(lambda: is_deauthorized(daemon, first))
    assert await state_of(daemon, first) == "needs_authorization"
    calls_before = (await daemon.sandbox.counts())["received"]
    resting = await daemon.sandbox.make_activity(athlete_id=first, seed=1, duration=600, event=False)
    await daemon.sandbox.send_event(creation(resting, first))
    other = await daemon.sandbox.make_activity(athlete_id=second, seed=2, duration=600)

    async def the_other_is_served() -> bool:
        return bool(await daemon.value("SELECT 1 FROM activity_loads WHERE activity_id = $1", other) is not None)

    await eventually(the_other_is_served)

    async def the_look_waits() -> bool:
        state = await daemon.value("SELECT state FROM jobs WHERE payload->>'activity_id' = $1", str(resting))
        return bool(state == "queued")

    await eventually(the_look_waits)
    assert (await daemon.sandbox.counts())["received"] == calls_before + 2  # the other's detail and streams

    await daemon.sandbox.authorize(first)  # he connects again, and what waited is done
    await daemon.import_athletes()

    async def what_waited_is_done() -> bool:
        return bool(await daemon.value("SELECT 1 FROM activity_loads WHERE activity_id = $1", resting) is not None)

    await eventually(what_waited_is_done)
    assert await state_of(daemon, first) == "active"


async def test_a_forged_deauthorization_rests_nobody(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    await daemon.sandbox.send_event(
        {
            "object_type": "athlete",
            "object_id": athlete_id,
            "aspect_type": "update",
            "owner_id": athlete_id,
            "subscription_id": SUBSCRIPTION_ID,
            "event_time": 1_700_000_000,
            "updates": {"authorized": "false"},
        }
    )

    async def was_checked() -> bool:
        return bool(daemon.log_lines("athlete.authorization_checked"))

    await eventually(was_checked)
    assert daemon.log_lines("athlete.authorization_checked")[0]["authorized"] is True
    assert await state_of(daemon, athlete_id) == "active"


async def test_a_dead_token_found_by_chance_rests_but_never_leads_to_erasure(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    await daemon.sandbox.revoke(athlete_id, event=False)
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600, event=False)
    await daemon.sandbox.send_event(creation(activity_id, athlete_id))

    async def rests() -> bool:
        return await state_of(daemon, athlete_id) == "needs_authorization"

    await eventually(rests)
    assert await daemon.value("SELECT deauthorized_at FROM athletes") is None
    status, output, _ = await daemon.command("athletes", "list")
    assert status == 0
    assert "needs_authorization" in output
    assert "Strava refused the refresh token" in output


async def test_an_athlete_gone_for_seven_days_is_erased_without_a_trace(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    first, second = await daemon.import_athletes()
    for athlete_id in (first, second):
        await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)

    async def both_stand() -> bool:
        return await loads(daemon) == 2

    await eventually(both_stand)
    await daemon.sandbox.revoke(first)

    await eventually(lambda: is_deauthorized(daemon, first))
    async with daemon.look_inside() as connection:  # a week passes
        await connection.execute(
            "UPDATE athletes SET deauthorized_at = now() - interval '8 days' WHERE athlete_id = $1", first
        )
    await daemon.stop()
    await daemon.start()

    async def is_gone() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM athletes") == 1)

    await eventually(is_gone)
    for table in ("activities", "credentials", "thresholds", "turns"):
        assert await daemon.value(f"SELECT count(*) FROM {table} WHERE athlete_id = $1", first) == 0
    assert await loads(daemon) == 1

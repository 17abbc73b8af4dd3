"""The way of an event, whole: sandbox → daemon → PostgreSQL, over real sockets."""

from __future__ import annotations

import json
from typing import Any

from tests.flow.conftest import MakeHouse
from tests.support.daemon import SUBSCRIPTION_ID, Daemon, eventually

TABLES = (
    "activities",
    "activity_statistics",
    "activity_loads",
    "activity_streams",
    "tombstones",
    "athletes",
    "outbox",
)


async def the_load_stands(daemon: Daemon, activity_id: int) -> bool:
    return await daemon.value("SELECT 1 FROM activity_loads WHERE activity_id = $1", activity_id) is not None


async def everything_settled(daemon: Daemon) -> bool:
    unfolded = await daemon.value("SELECT count(*) FROM events WHERE folded_at IS NULL")
    busy = await daemon.value(
        "SELECT count(*) FROM jobs WHERE state = 'running' OR (state = 'queued' AND run_at <= now())"
    )
    return bool(unfolded == 0 and busy == 0)


async def contents(daemon: Daemon) -> dict[str, list[Any]]:
    return {
        table: [dict(row) for row in await daemon.rows(f"SELECT * FROM {table} ORDER BY 1")] for table in TABLES
    }


async def test_an_event_becomes_a_load_that_explains_itself(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(
        athlete_id=athlete_id, sport_type="Ride", duration=3600, seed=3
    )

    await eventually(lambda: the_load_stands(daemon, activity_id))

    status, output, _ = await daemon.command("activities", "show", str(activity_id), "--json")
    shown = json.loads(output)
    assert status == 0
    assert shown["load"]["method"] == "power"
    assert 20 < shown["load"]["utl"] < 200
    assert shown["load"]["inputs"]["normalized_watts"] > 50
    assert shown["load"]["thresholds"]["ftp_watts"]["method"] == "imported"
    assert "FTP" in shown["load"]["explanation"]
    assert shown["statistics"]["counted_seconds"] > 3000

    async def is_followed() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM fitness"))

    await eventually(is_followed)
    (first, *_) = await daemon.rows("SELECT on_day, load FROM fitness ORDER BY on_day")
    assert first["on_day"] == await daemon.value("SELECT local_start_at::date FROM activities")
    assert first["load"] == shown["load"]["utl"]
    counts = await daemon.sandbox.counts()
    assert counts["endpoints"] == {"activity": 1, "streams": 1}
    assert counts["rate_limited"] == 0


async def test_a_run_a_swim_and_what_nobody_measured_are_scored_each_in_its_way(make_house: MakeHouse) -> None:
    daemon = await make_house(science__grade_model='"minetti"')
    (athlete_id,) = await daemon.import_athletes(critical_speed=4.2, css=1.1)
    wanted = {"run": "pace", "swim": "swim", "manual": "estimated"}
    made = {
        await daemon.sandbox.make_activity(athlete_id=athlete_id, kind=kind, duration=3600, seed=7): method
        for kind, method in wanted.items()
    }

    async def are_scored() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM activity_loads") == len(made))

    await eventually(are_scored)

    loads = {row["activity_id"]: row for row in await daemon.rows("SELECT * FROM activity_loads")}
    assert {activity_id: row["method"] for activity_id, row in loads.items()} == made
    assert all(10 < row["raw"] < 150 for row in loads.values())
    run, swim, estimate = (loads[activity_id] for activity_id in made)
    assert json.loads(run["inputs"])["grade_model"] == "minetti"
    assert json.loads(swim["thresholds"])["css_m_per_s"]["method"] == "imported"
    assert "heart_rate" in json.loads(estimate["refused"])
    assert estimate["explanation"].startswith("Estimated: ")


async def test_looking_twice_changes_nothing(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5)
    await eventually(lambda: the_load_stands(daemon, activity_id))
    await eventually(lambda: everything_settled(daemon))
    before = await contents(daemon)

    event = {
        "object_type": "activity",
        "object_id": activity_id,
        "aspect_type": "update",
        "owner_id": athlete_id,
        "subscription_id": SUBSCRIPTION_ID,
        "event_time": 1_800_000_000,
        "updates": {"title": "as it was"},
    }
    await daemon.sandbox.send_event(event, repeat=3)
    await daemon.sandbox.events(settled=30)
    await eventually(lambda: everything_settled(daemon))

    assert await contents(daemon) == before
    assert len(daemon.log_lines("activity.unchanged")) == 1
    assert (await daemon.sandbox.counts())["endpoints"] == {"activity": 2, "streams": 1}


async def test_title_sport_and_visibility_changes_are_kept(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5)
    await eventually(lambda: the_load_stands(daemon, activity_id))

    await daemon.sandbox.edit_activity(activity_id, name="Round the lake", sport_type="GravelRide", private=True)

    async def is_kept() -> bool:
        row = (await daemon.rows("SELECT name, sport_type, private, visibility FROM activities"))[0]
        return tuple(row) == ("Round the lake", "GravelRide", True, "only_me")

    await eventually(is_kept)


async def test_a_deleted_activity_leaves_only_a_tombstone(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5)
    await eventually(lambda: the_load_stands(daemon, activity_id))

    await daemon.sandbox.delete_activity(activity_id)

    async def is_buried() -> bool:
        return bool(
            await daemon.value("SELECT reason FROM tombstones WHERE activity_id = $1", activity_id) is not None
        )

    await eventually(is_buried)
    for table in ("activities", "activity_statistics", "activity_loads", "activity_streams"):
        assert await daemon.value(f"SELECT count(*) FROM {table}") == 0


async def test_a_forged_delete_deletes_nothing(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5)
    await eventually(lambda: the_load_stands(daemon, activity_id))

    forged = {
        "object_type": "activity",
        "object_id": activity_id,
        "aspect_type": "delete",
        "owner_id": athlete_id,
        "subscription_id": SUBSCRIPTION_ID,
        "event_time": 1_800_000_000,
        "updates": {},
    }
    await daemon.sandbox.send_event(forged)
    await daemon.sandbox.events(settled=30)
    await eventually(lambda: everything_settled(daemon))

    assert await the_load_stands(daemon, activity_id)


async def test_late_streams_are_looked_for_again(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5, streams_ready_after=3600)

    async def is_waiting() -> bool:
        return bool(await daemon.value("SELECT streams_state FROM activities") == "wanted")

    await eventually(is_waiting)
    delay = await daemon.value(
        "SELECT run_at - queued_at FROM jobs WHERE kind = 'look_at_streams' AND state = 'queued'"
    )
    assert 280 < delay.total_seconds() <= 300

    await daemon.sandbox.settings(clock_offset=3700.0)
    async with daemon.look_inside() as connection:  # five minutes pass
        await connection.execute(
            "UPDATE jobs SET run_at = now() WHERE kind = 'look_at_streams' AND state = 'queued'"
        )

    async def came() -> bool:
        return bool(
            await daemon.value("SELECT method FROM activity_loads WHERE activity_id = $1", activity_id) == "power"
        )

    await eventually(came)
    assert await daemon.value("SELECT streams_state FROM activities") == "kept"
    assert (await daemon.sandbox.counts())["endpoints"] == {"activity": 1, "streams": 2}


async def test_an_activity_that_strava_does_not_show_yet_is_looked_at_again(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=5, visible_after=3600)

    async def is_put_off() -> bool:
        return bool(daemon.log_lines("activity.not_found_yet"))

    await eventually(is_put_off)
    assert await daemon.value("SELECT count(*) FROM tombstones") == 0
    await daemon.sandbox.settings(clock_offset=3700.0)
    async with daemon.look_inside() as connection:  # twenty seconds pass
        await connection.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")

    await eventually(lambda: the_load_stands(daemon, activity_id))


async def test_somebody_elses_activity_is_not_kept(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    first, second = await daemon.import_athletes()
    activity_id = await daemon.sandbox.make_activity(athlete_id=second, seed=5, event=False)

    await daemon.sandbox.send_event(
        {
            "object_type": "activity",
            "object_id": activity_id,
            "aspect_type": "create",
            "owner_id": first,
            "subscription_id": SUBSCRIPTION_ID,
            "event_time": 1_700_000_000,
            "updates": {},
        }
    )
    await daemon.sandbox.events(settled=30)
    await eventually(lambda: everything_settled(daemon))

    assert await daemon.value("SELECT count(*) FROM activities") == 0

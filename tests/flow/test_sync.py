"""The fallback, whole: events that never came are found, and a killed backfill goes on where it was."""

from __future__ import annotations

import json
import signal
from collections import Counter

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually
from tests.support.embedded import UNREADY

LOST = {"event": False}


async def everything_settled(daemon: Daemon) -> bool:
    return bool(await daemon.value("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')") == 0)


async def test_what_lost_events_hid_is_found_by_a_sync_that_tells_what_it_did(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    kept, doomed = [
        await daemon.sandbox.make_activity(athlete_id=athlete_id, kind="ride", duration=600, seed=seed)
        for seed in (1, 2)
    ]
    await eventually(lambda: daemon.value("SELECT count(*) = 2 FROM activity_loads"))
    await eventually(lambda: everything_settled(daemon))
    async with daemon.look_inside() as connection:  # an hour passes
        await connection.execute("UPDATE activities SET first_seen_at = now() - interval '1 hour'")
    new = await daemon.sandbox.make_activity(athlete_id=athlete_id, kind="ride", duration=600, seed=3, **LOST)
    await daemon.sandbox.edit_activity(kept, name="Renamed", **LOST)
    await daemon.sandbox.delete_activity(doomed, **LOST)
    before = (await daemon.sandbox.counts())["received"]

    status, plan, _ = await daemon.command("sync", str(athlete_id), "--dry-run", "--json")
    assert status == 0
    assert json.loads(plan)["occasions"]["manual"]["sync"] is True
    assert (await daemon.sandbox.counts())["received"] == before

    status, output, complaints = await daemon.command("sync", str(athlete_id), "--json")
    assert status == 0, complaints
    report = json.loads(output)
    assert report["calls"] == (await daemon.sandbox.counts())["received"] - before == 3
    shown = {row["activity_id"]: row for row in report["activities"]}
    assert (shown[new]["is"], shown[new]["method"]) == ("new", "power")
    assert (shown[kept]["is"], shown[kept]["name"]) == ("edited", "Renamed")
    assert report["deleted"] == [doomed]
    assert await daemon.value("SELECT event_at IS NOT NULL FROM sync_states")

    status, output, _ = await daemon.command("sync", str(athlete_id))
    assert status == 0
    assert "nothing new, nothing edited" in output
    assert "1 calls" in output


async def test_a_sync_of_nobody_and_one_without_a_daemon_say_what_to_do(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False)
    (athlete_id,) = await daemon.import_athletes()

    status, output, complaints = await daemon.command("sync", "404")
    assert (status, output) == (1, "")
    assert "athletes list" in complaints
    status, output, _ = await daemon.command("sync", str(athlete_id), "--dry-run")
    assert status == 0
    assert "never synced" in output


async def test_a_backfill_killed_in_the_middle_goes_on_and_fetches_nothing_twice(make_house: MakeHouse) -> None:
    daemon = await make_house(
        "--history-days", "30", athletes=2, backfill__days="365", jobs__lease_seconds="3", started=False
    )
    athletes = await daemon.import_athletes()
    await daemon.sandbox.fault("delay", endpoint="streams", seconds=1.0)  # the middle lasts
    await daemon.start()

    async def is_in_the_middle() -> bool:
        return bool(await daemon.value("SELECT count(*) >= 8 FROM activity_streams"))

    await eventually(is_in_the_middle)
    assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    await daemon.sandbox.clear_faults()
    killed_at = (await daemon.sandbox.counts())["received"]
    await daemon.start()

    async def is_finished() -> bool:
        try:
            return bool(await daemon.value("SELECT bool_and(state = 'finished') FROM backfills"))
        except UNREADY:
            return False

    await eventually(is_finished, 120)
    requests = await daemon.sandbox.requests(20_000)
    assert len(requests) > killed_at  # there was something left
    streams = Counter(row["path"] for row in requests if row["endpoint"] == "streams")
    # What was under way at the kill, one step of each athlete at most, is asked for once more; nothing else is.
    assert sum(count - 1 for count in streams.values()) <= len(athletes)
    pages = Counter(row["athlete_id"] for row in requests if row["endpoint"] == "activities")
    assert all(pages[athlete_id] <= 2 + 1 for athlete_id in athletes)
    assert "activity" not in (await daemon.sandbox.counts())["endpoints"]
    assert await daemon.value("SELECT count(*) FROM activities WHERE NOT manual") == len(streams)
    assert await daemon.value("SELECT count(*) FROM activities LEFT JOIN activity_loads l USING (activity_id)"
                              " WHERE l.activity_id IS NULL") == 0  # fmt: skip

    status, output, complaints = await daemon.command("backfill", "--json")
    assert status == 0, complaints
    told = json.loads(output)
    assert told["calls_left"] == told["left"] == told["failed"] == 0
    assert told["done"] == told["found"] == await daemon.value("SELECT count(*) FROM activities")
    status, output, _ = await daemon.command("backfill", "--watch")
    assert status == 0
    assert "everything is done" in output
    assert (await daemon.command("backfill", "404"))[0] == 1

"""kill -9 at the worst moments: what was acknowledged is kept, and applied once."""

from __future__ import annotations

import asyncio
import signal

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually
from tests.support.embedded import UNREADY, kill_server

EVENTS = 25


async def all_loads_stand(daemon: Daemon, count: int) -> bool:
    try:
        return bool(await daemon.value("SELECT count(*) FROM activity_loads") == count)
    except UNREADY:
        return False


async def test_events_acknowledged_before_a_kill_are_kept_and_applied_once(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=5, jobs__lease_seconds="3")
    athletes = await daemon.import_athletes()
    await daemon.sandbox.fault("delay", endpoint="activity", seconds=30.0)  # acknowledged, never fetched
    for number in range(EVENTS):
        await daemon.sandbox.make_activity(
            athlete_id=athletes[number % len(athletes)], seed=number, duration=600, event_repeat=2
        )
    acknowledged = [
        event for event in await daemon.sandbox.events(settled=60) if event["outcome"] == "acknowledged"
    ]
    assert len(acknowledged) == 2 * EVENTS
    assert await daemon.value("SELECT count(*) FROM activity_loads") == 0

    assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    await daemon.sandbox.clear_faults()
    await daemon.start()

    await eventually(lambda: all_loads_stand(daemon, EVENTS), 120)
    assert await daemon.value("SELECT count(*) FROM events") == EVENTS
    applied = await daemon.rows(
        "SELECT body->>'activity_id', count(*) FROM outbox WHERE topic = 'activity.processed' GROUP BY 1"
    )
    assert len(applied) == EVENTS
    assert all(row[1] == 1 for row in applied)
    assert (await daemon.sandbox.counts())["rate_limited"] == 0


async def test_a_killed_postgresql_comes_back_and_nothing_is_lost(make_house: MakeHouse) -> None:
    daemon = await make_house("--retry-seconds", "10", athletes=2, jobs__lease_seconds="3")  # a Strava more patient
    athletes = await daemon.import_athletes()
    first = await daemon.sandbox.make_activity(athlete_id=athletes[0], seed=1, duration=600)
    await eventually(lambda: all_loads_stand(daemon, 1))

    assert kill_server(daemon.directory)
    second = await daemon.sandbox.make_activity(athlete_id=athletes[1], seed=2, duration=600)

    await eventually(lambda: all_loads_stand(daemon, 2), 120)
    stored = {row[0] for row in await daemon.rows("SELECT activity_id FROM activity_loads")}
    assert stored == {first, second}
    assert daemon.process is not None
    assert daemon.process.returncode is None

    async def is_healthy() -> bool:
        return (await daemon.get("/readyz"))[0] == 200

    await eventually(is_healthy)


async def test_a_daemon_that_is_told_to_stop_drains_and_leaves_within_five_seconds(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=3)
    athletes = await daemon.import_athletes()
    await daemon.sandbox.fault("delay", endpoint="activity", seconds=60.0)
    for number, athlete_id in enumerate(athletes):
        await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=number, duration=600)

    async def all_are_at_work() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM jobs WHERE state = 'running'") == len(athletes))

    await eventually(all_are_at_work)

    started_at = asyncio.get_running_loop().time()
    assert await daemon.stop() == 0
    assert asyncio.get_running_loop().time() - started_at < 20  # 5 s, and room for a busy machine

    assert len(daemon.log_lines("job.released")) == len(athletes)
    assert daemon.log_lines()[-1]["event"] == "daemon.stopped"
    await daemon.sandbox.clear_faults()
    await daemon.start()
    await eventually(lambda: all_loads_stand(daemon, len(athletes)), 120)
    assert set(await daemon.value("SELECT array_agg(attempts) FROM jobs WHERE kind = 'look_at_activity'")) == {1}

"""What no event has told is found by the scheduled jobs, and counted as missed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tests.flow.conftest import MakeHouse
from tests.support.daemon import eventually


async def test_an_activity_whose_event_was_lost_is_found_by_a_run_and_counted_as_missed(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house(backfill__days="0")  # a look at the history would find it as well
    (athlete_id,) = await daemon.import_athletes()
    await daemon.value(
        "UPDATE athletes SET created_at = now() - interval '2 days', state_since = now() - interval '2 days'"
    )
    three_hours_ago = int(datetime.now(UTC).timestamp()) - 3 * 3600
    activity_id = await daemon.sandbox.make_activity(
        athlete_id=athlete_id, sport_type="Ride", duration=3600, start_at=three_hours_ago, seed=3, event=False
    )

    status, _, complaints = await daemon.command("scheduler", "run", "daily_sync")
    assert status == 0, complaints

    async def is_scored() -> bool:
        return bool(await daemon.value("SELECT 1 FROM activity_loads WHERE activity_id = $1", activity_id))

    async def has_ended() -> bool:
        return bool(await daemon.value("SELECT bool_and(finished_at IS NOT NULL) FROM scheduler_runs"))

    await eventually(is_scored)
    await eventually(has_ended)
    _, output, _ = await daemon.command("scheduler", "runs", "--json")
    rows = json.loads(output)
    (run,) = [row for row in rows if row["job"] == "daily_sync"]
    assert (run["state"], run["considered"], run["failed"]) == ("finished", 1, 0)
    # A tick may come due at this very moment and find it first: the sum over all runs counts everything once.
    assert sum(row["new_activities"] for row in rows) == 1
    assert sum(row["missed_webhooks"] for row in rows) == 1
    assert run["synced"] + sum(run["skipped"].values()) == 1

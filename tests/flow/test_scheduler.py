"""The scheduled jobs as an operator meets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually


async def listed(daemon: Daemon, *arguments: str) -> list[dict[str, Any]]:
    status, output, complaints = await daemon.command("scheduler", *arguments, "--json")
    assert status == 0, complaints
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


def where_nothing_is_due_soon() -> str:
    """Return a zone in which no timer with a time of day, all from two to five, begins by itself now."""
    return "Europe/Zurich" if 6 <= datetime.now(UTC).hour < 22 else "Asia/Tokyo"


async def test_a_run_asked_for_while_no_daemon_runs_begins_with_the_next_one(make_house: MakeHouse) -> None:
    zone = where_nothing_is_due_soon()
    daemon = await make_house(started=False, schedule__timezone=f'"{zone}"')
    status, _, complaints = await daemon.command("scheduler", "run", "yearly_review")
    assert status == 2
    assert "the jobs are ingestion_tick, background_sync" in complaints

    status, output, _ = await daemon.command("scheduler", "run", "resting_hr")
    assert status == 0
    assert "run 1 of resting_hr is asked for" in output
    status, _, complaints = await daemon.command("scheduler", "run", "resting_hr")
    assert status == 1
    assert "resting_hr is already running: run 1 is about to begin" in complaints

    await daemon.start()

    async def has_ended() -> bool:
        return bool(await daemon.value("SELECT finished_at IS NOT NULL FROM scheduler_runs"))

    await eventually(has_ended)
    jobs = {row["job"]: row for row in await listed(daemon, "jobs")}
    assert len(jobs) == 7
    assert all(row["due_at"] for row in jobs.values())
    assert jobs["resting_hr"]["last_run"]["trigger"] == "manual"
    assert jobs["daily_sync"]["timezone"] == zone
    (run,) = await listed(daemon, "runs", "--job", "resting_hr")
    assert run["result"].startswith("asked for a look at the thresholds")
    for command in ("jobs", "runs"):
        status, output, complaints = await daemon.command("scheduler", command)
        assert status == 0, complaints
        assert "finished: asked for a look" in " ".join(output.split())

    async def is_healthy() -> bool:  # from the next beat on
        _, health = await daemon.get("/health")
        checks = health["checks"] if health is not None else []
        found = [(check["status"], check["value"]) for check in checks if check["name"] == "timers"]
        return found == [("ok", "7 timers, none late")]

    await eventually(is_healthy)

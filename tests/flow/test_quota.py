"""The quota over real sockets, with the sandbox as the independent counter."""

from __future__ import annotations

from typing import Any

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually


def over_limit(counts: dict[str, Any]) -> int:
    """Return how many requests were over any limit in any window of any meter."""
    return sum(
        window["over_limit"]
        for meter in counts["meters"].values()
        for window in (meter["quarter"], meter["day"], *meter["past_quarters"], *meter["past_days"])
    )


async def the_loads_stand(daemon: Daemon, count: int) -> bool:
    return bool(await daemon.value("SELECT count(*) FROM activity_loads WHERE method = 'power'") == count)


async def test_more_work_than_quota_waits_for_the_next_window_and_never_goes_over(make_house: MakeHouse) -> None:
    window = ("--quarter-seconds", "20", "--overall-limits", "24,10000", "--read-limits", "24,10000")
    daemon = await make_house(*window, athletes=4, quota__quarter_seconds="20")
    athletes = await daemon.import_athletes()
    for number in range(20):  # 40 calls
        await daemon.sandbox.make_activity(athlete_id=athletes[number % 4], seed=number, duration=600, kind="ride")

    await eventually(lambda: the_loads_stand(daemon, 20), 120)
    counts = await daemon.sandbox.counts()
    assert over_limit(counts) == 0
    assert counts["rate_limited"] == 0
    assert counts["endpoints"] == {"activity": 20, "streams": 20}  # a refusal never repeated a paid call


async def test_a_429_by_somebody_else_stops_everything_until_the_window_turns(make_house: MakeHouse) -> None:
    window = ("--quarter-seconds", "20", "--overall-limits", "100,10000", "--read-limits", "100,10000")
    daemon = await make_house(*window, athletes=2, quota__quarter_seconds="20")
    athletes = await daemon.import_athletes()
    await daemon.sandbox.make_activity(athlete_id=athletes[0], seed=1, duration=600, kind="ride")
    await eventually(lambda: the_loads_stand(daemon, 1))
    await daemon.sandbox.fault("foreign_use", requests=200)

    for number in range(6):
        await daemon.sandbox.make_activity(athlete_id=athletes[number % 2], seed=number, duration=600, kind="ride")

    await eventually(lambda: the_loads_stand(daemon, 7), 120)
    counts = await daemon.sandbox.counts()
    # What was already on its way when the first refusal came back may be refused too; nothing was sent after.
    assert 1 <= counts["rate_limited"] <= 4
    assert daemon.log_lines("quota.refused_by_strava")


async def test_an_inactive_app_stops_all_calls_and_health_says_so(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    athletes = await daemon.import_athletes()
    await daemon.sandbox.fault("app_inactive")
    for number in range(6):
        await daemon.sandbox.make_activity(athlete_id=athletes[number % 2], seed=number, duration=600)

    async def health_rings() -> bool:
        status, body = await daemon.get("/health")
        failing = {check["name"]: check for check in body["checks"] if check["status"] == "failing"}
        return status == 503 and "inactive" in failing.get("strava_app", {"value": ""})["value"]

    await eventually(health_rings)
    assert (await daemon.sandbox.counts())["received"] <= 4  # what was on its way when the first refusal came
    status, output, _ = await daemon.command("status")
    assert status == 1
    assert "Strava calls the app inactive" in output

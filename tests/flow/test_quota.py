"""The quota over real sockets, with the sandbox as the independent counter."""

from __future__ import annotations

import time
from typing import Any

from daemon.core.quota.ledger import UNKNOWN_OFFSET_SECONDS
from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually

A_DAY = ("--quarter-seconds", "86400")  # no quarter turns between a charge and the look at it


def over_limit(counts: dict[str, Any]) -> int:
    """Return how many requests were over any limit in any window of any meter."""
    return sum(
        window["over_limit"]
        for meter in counts["meters"].values()
        for window in (meter["quarter"], meter["day"], *meter["past_quarters"], *meter["past_days"])
    )


async def the_loads_stand(daemon: Daemon, count: int) -> bool:
    return bool(await daemon.value("SELECT count(*) FROM activity_loads WHERE method = 'power'") == count)


async def a_window_lasts(daemon: Daemon, seconds: float, after_seconds: float = 0.0) -> None:
    """Wait for the next quarter where this one ends within `seconds`, or began within `after_seconds`."""

    async def lasts() -> bool:
        quarter, now = (await daemon.sandbox.counts())["meters"]["overall"]["quarter"], time.time()
        return bool(quarter["starts_at"] + after_seconds <= now <= quarter["ends_at"] - seconds)

    await eventually(lasts, seconds + after_seconds + 60)


async def midnight_is_far(daemon: Daemon) -> None:
    """Wait, as few runs must, until what is charged before the first answer belongs to this day alone."""
    await a_window_lasts(daemon, 60, after_seconds=UNKNOWN_OFFSET_SECONDS + 5)


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
    counts, made = await daemon.sandbox.counts(), 1

    async def one_was_refused() -> bool:  # unless the window turned before the first request
        nonlocal counts, made
        await a_window_lasts(daemon, 10)
        await daemon.sandbox.fault("foreign_use", requests=200)
        for number in range(6):
            await daemon.sandbox.make_activity(
                athlete_id=athletes[number % 2], seed=number, duration=600, kind="ride"
            )
        made += 6
        await eventually(lambda: the_loads_stand(daemon, made), 120)
        counts = await daemon.sandbox.counts()
        return bool(counts["rate_limited"])

    await eventually(one_was_refused, 300)
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
        checks = body["checks"] if body is not None else []
        failing = {check["name"]: check for check in checks if check["status"] == "failing"}
        return status == 503 and "inactive" in failing.get("strava_app", {"value": ""})["value"]

    await eventually(health_rings)
    assert (await daemon.sandbox.counts())["received"] <= 4  # what was on its way when the first refusal came

    async def status_says_so() -> bool:  # it measures for itself: again, where the database answered too late
        status, output, _ = await daemon.command("status")
        assert status == 1
        return "Strava calls the app inactive" in output

    await eventually(status_says_so)


async def test_the_quota_is_shown_per_meter_window_and_lane_with_what_waits(make_house: MakeHouse) -> None:
    window = (*A_DAY, "--overall-limits", "300,2000", "--read-limits", "200,1000")
    daemon = await make_house(*window, athletes=2, quota__quarter_seconds="86400")
    await midnight_is_far(daemon)
    athletes = await daemon.import_athletes()
    await daemon.sandbox.make_activity(athlete_id=athletes[0], seed=1, duration=600, kind="ride")
    await eventually(lambda: the_loads_stand(daemon, 1))
    await daemon.sandbox.fault("foreign_use", requests=30)
    await daemon.sandbox.make_activity(athlete_id=athletes[1], seed=2, duration=600, kind="ride")
    await eventually(lambda: the_loads_stand(daemon, 2))

    assert (await daemon.get("/quota"))[0] == 401
    status, shown = await daemon.get("/quota", await daemon.new_token())
    assert status == 200
    quarter = {row["meter"]: row for row in shown["meters"] if row["window"] == "quarter"}
    assert (quarter["overall"]["limit"], quarter["read"]["limit"]) == (300, 200)  # as Strava shows them
    assert quarter["read"]["used_by_us"] == 4
    assert quarter["read"]["used_by_others"] == 30
    assert quarter["read"]["left"] == 200 - 34
    assert quarter["read"]["reserved"] >= 0
    lanes = {row["lane"]: row for row in shown["lanes"]}
    assert lanes["live"]["used_today"] == 4
    assert all(row["open"] for row in lanes.values())

    status, output, _ = await daemon.command("quota")
    assert status == 0
    for expected in ("quarter", "read", "200", "backfill", "the day's budget"):
        assert expected in output


async def test_a_spent_quota_shows_what_waits_and_when_it_will_be_done(make_house: MakeHouse) -> None:
    window = (*A_DAY, "--overall-limits", "100,10000", "--read-limits", "100,10000")
    daemon = await make_house(*window, athletes=4, quota__quarter_seconds="86400")
    await midnight_is_far(daemon)
    athletes = await daemon.import_athletes()
    await daemon.sandbox.make_activity(athlete_id=athletes[0], seed=1, duration=600, kind="ride")
    await eventually(lambda: the_loads_stand(daemon, 1))
    await daemon.sandbox.fault("foreign_use", requests=200)
    for number in range(8):
        await daemon.sandbox.make_activity(athlete_id=athletes[number % 4], seed=number, duration=600, kind="ride")

    token = await daemon.new_token()

    async def shut_with_work_waiting() -> bool:
        live = {row["lane"]: row for row in (await daemon.get("/quota", token))[1]["lanes"]}["live"]
        return not live["open"] and live["jobs_waiting"] > 0

    await eventually(shut_with_work_waiting)
    _, shown = await daemon.get("/quota", token)
    live = next(row for row in shown["lanes"] if row["lane"] == "live")
    assert "spent" in live["reason"]
    assert live["calls_waiting"] == 2 * live["jobs_waiting"]
    assert live["done_at"] > live["shut_until"] > shown["measured_at"]

"""Years of loads under other thresholds, with the daemon running: no call to Strava, no stream, no load twice."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from typing import Any

import pytest

from daemon.science.fitness import Basis, DayLoad, follow
from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually

YEARS_AGO = 3000

# The same ride on every day before it: rows that a backfill would have left.
COPY = """
WITH day AS (SELECT a.activity_id AS original, n FROM activities a, generate_series(1, {days}) AS n),
copied AS (
    INSERT INTO activities SELECT (jsonb_populate_record(a, jsonb_build_object(
        'activity_id', 10000000 + day.n, 'start_at', a.start_at - make_interval(days => day.n),
        'local_start_at', a.local_start_at - make_interval(days => day.n)))).*
    FROM activities a JOIN day ON day.original = a.activity_id
), kept AS (
    INSERT INTO activity_statistics SELECT (jsonb_populate_record(s, jsonb_build_object(
        'activity_id', 10000000 + day.n))).*
    FROM activity_statistics s JOIN day ON day.original = s.activity_id
)
INSERT INTO activity_loads
    (activity_id, method, raw, inputs, thresholds, refused, explanation, version, computed_at)
SELECT 10000000 + day.n, method, raw, inputs, thresholds, refused, explanation, version, computed_at
FROM activity_loads l JOIN day ON day.original = l.activity_id
"""


async def house_with_a_ride(make_house: MakeHouse, days: int, **overrides: Any) -> tuple[Daemon, int, int]:
    """A daemon with one processed ride, and copies of it on the days before."""
    daemon = await make_house(**overrides)
    (athlete_id,) = await daemon.import_athletes(ftp=200)
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, sport_type="Ride", seed=3)

    async def is_followed() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM fitness"))

    await eventually(is_followed)
    async with daemon.look_inside() as connection:
        await connection.execute(COPY.format(days=days))
        await connection.execute("DELETE FROM activity_streams")  # none is left to compute from
    return daemon, athlete_id, activity_id


async def all_done(daemon: Daemon) -> bool:
    waiting = await daemon.value(
        "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND run_at <= now() + interval '1 minute'"
    )
    return bool(waiting == 0)


async def asked(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = (await daemon.sandbox.counts())["endpoints"]
    return counted


async def test_the_operator_previews_sets_looks_and_withdraws_without_a_call(make_house: MakeHouse) -> None:
    daemon, athlete_id, activity_id = await house_with_a_ride(make_house, days=40)
    calls, day = await asked(daemon), await daemon.value("SELECT max(local_start_at)::date FROM activities")
    from_on = str(day - timedelta(days=9))
    athlete = str(athlete_id)

    async def command(*words: str) -> Any:
        status, output, complaints = await daemon.command(*words)
        assert status == 0, complaints
        return json.loads(output) if "--json" in words else output

    loads = "SELECT activity_id, raw, computed_at FROM activity_loads ORDER BY activity_id"
    before = {row["activity_id"]: row for row in await daemon.rows(loads)}

    # What it would do, and that it has not been done.
    setting = ("athletes", "thresholds", "set", athlete, "ftp", "250", "--from", from_on)
    foretold = await command(*setting, "--preview", "--json")
    assert (foretold["changed"], foretold["activities"]) == (10, 10)
    assert all(
        change["utl_after"] == pytest.approx(change["utl_before"] * 0.64, rel=1e-9)
        for change in foretold["changes"]
    )
    assert "nothing was stored" in await command(*setting, "--preview")
    assert {row["activity_id"]: row for row in await daemon.rows(loads)} == before
    assert await daemon.value("SELECT count(*) FROM thresholds WHERE method = 'manual'") == 0

    # Done.
    assert "from" in await command(*setting)
    await eventually(lambda: all_done(daemon))
    after = {row["activity_id"]: row for row in await daemon.rows(loads)}
    changed = {key for key, row in after.items() if row["computed_at"] != before[key]["computed_at"]}
    assert changed == {activity_id, *(10_000_000 + back for back in range(1, 10))}
    shown = await command("athletes", "thresholds", athlete, "--json")
    assert (shown["in_force"]["ftp"]["value"], shown["in_force"]["ftp"]["effective_on"]) == (250, from_on)
    table = await command("athletes", "thresholds", athlete)
    assert "in force on" in table
    assert "imported" in table
    days = await command("athletes", "fitness", athlete, "--days", "14", "--json")
    shown_by_day = {each["on"]: each for each in days}
    told = foretold["fitness_after"]  # of the local day on which it was told
    assert shown_by_day[told["on"]]["ctl"] == pytest.approx(told["ctl"], rel=1e-9)
    assert "fitness (CTL)" in await command("athletes", "fitness", athlete, "--days", "14")

    # Each load explains itself, wellness as well.
    explained = await command("activities", "show", str(activity_id), "--json")
    assert explained["load"]["thresholds"]["ftp_watts"]["method"] == "manual"
    assert [part["signal"] for part in explained["load"]["modifier_parts"]] == ["hrv", "resting_hr", "sleep"]
    words = await command("activities", "show", str(activity_id))
    assert "× 1.000 for wellness. Wellness changes nothing: there are too few readings." in words
    assert "adds nothing: 0 readings this week, 0 in the two months before" in words

    # Taken back, and all is as it was.
    withdrawing = ("athletes", "thresholds", "withdraw", athlete, "ftp")
    assert (await command(*withdrawing, "--preview", "--json"))["changed"] == 10
    await command(*withdrawing)
    await eventually(lambda: all_done(daemon))
    assert {row["activity_id"]: row["raw"] for row in await daemon.rows(loads)} == {
        key: row["raw"] for key, row in before.items()
    }
    everybody = await command("recompute", "--all", "--from", from_on, "--json")
    assert everybody == {"athletes": 1, "waiting": 0, "daemon": True}
    assert "no load would change" in await command("recompute", "--all", "--from", from_on, "--preview")
    assert await asked(daemon) == calls
    assert await daemon.value("SELECT count(*) FROM activity_streams") == 0


async def test_mistakes_are_told_and_change_nothing(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False)
    (athlete_id,) = await daemon.import_athletes(ftp=200)
    athlete = str(athlete_id)
    for words, status, told in (
        (("athletes", "thresholds", "404"), 1, "athlete 404 is not connected here"),
        (("athletes", "thresholds", "set", athlete, "ftp", "strong"), 2, "neither a number nor a pace"),
        (("athletes", "thresholds", "set", athlete, "critical_speed", "0"), 1, "critical_speed must be 1 to 8 m/s"),
        (("athletes", "thresholds", "set", athlete, "vo2max", "60"), 2, "vo2max"),
        (("athletes", "thresholds", str(10**30)), 2, "9223372036854775807"),
        (("athletes", "thresholds", "withdraw", athlete, "ftp"), 1, "has no manual ftp"),
        (("athletes", "fitness", "404"), 1, "athlete 404 is not connected here"),
        (("recompute", athlete), 2, "--from 2026-01-01"),
        (("recompute", athlete, "--all", "--from", "2026-01-01"), 2, "by his ID, or all of them by --all"),
        (("recompute", "404", "--from", "2026-01-01", "--preview"), 1, "no such athlete"),
    ):
        found, _, complaints = await daemon.command(*words)
        assert found == status, (words, complaints)
        assert told in complaints, words
        assert "Traceback" not in complaints
    status, output, _ = await daemon.command("athletes", "thresholds", "set", athlete, "critical_speed", "4:00/km")
    assert status == 0
    assert "4.17 m/s (4:00 /km)" in output
    status, output, _ = await daemon.command("recompute", athlete, "--from", "2026-01-01")
    assert status == 0
    assert "no daemon answers: it will do it when it runs" in output


async def test_killed_in_the_middle_of_years_it_ends_where_it_would_have(make_house: MakeHouse) -> None:
    daemon, athlete_id, _ = await house_with_a_ride(make_house, days=YEARS_AGO, jobs__lease_seconds="3")
    calls = await asked(daemon)
    mark = "SELECT loads_dirty_from FROM athletes"
    done = "SELECT count(*) FROM activity_loads WHERE thresholds -> 'ftp_watts' ->> 'method' = 'manual'"
    whole = YEARS_AGO + 1
    async with daemon.look_inside() as holding:
        # A load in the middle is held, so that the slice which it belongs to stands still before its commit.
        await holding.execute("BEGIN")
        await holding.execute(
            "SELECT 1 FROM activity_loads WHERE activity_id = $1 FOR UPDATE", 10_000_000 + whole // 2
        )
        status, _, complaints = await daemon.command(
            "athletes", "thresholds", "set", str(athlete_id), "ftp", "250", "--from", "1990-01-01"
        )
        assert status == 0, complaints

        async def stands_still() -> bool:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO activity_loads%'"
            )
            return bool(await daemon.value(waiting))

        await eventually(stands_still)
        reached = await daemon.value(done)
        assert daemon.process is not None
        daemon.process.kill()
        await daemon.process.wait()
    assert 0 < reached < whole
    await daemon.start()

    async def is_done() -> bool:
        return bool(await daemon.value(done) == whole and await all_done(daemon))

    await eventually(is_done, 120)
    assert await daemon.value(mark) is None
    rows = await daemon.rows(
        "SELECT local_start_at::date AS on, raw, utl FROM activity_loads JOIN activities USING (activity_id)"
    )
    assert len({row["raw"] for row in rows}) == 1
    days = [DayLoad(row["on"], row["raw"], row["utl"]) for row in rows]
    stored = await daemon.rows("SELECT on_day, ctl, atl FROM fitness ORDER BY on_day")
    first_on, last_on = stored[0]["on_day"], stored[-1]["on_day"]
    expected = follow(days, Basis.UTL, first_on, last_on, None)
    assert [(row["on_day"], row["ctl"], row["atl"]) for row in stored] == [
        (day.on, day.ctl, day.atl) for day in expected
    ]
    assert await daemon.value(
        "SELECT sum((body ->> 'changed')::int) FROM outbox WHERE topic = 'loads.recomputed'"
    ) == (whole)
    assert await asked(daemon) == calls
    assert await daemon.stop(signal.SIGTERM) == 0

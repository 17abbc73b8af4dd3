"""Wellness, whole: the fake Intervals.icu → daemon → PostgreSQL, over real sockets; and a team without it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.app import READERS
from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually


async def connect(daemon: Daemon, athlete_id: int, key: str, option: str = "--api-key-file") -> None:
    file = daemon.directory / "intervals_key"
    file.write_text(key + "\n", encoding="utf-8")
    status, output, complaints = await daemon.command("athletes", "intervals", str(athlete_id), option, str(file))
    assert status == 0, complaints
    assert key not in output + complaints


async def has_synced(daemon: Daemon, athlete_id: int) -> bool:
    return await daemon.value(
        "SELECT synced_at FROM intervals_credentials WHERE athlete_id = $1", athlete_id
    ) is not None  # fmt: skip


async def modifier(daemon: Daemon, on_day: date) -> float | None:
    value: float | None = await daemon.value("SELECT value FROM wellness_modifiers WHERE on_day = $1", on_day)
    return value


async def post(daemon: Daemon, path: str, token: str, days: object) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with daemon.sandbox.session.post(f"{daemon.url}{path}", json=days, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_hint_of_intervals_moves_a_days_modifier_and_its_load_within_seconds(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    (athlete,) = await daemon.sandbox.athletes()
    on_day = (datetime.now(UTC) - timedelta(days=3)).date()
    noon_at = int(datetime(on_day.year, on_day.month, on_day.day, 12, tzinfo=UTC).timestamp())
    activity_id = await daemon.sandbox.make_activity(
        athlete_id=athlete_id, kind="ride", duration=1800, start_at=noon_at, seed=5
    )
    await connect(daemon, athlete_id, athlete["intervals_api_key"])
    await eventually(lambda: has_synced(daemon, athlete_id))

    async def the_load_stands() -> bool:
        return await daemon.value("SELECT raw FROM activity_loads WHERE activity_id = $1", activity_id) is not None

    await eventually(the_load_stands)
    day = await daemon.value("SELECT local_start_at::date FROM activities")
    raw = await daemon.value("SELECT raw FROM activity_loads")
    before = await modifier(daemon, day)
    assert before is not None
    known = await daemon.value("SELECT count(*) FROM wellness WHERE resting_hr IS NOT NULL")
    assert known > 300  # the first sync reads more than a year

    # A week of a racing pulse, told to Intervals.icu, which tells us of the last day only.
    week = [(day - timedelta(days=days_before)).isoformat() for days_before in range(7)]
    for one in week[1:]:
        await daemon.sandbox.change_wellness(athlete_id, one, event=False, restingHR=85)
    await daemon.sandbox.change_wellness(athlete_id, week[0], restingHR=85)

    async def the_modifier_moved() -> bool:
        return (await modifier(daemon, day) or 0.0) > before

    async def the_load_followed() -> bool:
        return bool(await daemon.value("SELECT modifier FROM activity_loads") == await modifier(daemon, day))

    await eventually(the_modifier_moved)
    await eventually(the_load_followed)
    (load,) = await daemon.rows("SELECT raw, modifier, utl FROM activity_loads")
    assert load["raw"] == raw
    assert abs(load["utl"] - raw * load["modifier"]) < 1e-9

    async def fitness_followed() -> bool:
        return bool(await daemon.value("SELECT load FROM fitness WHERE on_day = $1", day) == load["utl"])

    await eventually(fitness_followed)

    status, output, _ = await daemon.command("athletes", "wellness", str(athlete_id), "--days", "10", "--json")
    shown = {row["on"]: row for row in json.loads(output)}[day.isoformat()]
    assert status == 0
    assert shown["values"]["resting_hr"] == 85
    assert shown["sources"]["resting_hr"] == "intervals"
    pulse = next(part for part in shown["parts"] if part["signal"] == "resting_hr")
    assert pulse["adds"] == 0.03
    assert "Resting heart rate" in shown["explanation"]


async def test_while_intervals_accepts_and_is_silent_all_other_work_goes_on(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=8, jobs__workers="1", strava__timeout_seconds="300")
    athlete_ids = await daemon.import_athletes()
    await daemon.sandbox.fault("delay", endpoint="intervals_athlete", seconds=600.0)
    keys = {row["id"]: row["intervals_api_key"] for row in await daemon.sandbox.athletes()}
    for athlete_id in athlete_ids[1:]:
        await connect(daemon, athlete_id, keys[athlete_id])

    async def all_places_are_held() -> bool:
        running = await daemon.value("SELECT count(*) FROM jobs WHERE kind = 'sync_wellness' AND state = 'running'")
        return bool(running == READERS)

    await eventually(all_places_are_held)
    status, _, complaints = await daemon.command("sync", str(athlete_ids[0]))
    assert status == 0, complaints
    status, _, complaints = await daemon.command("scheduler", "run", "quick_sync")
    assert status == 0, complaints
    activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_ids[0], duration=600, seed=1)

    async def is_scored() -> bool:
        return await daemon.value("SELECT 1 FROM activity_loads WHERE activity_id = $1", activity_id) is not None

    await eventually(is_scored)
    assert await all_places_are_held()


async def test_a_dead_key_rests_the_wellness_of_its_athlete_and_nothing_else(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    first, second = await daemon.import_athletes()
    keys = {row["id"]: row["intervals_api_key"] for row in await daemon.sandbox.athletes()}
    # A personal key that is given as a token is refused there with 403.
    await connect(daemon, first, keys[first], "--bearer-file")
    await connect(daemon, second, keys[second])
    await eventually(lambda: has_synced(daemon, second))

    async def is_refused() -> bool:
        state = await daemon.value("SELECT state FROM intervals_credentials WHERE athlete_id = $1", first)
        return bool(state == "refused")

    await eventually(is_refused)
    _, output, _ = await daemon.command("athletes", "list", "--json")
    states = {row["athlete_id"]: (row["state"], row["intervals_state"]) for row in json.loads(output)}
    assert states == {first: ("active", "refused"), second: ("active", "active")}
    _, output, _ = await daemon.command("status")
    assert "1 in force, 1 refused" in output

    activity_id = await daemon.sandbox.make_activity(athlete_id=first, duration=600, seed=1)

    async def is_scored() -> bool:
        return await daemon.value(
            "SELECT utl FROM activity_loads WHERE activity_id = $1 AND modifier = 1", activity_id
        ) is not None  # fmt: skip

    await eventually(is_scored)
    await connect(daemon, first, keys[first])
    await eventually(lambda: has_synced(daemon, first))
    assert await daemon.value("SELECT count(*) FROM jobs WHERE state = 'dead'") == 0
    assert keys[first] not in daemon.log.read_text()


async def test_wellness_is_posted_to_our_own_api_and_imported_from_a_file(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    token = await daemon.new_token("operate")
    today = datetime.now(UTC).date()
    days = [
        {"on": (today - timedelta(days=back)).isoformat(), "resting_hr": 50 + back % 3, "sleep_seconds": 27_000}
        for back in range(60)
    ]
    assert await post(daemon, f"/athletes/{athlete_id}/wellness", token, days) == (200, {"days": 60, "changed": 60})
    assert await post(daemon, f"/athletes/{athlete_id}/wellness", token, days) == (200, {"days": 60, "changed": 0})
    status, problem = await post(daemon, f"/athletes/{athlete_id}/wellness", token, [{"on": "today"}, {"mood": 9}])
    assert status == 422
    assert {(fault["index"], fault["field"]) for fault in problem["errors"]} >= {(0, "on"), (1, "on"), (1, "mood")}

    file = daemon.directory / "days.csv"
    lines = ["on,resting_hr,hrv_rmssd"]
    lines += [f"{today - timedelta(days=back)},{90 if back < 7 else ''},50.5" for back in range(66)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, output, complaints = await daemon.command(
        "athletes", "wellness", str(athlete_id), "--import", str(file)
    )
    assert (status, output.strip()) == (0, "66 days read, 66 of them changed something"), complaints
    status, output, _ = await daemon.command("athletes", "wellness", str(athlete_id), "--days", "3")
    assert "1.030" in output
    status, answer = await daemon.get(f"/athletes/{athlete_id}/wellness?days=70", token)
    rows = answer["days"]
    newest, oldest = rows[0], rows[-1]
    assert (status, newest["values"]["resting_hr"], newest["values"]["sleep_seconds"]) == (200, 90, 27_000)
    assert oldest["values"] == {"hrv_rmssd": 50.5}

    file.write_text(f"on,resting_hr\n{today},50\nyesterday,fast\n", encoding="utf-8")
    status, _, complaints = await daemon.command("athletes", "wellness", str(athlete_id), "--import", str(file))
    assert status == 2
    assert "days.csv: line 3, on: must be the athlete's local day" in complaints
    assert "days.csv: line 3, resting_hr: must be a number from 20 to 150" in complaints
    assert await daemon.value("SELECT count(*) FROM jobs WHERE kind = 'sync_wellness'") == 0


async def test_days_come_in_by_standard_input_as_json_or_as_csv(make_house: MakeHouse, tmp_path: Path) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    today, days, told = datetime.now(UTC).date(), tmp_path / "days", tmp_path / "told"
    importing = ("athletes", "wellness", str(athlete_id), "--import", "-")
    for hr, text in (
        (50, f'\n [{{"on": "{today}",\n"resting_hr": 50}}]'),
        (51, f"\ufeffresting_hr, on\r\n51,{today}\r\n"),
        (52, f'"on","resting_hr"\n"{today}",52\n'),
    ):
        days.write_text(text, encoding="utf-8", newline="")
        assert await daemon.piped(*importing, source=days, target=told) == "0: "
        assert told.read_text(encoding="utf-8") == "1 days read, 1 of them changed something\n"
        assert await daemon.value("SELECT resting_hr FROM wellness") == hr
    for text, complaint in (
        (f"on,resting_hr\n{today},fast\n", "standard input: line 2, resting_hr: must be a number"),
        (f"day,resting_hr\n{today},50\n", "standard input:1: not JSON"),
        ("", "standard input:1: not JSON"),
    ):
        days.write_text(text, encoding="utf-8")
        assert (await daemon.piped(*importing, source=days)).startswith(f"2: {complaint}")

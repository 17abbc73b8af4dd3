"""The export: everything of one athlete, nothing of another, no secret, and no table forgotten."""

from __future__ import annotations

import csv
import io
import json
import zlib
from datetime import date
from typing import Any
from zipfile import ZipFile

from daemon.clock import SystemClock
from daemon.jobs import athlete_export
from daemon.store import activities, exports
from daemon.store.database import Connection, Database
from tests.store.test_erasure import OF_AN_ATHLETE, fill
from tests.support.efforts import TODAY
from tests.support.queue import add_athletes
from tests.support.training import hour_at, train

NOW = SystemClock().now()


async def made(database: Database, athlete_id: int) -> ZipFile:
    file = await athlete_export.make(database, athlete_id, NOW)
    assert file is not None
    return ZipFile(file)


def entries(archive: ZipFile, name: str) -> Any:
    return json.loads(archive.read(f"json/{name}.json"))


def table(archive: ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(f"csv/{name}.csv").decode())))


async def test_every_table_with_an_athletes_data_is_in_it_or_left_out_with_a_reason(database: Database) -> None:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (column_name = ANY($1) OR column_name LIKE '%athlete_id')",
            OF_AN_ATHLETE,
        )
    with_data = {row["table_name"] for row in rows}
    told = {name for names in exports.FAMILIES.values() for name in names}
    assert told | set(exports.LEFT_OUT) == with_data
    assert not told & set(exports.LEFT_OUT)
    assert all(exports.LEFT_OUT.values())


async def test_it_holds_all_of_him_and_nothing_of_another_and_no_secret(database: Database) -> None:
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
    await fill(database, 1)
    await fill(database, 2)

    archive = await made(database, 1)

    assert archive.testzip() is None
    names = set(archive.namelist())
    for family in exports.FAMILIES:
        if family == "streams":
            continue
        found = entries(archive, family)
        assert found, family  # none empty: `fill` has left something in every table
    one = entries(archive, "athlete")
    assert {key for key, value in one.items() if value} == {"athlete", "sync", "history", "intervals", "sessions"}
    (activity,) = entries(archive, "activities")
    assert {key for key, value in activity.items() if value} == {"activity", "statistics", "load", "suspicion"}
    (event,) = entries(archive, "events")
    assert json.loads(event["body"])["updates"] == {"title": "At the lake"}
    assert {
        "csv/activities.csv",
        "csv/thresholds.csv",
        "csv/fitness.csv",
        "csv/wellness.csv",
        "README.txt",
    } <= names
    assert {row["name"] for row in table(archive, "activities")} == {"At the lake"}
    everything = b"".join(archive.read(name) for name in names)
    async with database.connection() as connection:
        secrets = await connection.fetchrow(
            "SELECT c.refresh_token, i.secret, w.session_hash, e.dedup_key FROM credentials c"
            " JOIN intervals_credentials i USING (athlete_id) JOIN web_sessions w USING (athlete_id)"
            " JOIN events e ON e.owner_id = athlete_id WHERE athlete_id = 1"
        )
    assert secrets is not None
    for secret in secrets.values():
        assert secret.hex().encode() not in everything
    assert b'"athlete_id":2' not in everything.replace(b" ", b"")


async def test_a_recording_that_is_kept_is_in_it_as_strava_sent_it(database: Database) -> None:
    async with database.connection() as connection:
        await add_athletes(connection, [1])
        await train(connection, 1, 11, TODAY, hour_at(250))
        await train(connection, 1, 12, TODAY, hour_at(250))
        body = b'{"watts":{"data":[250,251]}}'
        await activities.put_streams(connection, 12, zlib.compress(body), NOW)
    archive = await made(database, 1)
    assert archive.read("streams/12.json") == body
    assert "streams/11.json" not in archive.namelist()


async def test_pages_of_activities_are_one_list_in_the_end(database: Database) -> None:
    count = exports.PAGE * 2 + 1
    async with database.transaction() as connection:
        await add_athletes(connection, [1])
        for number in range(1, count + 1):
            await train(connection, 1, number, TODAY, hour_at(200), scored=number % 2 == 0)
    archive = await made(database, 1)
    found = entries(archive, "activities")
    assert [entry["activity"]["activity_id"] for entry in found] == list(range(1, count + 1))
    assert len(table(archive, "activities")) == count
    assert [bool(entry["load"]) for entry in found[:2]] == [False, True]


async def test_an_athlete_of_whom_little_is_known_gets_a_whole_file(database: Database) -> None:
    async with database.connection() as connection:
        await add_athletes(connection, [1])
    archive = await made(database, 1)
    assert entries(archive, "activities") == []
    assert entries(archive, "fitness") == []
    assert entries(archive, "athlete")["history"] is None


async def test_a_day_of_which_only_a_modifier_is_left_is_in_the_table_of_days(database: Database) -> None:
    async with database.connection() as connection:
        await add_athletes(connection, [1])
        await put_modifier(connection, date(2026, 3, 1))
    (day,) = table(await made(database, 1), "wellness")
    assert (day["on_day"], day["modifier"], day["source"]) == ("2026-03-01", "0.98", "")


async def put_modifier(connection: Connection, on: date) -> None:
    await connection.execute(
        "INSERT INTO wellness_modifiers (athlete_id, on_day, value, parts, explanation, computed_at)"
        " VALUES (1, $1, 0.98, '[]', 'slept badly', now())",
        on,
    )


async def test_a_name_that_a_spreadsheet_would_carry_out_is_made_harmless(database: Database) -> None:
    name = '=HYPERLINK("http://example.org","Intervals")'
    async with database.connection() as connection:
        await add_athletes(connection, [1])
        await train(connection, 1, 11, TODAY, hour_at(250))
        await connection.execute("UPDATE activities SET name = $1", name)
    archive = await made(database, 1)
    assert [row["name"] for row in table(archive, "activities")] == [f"'{name}"]
    assert entries(archive, "activities")[0]["activity"]["name"] == name


async def test_of_a_stranger_there_is_none(database: Database) -> None:
    assert await athlete_export.make(database, 404, NOW) is None

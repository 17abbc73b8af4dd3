"""Rows of thresholds, and what people set and withdraw: nothing is written over, manual wins, loads follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from daemon.jobs import athlete_thresholds
from daemon.jobs.athlete_thresholds import Unacceptable, UnknownAthlete
from daemon.jobs.newcomers import Newcomer, admit
from daemon.science.evidence import Kind
from daemon.science.lineage import entries_on
from daemon.science.thresholds import Row
from daemon.store import thresholds
from daemon.store.database import Connection, Database
from daemon.vault.cipher import Cipher, new_key
from tests.support.queue import LONG_AGO, add_athletes

NOW = LONG_AGO + timedelta(days=170, hours=5)
TODAY = NOW.date()
MARCH, JUNE, JULY = date(2026, 3, 1), date(2026, 6, 1), date(2026, 7, 1)
VALUES = {"ftp": 250.0, "critical_speed": 4.1, "css": 1.1, "lthr": 168.0, "max_hr": 189.0, "resting_hr": 47.0}
FITTED = (
    "critical_power", "best_20_minutes", "critical_speed", "best_times", "half_hours_at_threshold",
    "hardest_half_hours", "observed", "age", "wellness",
)  # fmt: skip


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await add_athletes(connection, [1, 2])
        yield connection


def fitted(value: float, effective_on: date, *, kind: Kind = Kind.FTP, **changes: Any) -> Row:
    plain: dict[str, Any] = {
        "kind": kind, "value": value, "standard_error": 4.0, "method": "critical_power",
        "effective_on": effective_on, "suggested": False, "assumed": False, "moved": None, "recompute_from": None,
        "explanation": "The line says so.", "evidence": {"points": [1, 2, 3]},
    }  # fmt: skip
    return Row(**{**plain, **changes})


async def bring(
    connection: Connection, value: float, on: date, method: str = "imported", kind: str = "ftp"
) -> None:
    await thresholds.put(connection, 1, kind, value, method=method, effective_on=on, evidence={"source": "a test"})


async def set_ftp(connection: Connection, value: float, on: date | None) -> date:
    return await athlete_thresholds.set_value(connection, 1, Kind.FTP, value, on, by="a test", now=NOW)


async def ftp_on(connection: Connection, on: date) -> float | None:
    entry = entries_on(await thresholds.entries(connection, 1), on).get(Kind.FTP)
    return entry.value if entry is not None else None


async def asked(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT payload FROM jobs WHERE kind = 'recompute_load' ORDER BY job_id")
    return [row["payload"]["from_on"] for row in rows]


# Rows


async def test_what_a_fit_writes_comes_back_whole_and_is_never_written_over(connection: Connection) -> None:
    first = await thresholds.add(connection, 1, fitted(250, JUNE), JULY)
    second = await thresholds.add(connection, 1, fitted(260, JUNE, suggested=True, assumed=True), JULY)

    rows = await thresholds.history(connection, 1)

    assert [row["threshold_id"] for row in rows] == [first, second]
    created_at = rows[0].pop("created_at")
    assert created_at.tzinfo is not None
    assert rows[0] == {
        "threshold_id": first, "kind": "ftp", "value": 250, "standard_error": 4.0, "method": "critical_power",
        "effective_on": JUNE, "written_on": JULY, "suggested": False, "assumed": False,
        "explanation": "The line says so.", "evidence": {"points": [1, 2, 3]}, "withdrawn_at": None,
    }  # fmt: skip
    assert (rows[1]["suggested"], rows[1]["assumed"]) == (True, True)
    assert await ftp_on(connection, JUNE) == 260
    assert await thresholds.history(connection, 2) == []


@pytest.mark.parametrize("method", ["manual", "imported"])
async def test_every_kind_can_be_brought_along_or_set(connection: Connection, method: str) -> None:
    for kind, value in VALUES.items():
        await bring(connection, value, MARCH, method, kind)
    in_force = entries_on(await thresholds.entries(connection, 1), MARCH)
    assert {kind.value: entry.value for kind, entry in in_force.items()} == VALUES
    assert {entry.method for entry in in_force.values()} == {method}


@pytest.mark.parametrize("method", FITTED)
async def test_every_method_of_the_science_can_be_stored(connection: Connection, method: str) -> None:
    for kind in Kind:
        await thresholds.add(connection, 1, fitted(50, MARCH, kind=kind, method=method), MARCH)
    assert len(await thresholds.entries(connection, 1)) == len(Kind)


@pytest.mark.parametrize(("kind", "method"), [("vo2max", "manual"), ("ftp", "guessed")])
async def test_a_threshold_of_no_known_kind_or_origin_is_refused(
    connection: Connection, kind: str, method: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await bring(connection, 50, MARCH, method, kind)


async def test_a_manual_value_cannot_be_a_suggestion(connection: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await thresholds.add(connection, 1, fitted(250, MARCH, method="manual", suggested=True), MARCH)


async def test_the_same_import_again_keeps_its_row_and_another_value_replaces_it(connection: Connection) -> None:
    await bring(connection, 240, MARCH)
    before = await connection.fetchrow("SELECT xmin::text, ctid::text FROM thresholds")
    await bring(connection, 240, MARCH)
    assert await connection.fetchrow("SELECT xmin::text, ctid::text FROM thresholds") == before

    await bring(connection, 241, MARCH)
    assert await ftp_on(connection, MARCH) == 241
    assert len(await thresholds.history(connection, 1)) == 1


async def test_another_import_with_other_values_asks_for_all_loads_again_and_the_same_one_for_none(
    connection: Connection,
) -> None:
    cipher = Cipher([new_key()])
    for ftp, jobs in ((240, 0), (240, 0), (250, 1)):
        line = {"athlete_id": 3, "refresh_token": "r", "scope": "read", "ftp": ftp, "born_on": "1986-06-01"}
        async with connection.transaction():
            await admit(connection, cipher, Newcomer.model_validate(line), 0, LONG_AGO, "a test")
        assert await asked(connection) == ["1970-01-01"] * jobs
    assert await connection.fetchval("SELECT born_on FROM athletes WHERE athlete_id = 3") == date(1986, 6, 1)


# By hand


async def test_a_manual_value_wins_from_its_day_until_it_is_withdrawn_and_then_what_was_fitted_counts(
    connection: Connection,
) -> None:
    await bring(connection, 240, MARCH)
    await set_ftp(connection, 250, JUNE)
    await thresholds.add(connection, 1, fitted(270, JUNE, suggested=True), JUNE)
    assert [await ftp_on(connection, on) for on in (MARCH, JUNE, JULY)] == [240, 250, 250]

    assert await athlete_thresholds.withdraw(connection, 1, Kind.FTP, None, NOW) == JUNE

    assert [await ftp_on(connection, on) for on in (MARCH, JUNE, JULY)] == [240, 270, 270]
    (withdrawn,) = (row for row in await thresholds.history(connection, 1) if row["withdrawn_at"] is not None)
    assert (withdrawn["value"], withdrawn["withdrawn_at"]) == (250, NOW)
    assert await asked(connection) == [JUNE.isoformat()]  # one job for both: the same athlete and day
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE topic = 'thresholds.changed'") == 2


async def test_another_value_for_the_same_day_leaves_the_first_in_the_history(connection: Connection) -> None:
    for value in (250, 255, 255):
        await set_ftp(connection, value, JUNE)
    history = [(row["value"], row["withdrawn_at"]) for row in await thresholds.history(connection, 1)]
    assert history == [(250, NOW), (255, None)]
    assert await ftp_on(connection, JUNE) == 255


async def test_of_several_manual_values_one_day_s_alone_can_be_withdrawn(connection: Connection) -> None:
    await set_ftp(connection, 240, MARCH)
    await set_ftp(connection, 250, JUNE)

    assert await athlete_thresholds.withdraw(connection, 1, Kind.FTP, JUNE, NOW) == JUNE
    assert await ftp_on(connection, JULY) == 240
    await set_ftp(connection, 250, JUNE)
    assert await athlete_thresholds.withdraw(connection, 1, Kind.FTP, None, NOW) == MARCH
    assert await ftp_on(connection, JULY) is None
    assert await asked(connection) == [MARCH.isoformat(), JUNE.isoformat()]


async def test_without_a_day_a_value_counts_from_the_athlete_s_today(connection: Connection) -> None:
    assert await set_ftp(connection, 250, None) == TODAY
    assert await ftp_on(connection, TODAY - timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("value", "on", "told"),
    [
        (29.9, JUNE, "ftp must be 30 to 700 W, not 29.9"),
        (float("nan"), JUNE, "ftp must be 30 to 700 W"),
        (float("inf"), JUNE, "ftp must be 30 to 700 W"),
        (250, date(1969, 12, 31), "from 1970-01-01 on"),
    ],
)
async def test_a_value_that_cannot_be_is_refused_in_a_sentence(
    connection: Connection, value: float, on: date, told: str
) -> None:
    with pytest.raises(Unacceptable, match=told):
        await set_ftp(connection, value, on)
    assert await thresholds.history(connection, 1) == []


async def test_nothing_can_be_withdrawn_that_was_not_set_by_hand(connection: Connection) -> None:
    await bring(connection, 240, MARCH)
    with pytest.raises(Unacceptable, match="has no manual ftp that"):
        await athlete_thresholds.withdraw(connection, 1, Kind.FTP, None, NOW)
    await set_ftp(connection, 250, MARCH)
    with pytest.raises(Unacceptable, match="has no manual ftp from 2026-06-01"):
        await athlete_thresholds.withdraw(connection, 1, Kind.FTP, JUNE, NOW)


async def test_a_stranger_has_no_thresholds(connection: Connection) -> None:
    for attempt in (
        athlete_thresholds.set_value(connection, 404, Kind.FTP, 250, None, by="a test", now=NOW),
        athlete_thresholds.withdraw(connection, 404, Kind.FTP, None, NOW),
        athlete_thresholds.report(connection, 404, NOW),
    ):
        with pytest.raises(UnknownAthlete, match="404"):
            await attempt


async def test_the_report_tells_what_is_in_force_and_what_each_other_row_is(connection: Connection) -> None:
    await bring(connection, 230, date(1970, 1, 1))
    await thresholds.add(connection, 1, fitted(240, MARCH), MARCH)
    await set_ftp(connection, 245, MARCH)
    await athlete_thresholds.withdraw(connection, 1, Kind.FTP, None, NOW)
    await set_ftp(connection, 250, JUNE)
    await thresholds.add(connection, 1, fitted(258, JUNE, suggested=True), JUNE)
    await thresholds.add(connection, 1, fitted(262, JUNE, suggested=True), JUNE)
    await set_ftp(connection, 300, TODAY + timedelta(days=9))
    await bring(connection, 168, MARCH, kind="lthr")

    report = await athlete_thresholds.report(connection, 1, NOW)

    assert report.today == TODAY
    assert {kind: (row["value"], row["effective_on"]) for kind, row in report.in_force.items()} == {
        "ftp": (250, JUNE),
        "lthr": (168, MARCH),
    }
    assert [(row["value"], row["state"]) for row in report.history if row["kind"] == "ftp"] == [
        (230, "past"),
        (240, "past"),
        (245, "withdrawn"),
        (250, "in force"),
        (258, "past"),
        (262, "suggested"),
        (300, "to come"),
    ]

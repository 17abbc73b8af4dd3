"""What a start finds undone is queued beside everything else, all of it, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.loops import arrears
from daemon.loops.arrears import Arrears
from daemon.store.database import Database
from tests.support.clocks import SetClock
from tests.support.daemon import eventually
from tests.support.schedule import connect_athletes
from tests.support.workshop import Workshop

ONCE = """
CREATE SEQUENCE stumbles;
CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.athlete_id = 4 AND nextval('stumbles') <= 2 THEN
        RAISE EXCEPTION 'the database shuts down' USING ERRCODE = 'admin_shutdown';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stumbling BEFORE INSERT ON backfills FOR EACH ROW EXECUTE FUNCTION stumble();
"""
NEVER_AGAIN = "DROP TRIGGER stumbling ON backfills; DROP FUNCTION stumble; DROP SEQUENCE stumbles"


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrears, "MOST_PER_PAGE", 2)
    monkeypatch.setattr(arrears, "RETRY_SECONDS", 0.01)


@asynccontextmanager
async def running(database: Database, days: int) -> AsyncIterator[list[int]]:
    """Go over everybody; yields how often the worker was woken, as a list of that length."""
    woken: list[int] = []
    work = Arrears(database, days, SetClock(datetime.now(UTC)), lambda: woken.append(1))
    task = asyncio.create_task(work.run())
    try:
        yield woken
        assert not task.done(), "a root task that ends would end the process"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def queued(database: Database) -> list[tuple[str, int]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT kind, serial_key FROM jobs WHERE state = 'queued' ORDER BY 1, 2")
    return [(row["kind"], row["serial_key"]) for row in rows]


async def test_what_the_database_fails_at_in_the_middle_is_taken_up_again_from_there(database: Database) -> None:
    async with database.connection() as connection:
        await connect_athletes(connection, range(1, 8))
        await connection.execute(ONCE)
    everybody = [("backfill", athlete_id) for athlete_id in range(1, 8)]
    try:
        with capture_logs() as said:
            async with running(database, 365) as woken:

                async def told() -> bool:
                    return any(line["event"] == "arrears.queued" for line in said)

                await eventually(told)
    finally:
        async with database.connection() as connection:
            await connection.execute(NEVER_AGAIN)

    assert await queued(database) == everybody
    events: list[dict[str, Any]] = [dict(line) for line in said]
    assert [line["after_athlete_id"] for line in events if line["event"] == "arrears.interrupted"] == [2, 2]
    (end,) = [line for line in events if line["event"] == "arrears.queued"]
    assert (end["backfills"], end["loads_of"], end["statistics_of"], len(woken)) == (7, 0, 0, 4)


async def test_whatever_is_stale_is_queued_once_by_however_many_daemons_and_starts(shop: Workshop) -> None:
    athlete_ids = sorted(shop.stranger() for _ in range(3))
    for athlete_id in athlete_ids:
        await shop.sandbox.make_activity(athlete_id=athlete_id, duration=600, event=False)
        await shop.admit(athlete_id)
        await shop.sync(athlete_id)
    await shop.value("DELETE FROM jobs")
    await shop.value("UPDATE activity_loads SET version = 0")
    await shop.value("UPDATE activity_statistics SET version = 0")
    stale = [(kind, one) for kind in ("recompute_load", "renew_statistics") for one in athlete_ids]
    database = shop.rooms.database
    for _ in range(2):
        async with running(database, 0), running(database, 0):

            async def all_of_it() -> bool:
                return await queued(database) == stale

            await eventually(all_of_it)

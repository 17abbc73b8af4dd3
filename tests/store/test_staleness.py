"""How fresh the fleet is, measured over pages of athletes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daemon.clock import SystemClock
from daemon.loops import staleness
from daemon.loops.staleness import FleetStaleness
from daemon.store import apps
from daemon.store.database import Database
from tests.support.schedule import connect_athletes


async def test_every_page_counts_and_an_unproven_athlete_is_unseen_since_his_last_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staleness, "MOST_PER_PAGE", 4)
    async with database.connection() as connection:
        await apps.seed(connection, 77, None)
        await connect_athletes(connection, range(1, 11))
        await connection.execute("UPDATE sync_states SET synced_at = now() - athlete_id * interval '1 hour'")
    fleet = FleetStaleness(database, 77, SystemClock())

    await fleet.measure()

    found = fleet.newest
    assert found is not None
    assert (found.athletes, found.proven, found.blind) == (10, 0, 5)  # 6 h and a moment, 7, 8, 9 and 10 h
    assert timedelta(hours=10) < found.longest < timedelta(hours=10, minutes=10)

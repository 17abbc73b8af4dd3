"""Numbers of an older version are made again: loads from what is kept, statistics from streams."""

from __future__ import annotations

from datetime import UTC, datetime

from daemon.jobs import renew_statistics
from daemon.jobs.renew_statistics import Begun
from daemon.science.versions import LOAD_VERSION, STATISTICS_VERSION
from daemon.store import athletes
from tests.support.workshop import Workshop

OLD = STATISTICS_VERSION - 1


async def lived(shop: Workshop, count: int) -> tuple[int, list[int]]:
    athlete_id = shop.stranger()
    now = int(datetime.now(UTC).timestamp())
    made = [
        await shop.sandbox.make_activity(
            athlete_id=athlete_id, start_at=now - (number + 1) * 86_400, duration=600, seed=number, event=False
        )
        for number in range(count)
    ]
    await shop.admit(athlete_id)
    await shop.sync(athlete_id)
    return athlete_id, made


async def begin(shop: Workshop) -> Begun:
    async with shop.rooms.database.transaction() as connection:
        known = await athletes.page_ids(connection, 0, 200)
        return await renew_statistics.begin(connection, known, shop.rooms.clock.now())


async def versions(shop: Workshop, table: str) -> set[int]:
    return {row["version"] for row in await shop.rows(f"SELECT version FROM {table}")}


async def test_where_all_is_of_this_version_nothing_is_queued(shop: Workshop) -> None:
    await lived(shop, 2)
    assert await begin(shop) == (0, 0)


async def test_statistics_come_from_streams_that_are_still_here_without_a_call(shop: Workshop) -> None:
    athlete_id, _ = await lived(shop, 3)
    before = await shop.rows("SELECT activity_id, power_curve FROM activity_statistics ORDER BY 1")
    spent = await shop.spent(athlete_id)
    await shop.rows("UPDATE activity_statistics SET version = $1, power_curve = NULL RETURNING 1", OLD)
    assert await begin(shop) == (0, 1)
    assert await begin(shop) == (0, 0), "it is under way"
    await shop.work_off()
    assert await versions(shop, "activity_statistics") == {STATISTICS_VERSION}
    assert await shop.rows("SELECT activity_id, power_curve FROM activity_statistics ORDER BY 1") == before
    assert await shop.spent(athlete_id) == spent


async def test_streams_that_retention_has_dropped_are_fetched_again_newest_first_one_call_each(
    shop: Workshop,
) -> None:
    athlete_id, made = await lived(shop, 3)
    spent = await shop.spent(athlete_id)
    await shop.rows("UPDATE activity_statistics SET version = $1 RETURNING 1", OLD)
    await shop.rows("DELETE FROM activity_streams RETURNING 1")
    assert await begin(shop) == (0, 1)
    await shop.work_off()
    assert await versions(shop, "activity_statistics") == {STATISTICS_VERSION}
    assert await shop.spent(athlete_id) - spent == {"streams": 3}
    asked = [row["path"] for row in await shop.sandbox.requests(20_000) if row["athlete_id"] == athlete_id]
    assert [int(path.split("/")[-2]) for path in asked if path.endswith("/streams")][-3:] == made


async def test_what_strava_has_no_streams_of_any_more_stays_as_it_is_and_says_its_version(shop: Workshop) -> None:
    _, made = await lived(shop, 3)
    before = await shop.rows("SELECT raw, explanation FROM activity_loads ORDER BY activity_id")
    await shop.rows("UPDATE activity_statistics SET version = $1 RETURNING 1", OLD)
    await shop.rows("DELETE FROM activity_streams RETURNING 1")
    await shop.sandbox.delete_activity(made[0], event=False)
    await begin(shop)
    await shop.work_off()
    rows = await shop.rows("SELECT activity_id FROM activity_statistics WHERE version = $1", OLD)
    assert [row["activity_id"] for row in rows] == [made[0]]
    assert await shop.rows("SELECT raw, explanation FROM activity_loads ORDER BY activity_id") == before


async def test_what_never_had_streams_is_made_again_from_its_facts(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await shop.sandbox.make_activity(athlete_id=athlete_id, kind="manual", duration=600, event=False)
    await shop.admit(athlete_id)
    await shop.sync(athlete_id)
    spent = await shop.spent(athlete_id)
    await shop.rows("UPDATE activity_statistics SET version = $1 RETURNING 1", OLD)
    assert await begin(shop) == (0, 1)
    await shop.work_off()
    assert await versions(shop, "activity_statistics") == {STATISTICS_VERSION}
    assert await shop.spent(athlete_id) == spent


async def test_loads_of_an_older_version_are_computed_again_without_a_call(shop: Workshop) -> None:
    athlete_id, _ = await lived(shop, 2)
    spent, before = (
        await shop.spent(athlete_id),
        await shop.rows("SELECT raw FROM activity_loads ORDER BY activity_id"),
    )
    await shop.rows("UPDATE activity_loads SET version = $1, raw = 1 RETURNING 1", LOAD_VERSION - 1)
    assert await begin(shop) == (1, 0)
    await shop.work_off()
    assert await versions(shop, "activity_loads") == {LOAD_VERSION}
    assert await shop.rows("SELECT raw FROM activity_loads ORDER BY activity_id") == before
    assert await shop.spent(athlete_id) == spent

"""Loads computed again from what is stored: exactly those that are asked for, each once, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from daemon.core.admission import Lane
from daemon.jobs import recompute_load
from daemon.jobs.recompute_load import MOST_PER_SLICE
from daemon.science.evidence import Kind
from daemon.science.fitness import Basis, DayLoad, follow
from daemon.science.wellness import Weights, modifiers
from daemon.store import jobs, thresholds, wellness_readings
from tests.support.efforts import TODAY, days_ago
from tests.support.queue import expire_leases, new_job
from tests.support.training import Bureau, hour_at, sleep, train

LOADS = (
    "SELECT activity_id, method, raw, modifier, utl, computed_at, l.xmin::text AS written FROM activity_loads l"
    " JOIN activities a USING (activity_id) WHERE athlete_id = $1 ORDER BY activity_id"
)


async def ride_daily(bureau: Bureau, days: int, athlete_id: int = 1, *, watts: float = 250) -> None:
    """An hour a day up to today, the newest with the id of his hundred thousand."""
    async with bureau.database.transaction() as connection:
        for ago in range(days):
            await train(connection, athlete_id, 100_000 * athlete_id + ago, days_ago(ago), hour_at(watts))


async def set_ftp(
    bureau: Bureau, watts: float, from_on: date, method: str = "imported", athlete_id: int = 1
) -> None:
    async with bureau.database.connection() as connection:
        await thresholds.put(connection, athlete_id, "ftp", watts, method=method, effective_on=from_on, evidence={})


async def ask(bureau: Bureau, from_on: date, athlete_id: int = 1, **more: Any) -> None:
    await bureau.queue(recompute_load.new(athlete_id, from_on, "a test", bureau.clock.now(), **more))


async def loads(bureau: Bureau, athlete_id: int = 1) -> dict[int, dict[str, Any]]:
    """The athlete's loads by how many days ago they were."""
    return {row["activity_id"] % 100_000: row for row in await bureau.rows(LOADS, athlete_id)}


def rounded(rows: Iterable[dict[str, Any]]) -> list[float | None]:
    return [round(row["raw"], 6) if row["raw"] is not None else None for row in rows]


async def test_a_moved_threshold_changes_exactly_the_loads_on_and_after_its_day(bureau: Bureau) -> None:
    await ride_daily(bureau, 20)
    await ride_daily(bureau, 20, athlete_id=2)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, date(1970, 1, 1))
    await bureau.work_off()
    before, of_another = await loads(bureau), await loads(bureau, 2)
    assert rounded(before.values()) == [100.0] * 20
    assert {row["method"] for row in of_another.values()} == {"estimated"}

    await set_ftp(bureau, 300, days_ago(7))
    await ask(bureau, days_ago(7))
    ran = await bureau.work_off()

    after = await loads(bureau)
    assert ran == ["recompute_load", "follow_fitness"]
    changed = [ago for ago in after if after[ago]["written"] != before[ago]["written"]]
    assert changed == list(range(8))  # today and seven days back, the day itself among them
    assert rounded(after[ago] for ago in range(8)) == [round(100 / 1.44, 6)] * 8
    assert await loads(bureau, 2) == of_another
    fitness = await bureau.rows("SELECT on_day, load, ctl FROM fitness WHERE athlete_id = 1 ORDER BY on_day")
    days = [DayLoad(days_ago(ago), row["raw"], row["utl"]) for ago, row in after.items()]
    assert [row["ctl"] for row in fitness] == [
        day.ctl for day in follow(days, Basis.UTL, days_ago(19), TODAY, None)
    ]


async def test_what_comes_out_the_same_is_not_written_and_makes_no_news(bureau: Bureau) -> None:
    await ride_daily(bureau, 5)
    await ask(bureau, days_ago(30))
    await bureau.work_off()
    before = await loads(bureau)
    fitness = await bureau.rows("SELECT *, xmin::text FROM fitness")

    await ask(bureau, days_ago(30))
    await bureau.work_off()

    assert await loads(bureau) == before
    assert await bureau.rows("SELECT *, xmin::text FROM fitness") == fitness
    assert await bureau.value("SELECT count(*) FROM outbox WHERE topic = 'loads.recomputed'") == 0


async def test_fitness_follows_from_the_asked_day_where_that_is_wished_although_no_load_changed(
    bureau: Bureau,
) -> None:
    await ride_daily(bureau, 5)
    await ask(bureau, days_ago(3))
    await bureau.work_off()
    async with bureau.database.connection() as connection:
        await connection.execute("UPDATE fitness SET ctl = 999 WHERE on_day >= $1", days_ago(2))

    await ask(bureau, days_ago(3), fitness_too=True)
    await ask(bureau, days_ago(3))  # the same day again, without: the wish stays
    await bureau.work_off()

    assert await bureau.value("SELECT max(ctl) FROM fitness") < 100


async def test_the_wellness_of_each_day_is_applied_with_its_parts_and_the_raw_load_stays(bureau: Bureau) -> None:
    await ride_daily(bureau, 90)
    mornings = {days_ago(ago): {"hrv_rmssd": 30.0 if ago < 4 else 60.0 + ago % 5} for ago in range(200)}
    async with bureau.database.connection() as connection:
        await sleep(connection, 1, mornings)
        known = await wellness_readings.between(connection, 1, days_ago(200), TODAY)
    before = await loads(bureau)

    await ask(bureau, days_ago(30))
    await bureau.work_off()

    after = await loads(bureau)
    assert [row["raw"] for row in after.values()] == [row["raw"] for row in before.values()]
    expected = modifiers(days_ago(30), TODAY, known, Weights())
    assert [after[ago]["modifier"] for ago in range(30, -1, -1)] == [one.value for one in expected]
    assert after[0]["modifier"] == 1.05
    assert after[40]["written"] == before[40]["written"]
    parts = await bureau.value("SELECT modifier_parts FROM activity_loads WHERE activity_id = 100000")
    assert [part["adds"] for part in parts] == [part.adds for part in expected[-1].parts]


# Slices


async def test_a_long_history_is_done_in_slices_of_whole_days_each_once(bureau: Bureau) -> None:
    count = 2 * MOST_PER_SLICE + 7
    await ride_daily(bureau, count)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, date(1970, 1, 1))

    marks = []
    while job := await bureau.step():
        marks.append((job.kind, await bureau.value("SELECT loads_dirty_from FROM athletes WHERE athlete_id = 1")))
        bureau.clock.advance(30)

    first, second, third, fourth = marks
    assert (first, second) == (
        ("recompute_load", days_ago(count - 1 - MOST_PER_SLICE)),
        ("recompute_load", days_ago(count - 1 - 2 * MOST_PER_SLICE)),
    )
    assert (third, fourth) == (("recompute_load", None), ("follow_fitness", None))
    assert rounded((await loads(bureau)).values()) == [100.0] * count
    changed = await bureau.rows("SELECT body FROM outbox WHERE topic = 'loads.recomputed' ORDER BY news_id")
    assert [row["body"]["changed"] for row in changed] == [MOST_PER_SLICE, MOST_PER_SLICE, 7]
    assert await bureau.value("SELECT count(*) FROM fitness") == count


async def test_a_day_with_more_than_a_slice_holds_is_one_slice(bureau: Bureau) -> None:
    await set_ftp(bureau, 250, date(1970, 1, 1))
    async with bureau.database.transaction() as connection:
        for number in range(MOST_PER_SLICE + 5):
            await train(connection, 1, number + 1, days_ago(1), hour_at(250))
        await train(connection, 1, 9999, TODAY, hour_at(250))
    await ask(bureau, days_ago(1))

    assert await bureau.work_off() == ["recompute_load", "recompute_load", "follow_fitness"]
    assert set(rounded((await loads(bureau)).values())) == {100.0}


async def test_killed_in_the_middle_it_goes_on_where_it_was_and_applies_nothing_twice(bureau: Bureau) -> None:
    count = MOST_PER_SLICE + 50
    await ride_daily(bureau, count)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, date(1970, 1, 1))
    await bureau.step()
    after_one = await loads(bureau)

    # The second slice is computed, and its worker dies before anything of it is committed.
    job = await bureau.claim()
    assert job is not None
    async with bureau.database.connection() as connection:
        await connection.execute("ALTER TABLE outbox ADD CONSTRAINT shut CHECK (topic = 'never') NOT VALID")
        with pytest.raises(Exception, match="shut"):
            await recompute_load.run(job, bureau.rooms)
        await connection.execute("ALTER TABLE outbox DROP CONSTRAINT shut")
        assert await loads(bureau) == after_one
        await expire_leases(connection)
        assert await jobs.rescue_expired(connection, max_attempts=5) == (1, 0)

    assert await bureau.work_off() == ["recompute_load", "follow_fitness"]

    done = await loads(bureau)
    assert rounded(done.values()) == [100.0] * count
    done_before = [ago for ago, row in after_one.items() if row["method"] == "power"]
    assert len(done_before) == MOST_PER_SLICE
    assert all(done[ago]["written"] == after_one[ago]["written"] for ago in done_before)
    with pytest.raises(jobs.LeaseLost):  # and the dead worker's late word counts no more
        await recompute_load.run(job, bureau.rooms)


async def test_an_ask_for_an_earlier_day_joins_the_work_under_way_and_none_is_lost(bureau: Bureau) -> None:
    count = MOST_PER_SLICE + 100
    await ride_daily(bureau, count)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, days_ago(count))
    await bureau.step()
    await set_ftp(bureau, 200, date(1970, 1, 1))  # a different value meanwhile
    await ask(bureau, days_ago(count - 1))
    await ask(bureau, days_ago(3))  # covered by the one before

    await bureau.work_off()

    assert rounded((await loads(bureau)).values()) == [156.25] * count
    assert await bureau.value("SELECT loads_dirty_from FROM athletes WHERE athlete_id = 1") is None


async def test_what_is_live_goes_before_the_next_slice(bureau: Bureau) -> None:
    await ride_daily(bureau, 2 * MOST_PER_SLICE)
    await ask(bureau, date(1970, 1, 1))
    first = await bureau.step()
    assert first is not None

    await bureau.queue(new_job("a look", 1, run_at=bureau.clock.now()))
    live, after = await bureau.claim(), await bureau.claim()

    assert live is not None
    assert (live.kind, live.lane) == ("ride", Lane.LIVE)
    assert after is None  # the athlete's turn is the look's
    async with bureau.database.connection() as connection:
        await jobs.complete(connection, live, "done")
    assert await bureau.work_off() == ["recompute_load", "follow_fitness"]


async def test_an_activity_stored_between_two_slices_is_neither_lost_nor_scored_by_old_thresholds(
    bureau: Bureau,
) -> None:
    await ride_daily(bureau, MOST_PER_SLICE + 10)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, date(1970, 1, 1))
    await bureau.step()
    async with bureau.database.connection() as connection:  # one behind the mark, one before it
        await train(connection, 1, 100_900, days_ago(5), hour_at(250))
        await train(connection, 1, 100_901, days_ago(MOST_PER_SLICE + 5), hour_at(250))

    await bureau.work_off()

    found = await loads(bureau)
    assert found[900]["method"] == "power"
    assert found[901]["method"] == "estimated"  # as whoever stored it has scored it


async def test_an_athlete_who_is_gone_or_has_nothing_needs_nothing(bureau: Bureau) -> None:
    await ask(bureau, days_ago(5), athlete_id=2)
    assert await bureau.work_off() == ["recompute_load", "follow_fitness"]
    assert await bureau.value("SELECT count(*) FROM jobs WHERE state = 'dead'") == 0


# The preview


async def test_a_preview_says_what_would_change_and_by_how_much_and_stores_nothing(bureau: Bureau) -> None:
    await ride_daily(bureau, 60)
    await set_ftp(bureau, 250, date(1970, 1, 1))
    await ask(bureau, date(1970, 1, 1))
    await bureau.work_off()
    before, news = await loads(bureau), await bureau.value("SELECT count(*) FROM outbox")
    fitness = (await bureau.rows("SELECT ctl, atl, tsb FROM fitness ORDER BY on_day DESC LIMIT 1"))[0]

    async with bureau.database.rehearsal() as connection:
        await thresholds.set_manual(connection, 1, Kind.FTP, 200, days_ago(9), by="a test", now=bureau.clock.now())
        found = await recompute_load.preview(
            connection, bureau.calculator, 1, days_ago(20), bureau.clock.now(), bureau.choices
        )
    assert found is not None

    assert (found.activities, len(found.changes)) == (21, 10)
    assert [change.local_on for change in found.changes] == [days_ago(ago) for ago in range(9, -1, -1)]
    assert {(change.method_before, change.method_after) for change in found.changes} == {("power", "power")}
    assert {round(change.utl_before or 0, 6) for change in found.changes} == {100.0}
    assert {round(change.utl_after or 0, 6) for change in found.changes} == {156.25}
    assert found.total_before == pytest.approx(2100)
    assert found.total_after == pytest.approx(1100 + 10 * 156.25)
    assert found.fitness_before is not None
    assert found.fitness_after is not None
    assert (found.fitness_before.ctl, found.fitness_before.tsb) == (fitness["ctl"], fitness["tsb"])
    assert await loads(bureau) == before
    assert await bureau.value("SELECT count(*) FROM outbox") == news
    assert await bureau.value("SELECT count(*) FROM thresholds WHERE method = 'manual'") == 0

    # and it tells the truth: done for real, fitness is what was foretold
    await set_ftp(bureau, 200, days_ago(9), "manual")
    await ask(bureau, days_ago(20))
    await bureau.work_off()
    done = (await bureau.rows("SELECT ctl, atl, tsb FROM fitness ORDER BY on_day DESC LIMIT 1"))[0]
    after = found.fitness_after
    assert done == {"ctl": after.ctl, "atl": after.atl, "tsb": after.tsb}
    assert sum(row["utl"] for ago, row in (await loads(bureau)).items() if ago <= 20) == pytest.approx(
        found.total_after
    )


async def test_slices_of_many_athletes_run_side_by_side(bureau: Bureau) -> None:
    await ride_daily(bureau, 30)
    await ride_daily(bureau, 30, athlete_id=2)
    for athlete_id in (1, 2):
        await set_ftp(bureau, 250, date(1970, 1, 1), athlete_id=athlete_id)
        await ask(bureau, date(1970, 1, 1), athlete_id=athlete_id)
    both = [await bureau.claim(), await bureau.claim()]
    assert None not in both

    await asyncio.gather(*(recompute_load.run(job, bureau.rooms) for job in both if job is not None))

    for athlete_id in (1, 2):
        assert rounded((await loads(bureau, athlete_id)).values()) == [100.0] * 30

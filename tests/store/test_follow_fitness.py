"""Fitness in the database: from the first dirty day up to the athlete's today, as if from the start."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from daemon.core.admission import Lane
from daemon.jobs import follow_fitness, local_days
from daemon.science.fitness import Basis, DayLoad, Fitness, follow
from daemon.store import activities, athletes, fitness
from daemon.store.activities import Place
from tests.support.efforts import TODAY, days_ago
from tests.support.training import Bureau, hour_at, train

ALL = "SELECT on_day, load, ctl, atl, tsb FROM fitness WHERE athlete_id = 1 ORDER BY on_day"


async def give_load(bureau: Bureau, activity_id: int, on: date, load: float, athlete_id: int = 1) -> None:
    """Let a day have a load, and the mark that goes with it."""
    async with bureau.database.transaction() as connection:
        await train(connection, athlete_id, activity_id, on, hour_at(200))
        await connection.execute("UPDATE activity_loads SET raw = $2 WHERE activity_id = $1", activity_id, load)
        await athletes.dirty_fitness(connection, athlete_id, on)


async def follow_now(bureau: Bureau, athlete_id: int = 1) -> str:
    await bureau.queue(follow_fitness.new(athlete_id, Lane.LIVE, bureau.clock.now()))
    job = await bureau.step()
    assert job is not None
    return str(await bureau.value("SELECT outcome FROM jobs WHERE job_id = $1", job.job_id))


async def stored(bureau: Bureau) -> list[Fitness]:
    return [Fitness(*row.values()) for row in await bureau.rows(ALL)]


def from_scratch(loads: dict[int, float], today: date = TODAY) -> list[Fitness]:
    days = [DayLoad(days_ago(ago), load, load) for ago, load in loads.items()]
    return follow(days, Basis.UTL, min(day.on for day in days), today, None)


async def test_a_partial_recompute_ends_to_the_last_bit_where_a_full_one_does(bureau: Bureau) -> None:
    loads = {ago: 40.0 + ago * 37 % 90 for ago in range(120, 0, -3)}
    for activity_id, (ago, load) in enumerate(loads.items(), start=1):
        await give_load(bureau, activity_id, days_ago(ago), load)
    assert await follow_now(bureau) == f"121 days up to {TODAY}"
    assert await stored(bureau) == from_scratch(loads)
    untouched = await bureau.rows("SELECT on_day, xmin::text FROM fitness WHERE on_day < $1", days_ago(30))

    await give_load(bureau, 1000, days_ago(30), 77.7)

    assert await follow_now(bureau) == f"31 days up to {TODAY}"
    loads[30] += 77.7
    assert await stored(bureau) == from_scratch(loads)
    assert await bureau.rows("SELECT on_day, xmin::text FROM fitness WHERE on_day < $1", days_ago(30)) == untouched
    assert await bureau.value("SELECT fitness_dirty_from FROM athletes WHERE athlete_id = 1") is None


async def test_days_without_a_load_are_followed_too_and_only_once(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(2), 100)
    await follow_now(bureau)

    assert await follow_now(bureau) == f"0 days up to {TODAY}"
    bureau.clock.advance(3 * 86400)

    assert await follow_now(bureau) == f"3 days up to {TODAY + timedelta(days=3)}"
    assert await stored(bureau) == from_scratch({2: 100}, TODAY + timedelta(days=3))


async def test_an_older_activity_than_any_before_begins_the_days_anew(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(2), 100)
    await follow_now(bureau)

    await give_load(bureau, 2, days_ago(9), 50)
    await follow_now(bureau)

    assert await stored(bureau) == from_scratch({2: 100, 9: 50})


async def test_days_before_the_first_load_that_is_left_are_forgotten(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(9), 50)
    await give_load(bureau, 2, days_ago(2), 100)
    await follow_now(bureau)
    for activity_id, left in ((1, from_scratch({2: 100})), (2, [])):
        async with bureau.database.transaction() as connection:
            lost_on = await activities.bury(connection, activity_id, 1, "gone", bureau.clock.now())
            assert lost_on is not None
            await athletes.dirty_fitness(connection, 1, lost_on)

        await follow_now(bureau)

        assert await stored(bureau) == left


async def test_loads_that_no_method_could_score_begin_nothing(bureau: Bureau) -> None:
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(3), hour_at(200))
        await connection.execute("UPDATE activity_loads SET method = 'none', raw = NULL")
        await athletes.dirty_fitness(connection, 1, days_ago(3))

    await follow_now(bureau)

    assert await stored(bureau) == []


async def test_another_athlete_s_loads_are_his_own(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(3), 50)
    await give_load(bureau, 2, days_ago(5), 500, athlete_id=2)

    await follow_now(bureau)

    assert await stored(bureau) == from_scratch({3: 50})


async def test_what_is_read_reaches_today_although_nobody_has_computed_it_yet(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(40), 100)
    await follow_now(bureau)
    later = TODAY + timedelta(days=5)
    async with bureau.database.connection() as connection:
        await train(connection, 1, 2, TODAY + timedelta(days=2), hour_at(200))
        await connection.execute("UPDATE activity_loads SET raw = 60 WHERE activity_id = 2")
        for first_on in (days_ago(50), days_ago(3), TODAY, TODAY + timedelta(days=3)):
            found = await follow_fitness.up_to(connection, 1, first_on, later, Basis.UTL)
            assert found == [day for day in from_scratch({40: 100, -2: 60}, later) if day.on >= first_on]
        assert await follow_fitness.up_to(connection, 2, TODAY, later, Basis.UTL) == []
        assert await fitness.last_on(connection, 1) == TODAY


async def test_who_looks_sees_a_history_that_nobody_has_followed_yet(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(40), 100)
    async with bureau.database.connection() as connection:
        found = await follow_fitness.up_to(connection, 1, days_ago(90), TODAY, Basis.UTL)
        assert found == from_scratch({40: 100}, TODAY)
        assert await fitness.last_on(connection, 1) is None
    await follow_now(bureau)
    await give_load(bureau, 2, days_ago(60), 50)
    async with bureau.database.connection() as connection:
        found = await follow_fitness.up_to(connection, 1, days_ago(50), TODAY, Basis.UTL)
        assert found == [day for day in from_scratch({40: 100, 60: 50}, TODAY) if day.on >= days_ago(50)]


async def test_raw_loads_are_followed_where_that_is_chosen(bureau: Bureau) -> None:
    await give_load(bureau, 1, days_ago(1), 100)
    async with bureau.database.connection() as connection:
        await connection.execute("UPDATE activity_loads SET modifier = 1.1")
    await follow_now(bureau)
    assert (await stored(bureau))[0].load == pytest.approx(110)
    async with bureau.database.connection() as connection:
        days = await fitness.loads_between(connection, 1, days_ago(1), TODAY)
    assert follow(days, Basis.RAW, days_ago(1), TODAY, None)[0].load == 100


@pytest.mark.parametrize(
    ("place", "hours"),
    [
        (Place("Pacific/Auckland", timedelta(hours=1)), 12),  # of the zone, not of the activity
        (Place("America/Los_Angeles", timedelta(hours=1)), -7),
        (Place("Nowhere/Land", timedelta(hours=13)), 13),
        (Place("../etc/passwd", timedelta(hours=-13)), -13),
        (Place(None, timedelta(minutes=330)), 5.5),
        (Place(None, timedelta(days=400)), 0),
    ],
    ids=["east", "west", "a zone nobody knows", "a path is no zone", "an offset alone", "nonsense"],
)
def test_a_place_has_the_clock_of_its_zone_or_else_of_its_activity(place: Place, hours: float) -> None:
    noon = datetime.combine(TODAY, time(12))
    assert local_days.zone_of(place).utcoffset(noon) == timedelta(hours=hours)


async def test_today_is_the_day_where_the_newest_activity_was(bureau: Bureau) -> None:
    noon = datetime.combine(TODAY, time(12), UTC)
    async with bureau.database.connection() as connection:
        assert await local_days.today(connection, 1, noon) == TODAY  # no activity: UTC
        await train(connection, 1, 1, days_ago(9), hour_at(200), timezone="Pacific/Kiritimati")
        assert await local_days.today(connection, 1, noon) == TODAY + timedelta(days=1)
        await train(connection, 1, 2, days_ago(10), hour_at(200), timezone="Europe/Berlin")
        assert await local_days.today(connection, 1, noon) == TODAY + timedelta(days=1)
        await train(connection, 1, 3, days_ago(2), hour_at(200), timezone="Europe/Berlin")
        assert await local_days.today(connection, 1, noon) == TODAY


async def test_the_next_midnight_is_that_of_the_place_even_when_clocks_change(bureau: Bureau) -> None:
    async with bureau.database.connection() as connection:
        await train(connection, 1, 1, date(2026, 3, 20), hour_at(200), timezone="Europe/Berlin")
        before_the_change = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
        assert await local_days.today(connection, 1, before_the_change) == date(2026, 3, 29)
        midnight = await local_days.next_midnight(connection, 1, before_the_change)
    assert midnight == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)

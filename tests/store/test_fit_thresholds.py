"""Looks at thresholds over real rows: what is decided is added, loads follow, and manual values stay."""

from __future__ import annotations

from datetime import date

import pytest

from daemon.core.admission import Lane
from daemon.core.errors import Retryable
from daemon.jobs import athlete_thresholds, fit_thresholds, load_results, validate_thresholds
from daemon.science.evidence import Activity, Kind, RestingReading
from daemon.science.thresholds import FROM_THE_BEGINNING, InForce, Occasion, Row, look, look_at_rest
from daemon.store import activities, athletes, thresholds
from tests.support.efforts import TESTS, TODAY, activity, curve, days_ago, held
from tests.support.training import NOON, Bureau, hour_at, sleep, statistics_of, train

HEARTS = {180: 171.0, 300: 173.0, 480: 172.0, 720: 170.0, 1200: 169.0, 1800: 166.0, 3600: 160.0}


def year_of_tests(scale: float = 1.0, first_ago: int = 5) -> list[Activity]:
    """Every test once a month, as `efforts.season`, with the heart rates of somebody who goes all out."""
    return [
        activity(
            1000 * round(100 * scale) + 100 * turn + seconds // 60,
            days_ago(first_ago + 25 * turn),
            power=scale * curve(held(seconds), seconds, between=140.0),
            pulses=HEARTS,
            heart={10: 186.0 + turn % 2, 1800: 166.0},
        )
        for turn in range(3)
        for seconds in TESTS
    ]


async def have_done(bureau: Bureau, done: list[Activity], athlete_id: int = 1) -> None:
    async with bureau.database.transaction() as connection:
        for one in done:
            await train(connection, athlete_id, one.activity_id, one.local_on, statistics_of(one))


async def fit(bureau: Bureau, occasion: Occasion = Occasion.WEEKLY, athlete_id: int = 1) -> list[str]:
    await bureau.queue(fit_thresholds.new(athlete_id, occasion, bureau.clock.now()))
    return await bureau.work_off()


async def written(bureau: Bureau, kind: str = "ftp") -> list[tuple[float, str, date, bool]]:
    rows = await bureau.rows("SELECT * FROM thresholds WHERE kind = $1 ORDER BY threshold_id", kind)
    return [(round(row["value"], 1), row["method"], row["effective_on"], row["suggested"]) for row in rows]


async def test_a_year_of_stored_curves_becomes_thresholds_with_evidence_error_and_new_loads(bureau: Bureau) -> None:
    done = year_of_tests()
    await have_done(bureau, done)

    ran = await fit(bureau)

    expected = {one.kind: one for one in look(done, {}, Occasion.WEEKLY, TODAY, None) if isinstance(one, Row)}
    assert set(expected) == {Kind.FTP, Kind.MAX_HR, Kind.LTHR}
    rows = {row["kind"]: row for row in await bureau.rows("SELECT * FROM thresholds")}
    assert set(rows) == {kind.value for kind in expected}
    for kind, row in expected.items():
        stored = rows[kind.value]
        assert stored["value"] == pytest.approx(row.value, rel=1e-5)  # curves are stored as real
        assert stored["standard_error"] == pytest.approx(row.standard_error, rel=1e-2)
        assert (stored["method"], stored["effective_on"], stored["written_on"]) == (
            row.method,
            FROM_THE_BEGINNING,
            TODAY,
        )
        assert stored["explanation"].endswith("It is the first and counts for all days.")
    assert rows["ftp"]["value"] == pytest.approx(250, rel=0.01)
    assert len(rows["ftp"]["evidence"]["points"]) >= 4
    assert ran == ["fit_thresholds", "recompute_load", "follow_fitness"]
    assert await bureau.value("SELECT thresholds_looked_on FROM athletes WHERE athlete_id = 1") == TODAY
    (news,) = await bureau.rows("SELECT body FROM outbox WHERE topic = 'thresholds.changed'")
    assert {row["kind"] for row in news["body"]["rows"]} == {"ftp", "max_hr", "lthr"}


async def test_a_second_look_at_the_same_writes_nothing(bureau: Bureau) -> None:
    await have_done(bureau, year_of_tests())
    await fit(bureau)
    before = await bureau.rows("SELECT * FROM thresholds")

    assert await fit(bureau) == ["fit_thresholds"]

    assert await bureau.rows("SELECT * FROM thresholds") == before


async def test_a_rise_leaves_older_loads_alone_and_changes_those_since_its_newest_effort(bureau: Bureau) -> None:
    await have_done(bureau, year_of_tests(first_ago=60))
    async with bureau.database.transaction() as connection:
        for ago in (1, 3, 20, 40):
            await train(connection, 1, 500_000 + ago, days_ago(ago), hour_at(250))
    await fit(bureau)
    before = {
        row["activity_id"] - 500_000: row["raw"]
        for row in await bureau.rows("SELECT activity_id, raw FROM activity_loads WHERE activity_id > 500000")
    }
    await have_done(bureau, year_of_tests(scale=1.08, first_ago=4))

    await fit(bureau, Occasion.SIGNIFICANT_WEEK)

    first, second = await written(bureau)
    assert first[2] == FROM_THE_BEGINNING
    assert 1.05 < second[0] / first[0] < 1.1
    assert days_ago(10) < second[2] <= days_ago(4)
    after = {
        row["activity_id"] - 500_000: row["raw"]
        for row in await bureau.rows("SELECT activity_id, raw FROM activity_loads WHERE activity_id > 500000")
    }
    assert {ago for ago in before if before[ago] != after[ago]} == {
        ago for ago in before if days_ago(ago) >= second[2]
    }
    assert {1, 3} <= {ago for ago in before if before[ago] != after[ago]} < {1, 3, 20, 40}


async def test_while_a_manual_value_is_in_force_a_fit_only_suggests_and_after_it_the_suggestion_counts(
    bureau: Bureau,
) -> None:
    await have_done(bureau, year_of_tests())
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 7, days_ago(1), hour_at(250))
        await athlete_thresholds.set_value(
            connection, 1, Kind.FTP, 300, FROM_THE_BEGINNING, by="a test", now=bureau.clock.now()
        )
    await bureau.work_off()
    load = "SELECT raw FROM activity_loads WHERE activity_id = 7"
    manual = await bureau.value(load)
    assert manual == pytest.approx(100 * (250 / 300) ** 2)

    await fit(bureau)

    assert [(method, suggested) for _, method, _, suggested in await written(bureau)] == [
        ("manual", False),
        ("critical_power", True),
    ]
    assert await bureau.value(load) == manual
    assert await fit(bureau) == ["fit_thresholds"]  # the suggestion stands: it is not made again

    async with bureau.database.transaction() as connection:
        await athlete_thresholds.withdraw(connection, 1, Kind.FTP, None, bureau.clock.now())
    await bureau.work_off()
    assert await bureau.value(load) == pytest.approx(100, rel=0.02)


async def test_a_threshold_that_is_set_while_a_fit_computes_sends_the_fit_back(bureau: Bureau) -> None:
    await have_done(bureau, year_of_tests())
    await bureau.queue(fit_thresholds.new(1, Occasion.WEEKLY, bureau.clock.now()))
    job = await bureau.claim()
    assert job is not None

    class Interrupted:
        """A worker process during whose work somebody sets a threshold."""

        async def look(self, work: object) -> object:
            async with bureau.database.transaction() as connection:
                await athlete_thresholds.set_value(
                    connection, 1, Kind.FTP, 300, TODAY, by="a test", now=bureau.clock.now()
                )
            return await bureau.calculator.look(work)  # type: ignore[arg-type]

    rooms = Bureau(bureau.database, Interrupted(), bureau.clock).rooms  # type: ignore[arg-type]
    with pytest.raises(Retryable, match="meanwhile"):
        await fit_thresholds.run(job, rooms)
    assert [method for _, method, _, _ in await written(bureau)] == ["manual"]


# When it is looked


async def test_the_third_significant_activity_of_a_week_asks_for_a_look_and_one_a_day_is_enough(
    bureau: Bureau,
) -> None:
    async def store(activity_id: int, ago: int) -> list[str]:
        async with bureau.database.transaction() as connection:
            await train(connection, 1, activity_id, days_ago(ago), hour_at(200), scored=False)
            columns = await activities.get(connection, activity_id)
            assert columns is not None
            result = await load_results.put(
                connection, columns, hour_at(200), bureau.choices, Lane.LIVE, bureau.clock.now()
            )
        await bureau.queue(*result.follow)
        return [job.kind for job in result.follow]

    assert await store(1, 60) == ["follow_fitness"]
    assert await store(2, 6) == ["follow_fitness"]
    assert await store(3, 5) == ["follow_fitness"]
    assert await store(4, 4) == ["follow_fitness", "fit_thresholds"]
    assert "fit_thresholds" in await bureau.work_off()
    assert await store(4, 4) == []  # nothing has changed
    assert await store(5, 3) == ["follow_fitness", "fit_thresholds"]
    (job,) = await bureau.rows("SELECT * FROM jobs WHERE kind = 'fit_thresholds' AND state = 'queued'")
    assert job["payload"] == {"occasion": "significant_week"}
    # Today had one: it waits for the athlete's midnight, which in Berlin comes two hours before that of UTC.
    assert (job["run_at"] - bureau.clock.now()).total_seconds() == pytest.approx(10 * 3600, abs=300)


@pytest.mark.parametrize("occasion", list(Occasion))
async def test_a_look_asks_strava_nothing_runs_for_the_resting_too_and_is_not_lost_in_another(
    bureau: Bureau, occasion: Occasion
) -> None:
    await bureau.queue(*(fit_thresholds.new(1, one, bureau.clock.now()) for one in Occasion))
    rows = await bureau.rows("SELECT * FROM jobs WHERE payload->>'occasion' = $1", occasion.value)
    assert [(row["asks_strava"], row["while_resting"], row["lane"]) for row in rows] == [(False, True, "scheduled")]


async def test_an_athlete_without_anything_keeps_everything_unknown(bureau: Bureau) -> None:
    assert await fit(bureau, Occasion.WEEKLY) == ["fit_thresholds"]
    assert await fit(bureau, Occasion.RESTING_HR) == ["fit_thresholds"]
    assert await bureau.value("SELECT count(*) FROM thresholds") == 0


async def test_a_known_age_stands_in_for_a_highest_heart_rate_that_nobody_has_seen(bureau: Bureau) -> None:
    async with bureau.database.connection() as connection:
        await athletes.born(connection, 1, date(1986, 6, 1))
        await athletes.born(connection, 1, None)  # an import that does not say so takes nothing back
    await fit(bureau)
    assert await written(bureau, "max_hr") == [(180.0, "age", FROM_THE_BEGINNING, False)]
    assert await bureau.value("SELECT assumed FROM thresholds") is True


# The resting heart rate


async def test_the_resting_heart_rate_is_the_mean_of_two_weeks_of_mornings(bureau: Bureau) -> None:
    mornings = {days_ago(ago): {"resting_hr": 44.0 + ago % 5} for ago in range(20)}
    async with bureau.database.connection() as connection:
        await sleep(connection, 1, {**mornings, days_ago(2): {"sleep_seconds": 7 * 3600}})
        await train(connection, 1, 1, days_ago(3), hour_at(200), at=NOON)
    expected = look_at_rest(
        [RestingReading(on, day["resting_hr"]) for on, day in mornings.items() if on != days_ago(2)],
        InForce(),
        TODAY,
    )
    assert isinstance(expected, Row)

    ran = await fit(bureau, Occasion.RESTING_HR)

    assert ran == ["fit_thresholds", "recompute_load", "follow_fitness"]
    assert await written(bureau, "resting_hr") == [
        (round(expected.value, 1), "wellness", FROM_THE_BEGINNING, False)
    ]
    assert await bureau.value("SELECT thresholds_looked_on FROM athletes WHERE athlete_id = 1") is None
    assert await fit(bureau, Occasion.RESTING_HR) == ["fit_thresholds"]


# Validation


async def test_what_cannot_be_true_is_told_every_day_and_is_news_once(bureau: Bureau) -> None:
    async with bureau.database.connection() as connection:
        for kind, value in (("lthr", 190), ("max_hr", 185), ("ftp", 250)):
            await thresholds.put(
                connection, 1, kind, value, method="imported", effective_on=FROM_THE_BEGINNING, evidence={}
            )
    told = [{"kinds": ["lthr", "max_hr"], "sentence": "lthr (190 bpm) is not below max_hr (185 bpm)."}]
    for _ in range(2):
        await bureau.queue(validate_thresholds.new(1, bureau.clock.now()))
        await bureau.work_off()
        doubts = await bureau.value("SELECT threshold_doubts FROM athletes WHERE athlete_id = 1")
        assert doubts == told
        assert await bureau.value("SELECT count(*) FROM outbox WHERE topic = 'thresholds.doubted'") == 1
    async with bureau.database.transaction() as connection:
        report = await athlete_thresholds.report(connection, 1, bureau.clock.now())
        assert report.doubts == told
        await athlete_thresholds.set_value(
            connection, 1, Kind.MAX_HR, 199, None, by="a test", now=bureau.clock.now()
        )
    await bureau.queue(validate_thresholds.new(1, bureau.clock.now()))
    await bureau.work_off()
    assert await bureau.value("SELECT threshold_doubts FROM athletes WHERE athlete_id = 1") == []

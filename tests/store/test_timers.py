"""The timer loop on a real database: what is due runs once, whatever happens to clocks, daemons and athletes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import structlog
from structlog.testing import LogCapture

from daemon.core.errors import Retryable
from daemon.core.freshness import STALE_URGENCY, Athlete, Occasion, Policy, Proof, Skip, Sync
from daemon.core.quota import Lengths, Limits
from daemon.core.schedule import TIMERS, latest_due, next_due
from daemon.jobs import erase_athlete, fit_thresholds
from daemon.loops import occasions
from daemon.loops import timers as loop
from daemon.loops.occasions import Means
from daemon.loops.timers import Timers
from daemon.science.thresholds import Occasion as FitOccasion
from daemon.store import athletes, intervals_credentials, jobs, ledgers, runs, timers, vitals
from daemon.store.database import Connection, Database
from daemon.store.runs import Run, SyncResult
from tests.support.clocks import SetClock
from tests.support.daemon import eventually
from tests.support.noon import read_at_noon
from tests.support.schedule import ask_rows, connect_athletes, expire_run, held_run, planned, work_off
from tests.support.sessions import until_waiting

ZONE: Final = ZoneInfo("Europe/Zurich")
NEWS: Final = SyncResult("synced", calls=1, new_activities=2, missed_webhooks=1)


@pytest.fixture
def clock() -> SetClock:
    """A wall clock that stands at a quarter past ten, one Friday."""
    return SetClock(datetime(2026, 5, 1, 8, 15, tzinfo=UTC))


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await ledgers.open_ledger(connection, 77, Limits(600, 30_000, 600, 30_000))
        await connection.execute("UPDATE quota_ledgers SET limits_learned = true")
        yield connection


@pytest.fixture
def said() -> Iterator[LogCapture]:
    """What is logged."""
    capture, before = LogCapture(), structlog.get_config()["processors"]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(processors=before)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so that no test waits for a pause to end."""
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(occasions, "POLL_SECONDS", 0.02)


def rule(monkeypatch: pytest.MonkeyPatch, decide: Any) -> None:
    """Let `decide(athlete_id)` be the policy."""

    def should_sync(
        athlete: Athlete, occasion: Occasion, now: datetime, proof: Proof, policy: Policy
    ) -> Sync | Skip:
        return decide(athlete.athlete_id)  # type: ignore[no-any-return]

    monkeypatch.setattr(occasions, "should_sync", should_sync)


def look(athlete_id: int) -> Sync:
    """Decide for a look; the higher the id, the more urgent."""
    return Sync(why="stale", reason="a day old", lookback=timedelta(days=3), urgency=float(athlete_id))


def means(database: Database, clock: SetClock) -> Means:
    return Means(database, 77, Lengths(), Policy("adaptive"), clock, lambda: None)


@asynccontextmanager
async def running(database: Database, clock: SetClock, lease_seconds: float = 60) -> AsyncIterator[None]:
    """Run the loop of one daemon, and stop it as a daemon is stopped."""
    task = asyncio.ensure_future(Timers(means(database, clock), ZONE, lease_seconds).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ended(connection: Connection) -> list[dict[str, Any]]:
    rows = await runs.list_newest(connection, None, 100)
    return [row for row in rows if row["finished_at"] is not None]


async def until_ended(connection: Connection, count: int) -> list[dict[str, Any]]:
    async def holds() -> bool:
        return len(await ended(connection)) >= count

    await eventually(holds)
    return await ended(connection)


async def look_until_ended(connection: Connection) -> None:
    """Do what is queued as a worker would, until a run has ended."""

    async def holds() -> bool:
        await work_off(connection, NEWS)
        return bool(await ended(connection))

    await eventually(holds)


async def until_planned(connection: Connection) -> None:
    async def holds() -> bool:
        return len(await timers.list_all(connection)) == len(TIMERS)

    await eventually(holds)


async def ask_by_hand(connection: Connection, job: str) -> int:
    return (await runs.request(connection, job, "manual")).run_id


# When


async def test_the_first_daemon_plans_all_seven_jobs_within_their_jitter_and_starts_none(
    database: Database, connection: Connection, clock: SetClock
) -> None:
    async with running(database, clock):
        await until_planned(connection)
        await ask_by_hand(connection, "resting_hr")  # it has looked again since
        await until_ended(connection, 1)

    for at in await timers.list_all(connection):
        timer = TIMERS[at.job]
        assert at.due_at == next_due(timer.timing, ZONE, clock.now())
        assert at.due_at <= at.starts_at <= at.due_at + timer.jitter
    assert len(await runs.list_newest(connection, None, 100)) == 1


async def test_after_a_long_downtime_each_job_runs_once_for_its_latest_due_time(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture
) -> None:
    async with running(database, clock):
        await until_planned(connection)
    clock.advance(70 * 86_400)

    async with running(database, clock), running(database, clock):
        rows = await until_ended(connection, len(TIMERS))
        await ask_by_hand(connection, "resting_hr")
        await until_ended(connection, len(TIMERS) + 1)

    assert {row["job"]: row["due_at"] for row in rows} == {
        job: latest_due(timer.timing, ZONE, clock.now()) for job, timer in TIMERS.items()
    }
    assert len(await ended(connection)) == len(TIMERS) + 1
    caught_up = {entry["job"] for entry in said.entries if entry["event"] == "timer.caught_up"}
    assert caught_up == set(TIMERS)


async def test_a_job_begins_when_its_jitter_is_over_and_not_before(
    database: Database, connection: Connection, clock: SetClock
) -> None:
    async with running(database, clock):
        await until_planned(connection)
        tick = await planned(connection, "ingestion_tick")
        await connection.execute(
            "UPDATE scheduler_timers SET starts_at = due_at + interval '30 s' WHERE job = 'ingestion_tick'"
        )
        clock.advance((tick.due_at - clock.now()).total_seconds() + 29)
        for looks in (1, 2):
            await ask_by_hand(connection, "resting_hr")
            await until_ended(connection, looks)
        assert await runs.list_newest(connection, "ingestion_tick", 10) == []
        clock.advance(1)
        newest, *_ = await until_ended(connection, 3)

    assert (newest["job"], newest["due_at"], newest["trigger"]) == ("ingestion_tick", tick.due_at, "timer")


async def test_a_clock_that_jumps_or_a_machine_that_sleeps_is_told_and_nothing_runs_twice(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture
) -> None:
    async with running(database, clock):
        await until_planned(connection)
        clock.advance(3600)  # both the wall's and the elapsed time, of which the loop's own knows nothing
        assert [row["job"] for row in await until_ended(connection, 1)] == ["ingestion_tick"]
        clock._at -= timedelta(hours=1)  # the wall's alone
        await ask_by_hand(connection, "resting_hr")
        await until_ended(connection, 2)
        clock._at += timedelta(hours=1)
        await ask_by_hand(connection, "resting_hr")
        await until_ended(connection, 3)

    ticks = await runs.list_newest(connection, "ingestion_tick", 100)
    assert [tick["due_at"] for tick in ticks] == [datetime(2026, 5, 1, 9, tzinfo=UTC)]
    told = [(entry["event"], round(entry["seconds"] / 3600)) for entry in said.entries if "seconds" in entry]
    assert told == [("machine.slept", 1), ("clock.jumped", -1), ("clock.jumped", 1)]


async def test_a_timer_planned_out_of_all_reason_is_planned_anew(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture
) -> None:
    async with running(database, clock):
        await until_planned(connection)
        await connection.execute("UPDATE scheduler_timers SET due_at = '2044-05-01', starts_at = '2044-05-01'")

        async def is_mended() -> bool:
            return all(at.due_at.year == 2026 for at in await timers.list_all(connection))

        await eventually(is_mended)

    assert {entry["reason"] for entry in said.entries if entry["event"] == "timer.replanned"} >= {
        "the clock was set back"
    }
    assert await runs.list_newest(connection, None, 10) == []


async def test_a_job_that_is_due_again_while_it_runs_is_held_back_says_so_once_and_follows(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = asyncio.Semaphore(0), asyncio.Event()

    async def long(run: Run, means: Means) -> str:
        begun.release()
        await release.wait()
        return "done at last"

    monkeypatch.setitem(occasions.OCCASIONS, "ingestion_tick", long)
    async with running(database, clock):
        await until_planned(connection)
        await ask_by_hand(connection, "ingestion_tick")
        await begun.acquire()
        clock.advance(3600)
        await ask_by_hand(connection, "resting_hr")
        await until_ended(connection, 1)
        await ask_by_hand(connection, "resting_hr")
        await until_ended(connection, 2)
        (late,) = [at for at in (await vitals.read(connection, 77))["timers"] if at.job == "ingestion_tick"]
        assert late.running_since is not None
        release.set()
        await begun.acquire()
        rows = await until_ended(connection, 4)

    ticks = [row for row in rows if row["job"] == "ingestion_tick"]
    assert [row["trigger"] for row in ticks] == ["timer", "manual"]
    assert [entry["event"] for entry in said.entries].count("timer.held_back") == 1


# What


async def test_a_run_counts_whom_it_skipped_and_why_and_what_the_others_brought(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect_athletes(connection, range(1, 8))

    def decide(athlete_id: int) -> Sync | Skip:
        if athlete_id == 4:
            raise ValueError("something odd about this one")
        return look(athlete_id) if athlete_id > 4 else Skip(why="too_soon", reason="", until=clock.now())

    rule(monkeypatch, decide)
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "background_sync")
        await look_until_ended(connection)

    (row,) = await ended(connection)
    assert (row["run_id"], row["state"], row["trigger"]) == (run_id, "finished", "manual")
    assert row["result"] == "considered 7 athletes for a sync"
    assert (row["considered"], row["skipped"]) == (7, {"too_soon": 3, "not_considered": 1})
    assert (row["synced"], row["failed"], row["calls"]) == (3, 0, 3)
    assert (row["new_activities"], row["missed_webhooks"]) == (6, 3)


async def test_however_many_athletes_the_queue_holds_few_of_their_looks_and_the_most_urgent_first(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MOST_PER_PAGE": 16, "MOST_ASKED": 7, "MOST_PER_SLICE": 5, "MOST_DECIDED": 40}.items():
        monkeypatch.setattr(occasions, name, value)
    rule(monkeypatch, look)
    await connect_athletes(connection, range(1, 101))
    most_queued = 0
    order: list[int] = []
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "daily_sync")

        async def all_looked() -> bool:
            nonlocal most_queued
            queued = await connection.fetch(
                "SELECT serial_key FROM jobs WHERE state = 'queued' AND kind = 'sync_athlete' ORDER BY run_at"
            )
            most_queued = max(most_queued, len(queued))
            if queued:
                order.extend(row["serial_key"] for row in queued)
                await work_off(connection, NEWS)
            return bool(await ended(connection))

        await eventually(all_looked)

    (row,) = await ended(connection)
    assert (row["considered"], row["synced"], row["calls"]) == (100, 100, 100)
    assert 0 < most_queued <= 7
    assert set(await ask_rows(connection, run_id)) == set(range(1, 101))
    # Nobody is looked at before three pages are known, and of these the most urgent come first.
    assert order[0] == 48


@pytest.mark.parametrize(("job", "days"), [("quick_sync", 7), ("daily_sync", 30), ("weekly_thresholds", 30)])
async def test_wellness_is_read_again_of_whoever_gave_a_key(
    database: Database,
    connection: Connection,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    days: int,
) -> None:
    rule(monkeypatch, lambda athlete_id: Skip(why="too_soon", reason="", until=clock.now()))
    await connect_athletes(connection, range(1, 4))
    for athlete_id in (1, 3):
        await intervals_credentials.put(connection, athlete_id, "api_key", b"sealed", clock.now())
    async with running(database, clock):
        await ask_by_hand(connection, job)
        (row,) = await until_ended(connection, 1)

    queued = await connection.fetch("SELECT payload, lookback_seconds FROM jobs WHERE kind = 'sync_wellness'")
    assert {(one["payload"]["athlete_id"], one["lookback_seconds"]) for one in queued} == {
        (1, days * 86_400),
        (3, days * 86_400),
    }
    assert f"asked for {days} days of wellness of 2" in row["result"]


@pytest.mark.parametrize("job", ["quick_sync", "weekly_thresholds", "resting_hr", "monthly_load"])
async def test_for_whom_an_erasure_takes_away_as_he_is_considered_nothing_is_queued(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    rule(monkeypatch, lambda athlete_id: Skip(why="too_soon", reason="", until=clock.now()))
    await connect_athletes(connection, range(1, 4))
    for athlete_id in (1, 2):
        await intervals_credentials.put(connection, athlete_id, "api_key", b"sealed", clock.now())
    async with running(database, clock):
        async with database.transaction() as erasing:
            assert await athletes.leave(erasing, 2, clock.now())
            assert await athletes.lock_departed(erasing, 2) is not None
            await ask_by_hand(connection, job)
            await until_waiting(connection, seconds=60)
            await erase_athlete.erase(erasing, 2)
        await until_ended(connection, 1)

    queued = await connection.fetch(
        "SELECT coalesce(serial_key, (payload->>'athlete_id')::bigint) AS whose FROM jobs"
    )
    assert {row["whose"] for row in queued} in ({1}, {1, 3})


async def test_where_the_days_calls_are_short_the_most_urgent_are_looked_at_and_the_others_passed_over(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's webhooks are proven and the day has few calls left: what remains is spread over the day."""
    rule(monkeypatch, lambda athlete_id: replace(look(athlete_id), urgency=STALE_URGENCY + athlete_id))

    # Late in the evening all that remains may be spent at once.
    monkeypatch.setattr(occasions, "read_with_demand", read_at_noon)
    await connect_athletes(connection, range(1, 101))
    await connection.execute(
        "UPDATE quota_ledgers SET overall_day_limit = 48, read_day_limit = 48, overall_quarter_limit = 48,"
        " read_quarter_limit = 48"
    )
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "background_sync")
        await look_until_ended(connection)

    (row,) = await ended(connection)
    assert row["considered"] == 100
    assert 0 < row["synced"] < 48
    assert row["skipped"] == {"unaffordable": 100 - row["synced"]}
    assert set(await ask_rows(connection, run_id)) == set(range(101 - row["synced"], 101))


async def test_a_walk_over_histories_is_the_months_and_counts_like_any_look(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[Occasion] = []

    def should_sync(
        athlete: Athlete, occasion: Occasion, now: datetime, proof: Proof, policy: Policy
    ) -> Sync | Skip:
        asked_for.append(occasion)
        return Sync(why="walk", reason="never walked", lookback=timedelta(days=36_500), urgency=0.0)

    monkeypatch.setattr(occasions, "should_sync", should_sync)
    await connect_athletes(connection, [1])
    async with running(database, clock):
        await ask_by_hand(connection, "monthly_load")

        async def is_queued() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'walk_history'"))

        await eventually(is_queued)
        await runs.settle_asks(connection, 1, datetime(1970, 1, 1, tzinfo=UTC), SyncResult("synced", calls=4))
        (row,) = await until_ended(connection, 1)

    assert asked_for == [Occasion.MONTHLY_WALK]
    assert (row["synced"], row["calls"]) == (1, 4)
    assert "loads of 90 days of 1 athletes" in row["result"]
    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'recompute_load'") == 1


@pytest.mark.parametrize(("job", "occasion"), [("weekly_thresholds", "weekly"), ("resting_hr", "resting_hr")])
async def test_everybodys_thresholds_are_looked_at_some_at_a_time(
    database: Database,
    connection: Connection,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    occasion: str,
) -> None:
    monkeypatch.setattr(occasions, "MOST_ASKED", 3)
    await connect_athletes(connection, range(1, 9))
    most_waiting, looked_at = 0, list[int]()
    async with running(database, clock):
        await ask_by_hand(connection, job)

        async def all_looked() -> bool:
            nonlocal most_waiting
            waiting = await connection.fetch(
                "DELETE FROM jobs WHERE kind = 'fit_thresholds' RETURNING serial_key, payload"
            )
            most_waiting = max(most_waiting, len(waiting))
            assert all(row["payload"]["occasion"] == occasion for row in waiting)
            looked_at.extend(row["serial_key"] for row in waiting)
            return bool(await ended(connection)) and len(looked_at) >= 8

        await eventually(all_looked)

    (row,) = await ended(connection)
    assert sorted(looked_at) == list(range(1, 9))
    assert most_waiting <= 5
    assert "thresholds of 8 athletes" in row["result"]


async def test_looks_that_wait_for_a_later_day_do_not_hold_up_those_of_everybody(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occasions, "MOST_ASKED", 3)
    await connect_athletes(connection, range(1, 5))
    tomorrow = clock.now() + timedelta(days=1)
    parked = [fit_thresholds.new(athlete_id, FitOccasion.SIGNIFICANT_WEEK, tomorrow) for athlete_id in range(1, 5)]
    await jobs.enqueue(connection, parked)
    async with running(database, clock):
        await ask_by_hand(connection, "weekly_thresholds")

        async def ended_while_three_are_taken_at_a_time() -> bool:
            await connection.execute("DELETE FROM jobs WHERE payload->>'occasion' = 'weekly'")
            return bool(await ended(connection))

        await eventually(ended_while_three_are_taken_at_a_time)

    (row,) = await ended(connection)
    assert "thresholds of 4 athletes" in row["result"]
    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'fit_thresholds'") == len(parked)


def test_there_is_an_occasion_for_every_timer() -> None:
    assert set(occasions.OCCASIONS) == set(TIMERS)


# Stops, deaths and failures


async def test_a_stop_leaves_at_once_and_the_next_daemon_goes_on_considering_nobody_twice(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    considered: list[int] = []

    def decide(athlete_id: int) -> Sync:
        considered.append(athlete_id)
        return look(athlete_id)

    rule(monkeypatch, decide)
    await connect_athletes(connection, range(1, 31))
    monkeypatch.setattr(occasions, "MOST_PER_PAGE", 10)
    monkeypatch.setattr(occasions, "MOST_DECIDED", 10)
    monkeypatch.setattr(occasions, "MOST_ASKED", 4)
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "daily_sync")

        async def is_full() -> bool:
            (at_work,) = await runs.list_newest(connection, None, 10)
            queued = await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'sync_athlete'")
            return (at_work["considered"], queued) == (20, 4)

        await eventually(is_full)
    assert considered == list(range(1, 21))
    (stopped,) = await runs.list_newest(connection, None, 10)
    assert (stopped["run_id"], stopped["state"], stopped["considered"]) == (run_id, "waiting", 20)

    async with running(database, clock):
        await look_until_ended(connection)

    assert considered == list(range(1, 31))
    (row,) = await ended(connection)
    assert (row["run_id"], row["considered"], row["synced"]) == (run_id, 30, 30)


async def test_a_run_whose_daemon_died_is_taken_over_and_ended(
    database: Database, connection: Connection, clock: SetClock
) -> None:
    dead = await held_run(connection, "resting_hr")
    async with running(database, clock):
        await ask_by_hand(connection, "weekly_thresholds")
        await until_ended(connection, 1)  # a run that is held is left alone
        await expire_run(connection, dead)
        rows = await until_ended(connection, 2)

    assert dead.run_id in {row["run_id"] for row in rows}


async def test_a_daemon_that_was_taken_for_dead_lets_go(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def long(run: Run, means: Means) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    monkeypatch.setitem(occasions.OCCASIONS, "resting_hr", long)
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "resting_hr")
        await begun.wait()
        await connection.execute(
            "UPDATE scheduler_runs SET token = gen_random_uuid(), lease_until = now() + interval '1 h'"
        )
        clock.advance(20)  # a third of the lease
        async with asyncio.timeout(60):
            await gone.wait()

    (row,) = await runs.list_newest(connection, None, 10)
    assert (row["run_id"], row["state"]) == (run_id, "running")
    assert "run.lease_lost" in {entry["event"] for entry in said.entries}


async def test_troubles_of_the_database_cost_a_run_no_attempt(
    database: Database, connection: Connection, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Retryable("the database did not answer", at=clock.now())] * 3)

    async def unlucky(run: Run, means: Means) -> str:
        for error in answers:
            raise error
        return f"through at attempt {run.attempts}"

    monkeypatch.setitem(occasions.OCCASIONS, "resting_hr", unlucky)
    monkeypatch.setattr(loop, "MOST_ATTEMPTS", 2)
    async with running(database, clock):
        await ask_by_hand(connection, "resting_hr")
        (row,) = await until_ended(connection, 1)

    assert (row["state"], row["result"]) == ("finished", "through at attempt 1")


async def test_an_occasion_that_breaks_harms_no_other_is_tried_again_and_given_up_in_the_end(
    database: Database, connection: Connection, clock: SetClock, said: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(run: Run, means: Means) -> str:
        raise ZeroDivisionError

    monkeypatch.setitem(occasions.OCCASIONS, "daily_sync", broken)
    monkeypatch.setattr(loop, "MOST_ATTEMPTS", 2)
    async with running(database, clock):
        run_id = await ask_by_hand(connection, "daily_sync")

        async def is_put_down() -> bool:
            (row,) = await runs.list_newest(connection, "daily_sync", 1)
            return row["state"] == "waiting" and row["error"] is not None

        await eventually(is_put_down)
        await ask_by_hand(connection, "resting_hr")
        (other,) = await until_ended(connection, 1)
        assert (other["job"], other["state"]) == ("resting_hr", "finished")
        await connection.execute("UPDATE scheduler_runs SET run_at = now() WHERE run_id = $1", run_id)
        rows = await until_ended(connection, 2)

    (failed,) = [row for row in rows if row["run_id"] == run_id]
    assert failed["state"] == "failed"
    assert failed["error"] == "gave up after 2 attempts: unexpected ZeroDivisionError; the log has the traceback"
    assert [entry["event"] for entry in said.entries].count("run.broke") == 2

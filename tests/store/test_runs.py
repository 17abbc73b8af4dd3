"""Runs of scheduled jobs: one daemon of many takes one, none overlaps itself, none is lost, and asks add up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.jobs import sync_athlete
from daemon.store import athletes, jobs, runs, timers
from daemon.store.database import Connection, Database
from daemon.store.jobs import LeaseLost
from daemon.store.runs import AlreadyRunning, Progress, Requested, Run, SyncResult
from daemon.store.timers import Next
from tests.support.queue import claim_one
from tests.support.schedule import (
    DUE_AT,
    FOLLOWING,
    ask,
    ask_rows,
    connect_athletes,
    decide,
    expire_run,
    held_run,
    plan_timer,
    planned,
    run_row,
)
from tests.support.sessions import several

TAKERS = 8


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection to a database with athletes 1 to 9."""
    async with database.connection() as connection:
        await connect_athletes(connection, range(1, 10))
        yield connection


async def ask_jobs(connection: Connection, run: Run, most: int = 100) -> list[int]:
    """Queue jobs for a run's most urgent asks, as the loop does; returns the athletes in that order."""
    async with connection.transaction():
        asks = await runs.hold_most_urgent(connection, run, most)
        new = {
            held.athlete_id: sync_athlete.new(
                held.athlete_id, timedelta(seconds=held.lookback_seconds), Lane.SCHEDULED, DUE_AT, held.reason
            )
            for held in asks
        }
        await jobs.enqueue(connection, new.values())
        await runs.mark_asked(connection, run, {athlete_id: job.dedup_key for athlete_id, job in new.items()})
    return list(new)


# Who takes a run


async def test_of_eight_daemons_one_takes_a_due_timer_and_the_timer_moves_on(
    arguments: dict[str, Any], connection: Connection
) -> None:
    timer = await plan_timer(connection, "daily_sync")

    async with several(arguments, TAKERS) as daemons:
        taken = await asyncio.gather(*(timers.take(one, timer, DUE_AT, FOLLOWING, 60) for one in daemons))

    (run,) = [run for run in taken if run is not None]
    assert (run.job, run.trigger, run.due_at, run.attempts) == ("daily_sync", "timer", DUE_AT, 1)
    assert await connection.fetchval("SELECT count(*) FROM scheduler_runs") == 1
    after = await planned(connection, "daily_sync")
    assert (after.due_at, after.open_run_id) == (FOLLOWING.due_at, run.run_id)


async def test_of_eight_daemons_one_takes_what_was_asked_for_by_hand(
    arguments: dict[str, Any], connection: Connection
) -> None:
    await runs.request(connection, "daily_sync", "manual")

    async with several(arguments, TAKERS) as daemons:
        taken = await asyncio.gather(*(runs.take_waiting(one, ["daily_sync"], 60) for one in daemons))

    assert sum(run is not None for run in taken) == 1


async def test_a_run_that_another_daemon_is_just_taking_is_passed_over_without_waiting(
    arguments: dict[str, Any], connection: Connection
) -> None:
    await runs.request(connection, "daily_sync", "manual")

    async with several(arguments, 1) as (other,), other.transaction():
        assert await runs.take_waiting(other, ["daily_sync"], 60) is not None
        async with asyncio.timeout(60):
            assert await runs.take_waiting(connection, ["daily_sync"], 60) is None


async def test_of_eight_who_ask_for_a_run_at_once_one_gets_it_and_the_others_are_told_which(
    arguments: dict[str, Any], connection: Connection
) -> None:
    async with several(arguments, TAKERS) as askers:
        answers = await asyncio.gather(
            *(runs.request(one, "daily_sync", "api") for one in askers), return_exceptions=True
        )

    (accepted,) = [answer for answer in answers if isinstance(answer, Requested)]
    refused = [answer for answer in answers if isinstance(answer, AlreadyRunning)]
    assert {refusal.run_id for refusal in refused} == {accepted.run_id}
    assert len(refused) == TAKERS - 1
    assert f"daily_sync is already running: run {accepted.run_id} is about to begin" in str(refused[0])


async def test_a_job_at_work_is_not_begun_again_and_its_due_time_waits_for_it(connection: Connection) -> None:
    at_work = await held_run(connection)
    timer = await plan_timer(connection, "daily_sync")

    assert await timers.take(connection, timer, DUE_AT, FOLLOWING, 60) is None
    with pytest.raises(AlreadyRunning, match="at work since"):
        await runs.request(connection, "daily_sync", "manual")
    assert (await planned(connection, "daily_sync")).due_at == DUE_AT

    await runs.finish(connection, at_work, "done")
    run = await timers.take(connection, timer, DUE_AT, FOLLOWING, 60)
    assert run is not None
    assert run.run_id != at_work.run_id


async def test_other_jobs_are_not_in_each_others_way(connection: Connection) -> None:
    first, second = await held_run(connection, "daily_sync"), await held_run(connection, "quick_sync")

    assert first.run_id != second.run_id


async def test_a_timer_that_another_daemon_moved_is_neither_taken_nor_planned_anew(connection: Connection) -> None:
    timer = await plan_timer(connection, "daily_sync")
    stale = replace(timer, due_at=DUE_AT - timedelta(days=1))
    elsewhere = Next(DUE_AT + timedelta(days=9), DUE_AT + timedelta(days=9))

    assert await timers.take(connection, stale, DUE_AT, elsewhere, 60) is None
    await timers.replan(connection, stale, elsewhere)
    await timers.plant(connection, {"daily_sync": elsewhere})

    assert await planned(connection, "daily_sync") == timer


async def test_a_run_of_a_job_that_this_version_does_not_know_is_left_to_one_that_does(
    connection: Connection,
) -> None:
    await runs.request(connection, "yearly_review", "manual")

    assert await runs.take_waiting(connection, ["daily_sync"], 60) is None


# A daemon dies, stops, or is taken for dead


async def test_a_run_whose_daemon_died_goes_on_at_its_cursor_and_the_dead_one_changes_nothing_any_more(
    connection: Connection,
) -> None:
    dead = await held_run(connection)
    await runs.advance(connection, dead, Progress(4, False, 4, {"too_soon": 3}, 0, 0), [ask(4)])
    assert await runs.take_waiting(connection, ["daily_sync"], 60) is None
    await expire_run(connection, dead)

    heir = await runs.take_waiting(connection, ["daily_sync"], 60)

    assert heir is not None
    assert (heir.run_id, heir.attempts) == (dead.run_id, 2)
    assert await runs.progress(connection, heir) == Progress(4, False, 4, {"too_soon": 3}, decided=1, asked=0)
    for step in (
        runs.progress(connection, dead),
        runs.advance(connection, dead, Progress(9, True, 9, {}, 0, 0), []),
        runs.put_down(connection, dead, timedelta(0), None),
        runs.finish(connection, dead, "done"),
        runs.fail(connection, dead, "broke"),
    ):
        with pytest.raises(LeaseLost):
            await step
    assert await runs.hold_most_urgent(connection, dead, 10) == []
    assert await runs.progress(connection, heir) == Progress(4, False, 4, {"too_soon": 3}, decided=1, asked=0)


async def test_a_heartbeat_keeps_a_run_and_says_which_ones_are_lost(connection: Connection) -> None:
    kept, lost = await held_run(connection, "daily_sync"), await held_run(connection, "quick_sync")
    await expire_run(connection, kept)
    await expire_run(connection, lost)
    assert await runs.take_waiting(connection, ["quick_sync"], 60) is not None

    assert await runs.extend_leases(connection, [kept, lost], 60) == {kept.run_id}

    assert await runs.take_waiting(connection, ["daily_sync", "quick_sync"], 60) is None


async def test_what_is_put_down_is_taken_up_at_once_or_after_its_wait_and_a_stop_costs_no_attempt(
    connection: Connection,
) -> None:
    run = await held_run(connection)

    await runs.put_down(connection, run, timedelta(0), None, give_back=True)
    again = await runs.take_waiting(connection, ["daily_sync"], 60)
    assert again is not None
    assert again.attempts == 1
    await runs.put_down(connection, again, timedelta(minutes=5), "it broke")

    assert await runs.take_waiting(connection, ["daily_sync"], 60) is None
    row = await run_row(connection, run.run_id)
    assert (row["state"], row["error"], row["attempts"]) == ("waiting", "it broke", 1)


async def test_attempts_count_from_where_a_run_last_came_forward(connection: Connection) -> None:
    run = await held_run(connection)
    await expire_run(connection, run)
    second = await runs.take_waiting(connection, ["daily_sync"], 60)
    assert second is not None
    await runs.advance(connection, second, Progress(3, False, 3, {}, 0, 0), [])
    await expire_run(connection, second)

    third = await runs.take_waiting(connection, ["daily_sync"], 60)

    assert third is not None
    assert third.attempts == 2


# Asks


async def test_the_most_urgent_are_asked_first_and_each_once(connection: Connection) -> None:
    run = await held_run(connection)
    await decide(connection, run, ask(1, urgency=0.5), ask(2, urgency=7), ask(3, urgency=2), ask(4, urgency=2))

    assert await ask_jobs(connection, run, most=3) == [2, 3, 4]
    assert await ask_jobs(connection, run) == [1]
    assert await ask_jobs(connection, run) == []

    reached = await runs.progress(connection, run)
    assert (reached.decided, reached.asked) == (0, 4)


async def test_who_is_being_erased_is_passed_over_without_waiting(
    arguments: dict[str, Any], connection: Connection
) -> None:
    run = await held_run(connection)
    await decide(connection, run, ask(1), ask(2))
    async with several(arguments, 1) as (erasing,), erasing.transaction():
        await erasing.execute("SELECT 1 FROM athletes WHERE athlete_id = 1 FOR UPDATE")

        assert await ask_jobs(connection, run) == [2]
        await runs.advance(connection, run, Progress(9, True, 9, {}, 0, 0), [ask(1), ask(3)])
        await erasing.execute("DELETE FROM athletes WHERE athlete_id = 1")

    assert set(await ask_rows(connection, run.run_id)) == {2, 3}


async def test_one_look_settles_every_ask_that_it_covers_and_its_calls_are_counted_once(
    connection: Connection,
) -> None:
    first, second, wide = [
        await held_run(connection, job) for job in ("ingestion_tick", "quick_sync", "daily_sync")
    ]
    await decide(connection, second, ask(1))
    await decide(connection, first, ask(1), ask(2))
    await decide(connection, wide, ask(1, lookback=timedelta(days=14)))
    await ask_jobs(connection, second)
    reached_to = datetime.now(UTC) - timedelta(days=3)

    found = SyncResult("synced", calls=2, new_activities=3, edited=4, deleted=5, missed_webhooks=1)
    await runs.settle_asks(connection, 1, reached_to, found)

    # The one that had its job queued is the oldest; the other was only decided, and needs no look any more.
    settled = (await ask_rows(connection, second.run_id))[1]
    assert {name: settled[name] for name in SyncResult.__dataclass_fields__} == {
        "outcome": "synced", "calls": 2, "new_activities": 3, "edited": 4, "deleted": 5, "missed_webhooks": 1,
    }  # fmt: skip
    shared = (await ask_rows(connection, first.run_id))[1]
    assert (shared["outcome"], shared["calls"], shared["missed_webhooks"]) == ("shared", 0, 0)
    assert (await ask_rows(connection, first.run_id))[2]["outcome"] is None
    assert (await ask_rows(connection, wide.run_id))[1]["outcome"] is None


@pytest.mark.parametrize(
    ("lookback", "reached_back", "is_covered"),
    [
        (timedelta(days=3), timedelta(days=3), True),
        (timedelta(days=3), timedelta(days=2, hours=23, minutes=56), True),  # clocks of two hosts
        (timedelta(days=3), timedelta(days=2, hours=23), False),
        (timedelta(days=36_500), timedelta(days=14), False),
        (timedelta(days=36_500), timedelta(days=60 * 366), True),
    ],
)
async def test_a_look_covers_what_it_reached(
    connection: Connection, lookback: timedelta, reached_back: timedelta, is_covered: bool
) -> None:
    run = await held_run(connection)
    await decide(connection, run, ask(1, lookback=lookback))

    await runs.settle_asks(connection, 1, datetime.now(UTC) - reached_back, SyncResult("synced"))

    assert ((await ask_rows(connection, run.run_id))[1]["outcome"] == "synced") is is_covered


async def test_a_failed_look_counts_as_failed_and_what_was_only_decided_gets_its_own_try(
    connection: Connection,
) -> None:
    asked, decided = await held_run(connection, "quick_sync"), await held_run(connection, "daily_sync")
    await decide(connection, asked, ask(1))
    await decide(connection, decided, ask(1))
    await ask_jobs(connection, asked)

    await runs.fail_asks(connection, 1, "Strava answers 500")

    failed = (await ask_rows(connection, asked.run_id))[1]
    assert (failed["outcome"], failed["failure"]) == ("failed", "Strava answers 500")
    assert (await ask_rows(connection, decided.run_id))[1]["outcome"] is None


async def test_a_runs_figures_are_the_sums_over_its_asks(connection: Connection) -> None:
    run = await held_run(connection)
    skipped = {"too_soon": 5, "webhooks_alive": 1}
    await runs.advance(connection, run, Progress(9, True, 9, skipped, 0, 0), [ask(1), ask(2), ask(3)])
    await ask_jobs(connection, run)
    reached_to = datetime.now(UTC) - timedelta(days=3)
    await runs.settle_asks(connection, 1, reached_to, SyncResult("synced", calls=1))
    await runs.settle_asks(connection, 2, reached_to, SyncResult("synced", 2, 3, 1, 1, missed_webhooks=2))
    (going_on,) = await runs.list_newest(connection, "daily_sync", 10)
    assert (going_on["open"], going_on["synced"], going_on["calls"]) == (1, 2, 3)
    await runs.fail_asks(connection, 3, "Strava answers 500")

    figures = await runs.finish(connection, run, "looked")

    assert figures == {
        "considered": 9, "skipped": skipped, "synced": 2, "failed": 1, "calls": 3, "new_activities": 3, "edited": 1,
        "deleted": 1, "missed_webhooks": 2,
    }  # fmt: skip
    (ended,) = await runs.list_newest(connection, None, 10)
    assert ended["state"] == "finished"
    assert {name: ended[name] for name in figures} == figures


# Stragglers


async def _one_asked(connection: Connection) -> Run:
    run = await held_run(connection)
    await decide(connection, run, ask(1), ask(2))
    await ask_jobs(connection, run)
    return run


async def _straggle(connection: Connection, how: str) -> None:
    """Let the job of athlete 1 go one of the ways that jobs go."""
    if how == "rests":
        assert await athletes.rest(connection, 1, "he took it back", 0, deauthorized=True)
        return
    await connection.execute("UPDATE jobs SET run_at = now() + interval '1 h' WHERE serial_key = 2")
    job = await claim_one(connection)
    assert job.serial_key == 1
    if how == "is gone":
        await jobs.forget_athlete(connection, 1)
    elif how == "died":
        await jobs.bury(connection, job, "Strava answers 500")
    elif how == "is done":
        await jobs.complete(connection, job, "looked")
    elif how == "keeps failing":
        await connection.execute("UPDATE jobs SET attempts = 3 WHERE job_id = $1", job.job_id)
        await jobs.requeue(connection, job, DUE_AT, "Strava answers 502")
    elif how == "has failed once":
        await jobs.requeue(connection, job, DUE_AT, "Strava answers 502")


@pytest.mark.parametrize(
    ("how", "outcome", "failure"),
    [
        ("rests", "failed", "the athlete needs to connect again"),
        ("is gone", "failed", "its job is gone"),
        ("died", "failed", "Strava answers 500"),
        ("keeps failing", "failed", "Strava answers 502"),
        ("is done", "synced", None),
        ("has failed once", None, None),
        ("is at work", None, None),
    ],
)
async def test_one_athletes_failure_is_his_alone_and_holds_no_run_up(
    connection: Connection, how: str, outcome: str | None, failure: str | None
) -> None:
    run = await _one_asked(connection)
    await _straggle(connection, how)

    settled = await runs.settle_stragglers(connection, run, most_attempts=3)

    rows = await ask_rows(connection, run.run_id)
    assert (rows[1]["outcome"], rows[1]["failure"]) == (outcome, failure)
    assert rows[2]["outcome"] is None
    assert settled == (outcome is not None)


# Retention


async def test_old_runs_are_forgotten_with_their_asks_but_the_newest_of_each_job_stays(
    connection: Connection,
) -> None:
    kept = []
    for job in ("daily_sync", "daily_sync", "monthly_load"):
        run = await held_run(connection, job)
        await decide(connection, run, ask(1))
        await runs.finish(connection, run, "done")
        kept.append(run.run_id)
    at_work = await held_run(connection, "quick_sync")
    await decide(connection, at_work, ask(1))
    later = datetime.now(UTC) + timedelta(days=1)

    assert await runs.prune(connection, later, most=10) == 0  # not before its asks
    assert await runs.prune_asks(connection, later, most=2) == 2
    assert await runs.prune_asks(connection, later, most=2) == 1
    assert await runs.prune(connection, later, most=10) == 1

    left = {row["run_id"] for row in await runs.list_newest(connection, None, 10)}
    assert left == {kept[1], kept[2], at_work.run_id}
    assert len(await ask_rows(connection, at_work.run_id)) == 1
    assert await runs.prune(connection, datetime(2026, 1, 1, tzinfo=UTC), most=10) == 0


# ── what cannot be afforded ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("looks", "less_urgent", "stay"),
    [
        (99, 99, {1, 2, 3, 4, 5, 6}),
        (2, 99, {5, 6}),
        (0, 0, set()),
        (99, 1, {3, 4, 5, 6}),  # of 1, 2 and 3 one is left, the most urgent
        (4, 0, {4, 5, 6}),
        (-3, -1, set()),
    ],
)
async def test_what_there_are_no_calls_for_is_skipped_the_least_urgent_first(
    connection: Connection, looks: int, less_urgent: int, stay: set[int]
) -> None:
    await connect_athletes(connection, range(1, 7))
    run = await held_run(connection)
    await decide(connection, run, *(ask(athlete_id, urgency=float(athlete_id)) for athlete_id in range(1, 7)))

    passed = await runs.pass_over(connection, run, looks, less_urgent, urgent=4.0)

    assert passed == 6 - len(stay)
    assert set(await ask_rows(connection, run.run_id)) == stay
    skipped = (await run_row(connection, run.run_id))["skipped"]
    assert skipped == ({"unaffordable": passed} if passed else {})
    assert await runs.pass_over(connection, run, looks, less_urgent, urgent=4.0) == 0


async def test_who_lost_the_run_passes_nobody_over(connection: Connection) -> None:
    await connect_athletes(connection, [1])
    run = await held_run(connection)
    await decide(connection, run, ask(1))
    await expire_run(connection, run)
    assert await runs.take_waiting(connection, [run.job], 60) is not None

    assert await runs.pass_over(connection, run, 0, 0, urgent=1.0) == 0
    assert set(await ask_rows(connection, run.run_id)) == {1}

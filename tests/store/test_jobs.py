"""The queue's rules, one by one: coalescing and the claim. How jobs end is in test_jobs_settling, storms in
test_jobs_storms.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from daemon.core.admission import LANES, Lane
from daemon.core.errors import Retryable
from daemon.store import jobs
from daemon.store.database import Connection, Database, named_queries
from tests.support.queue import (
    ANY_KIND,
    LONG_AGO,
    add_athletes,
    claim,
    claim_one,
    held_turns,
    later,
    new_job,
    only_queued,
    states,
)
from tests.support.sessions import backend_pid, end_backend, several


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Connection]:
    """A connection to a database with athletes 1 to 9."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 10))
        yield connection


# Coalescing


async def test_twins_become_one_with_the_earliest_instant_the_highest_lane_and_the_widest_lookback(
    queue: Connection,
) -> None:
    early, late = later(60), later(120)
    lazy = new_job("ride:1", 1, lane=Lane.BACKFILL, run_at=early, payload={"a": 1, "b": 1}, lookback_seconds=60)
    urgent = new_job("ride:1", 1, lane=Lane.INTERACTIVE, run_at=late, payload={"b": 2, "c": 2}, lookback_seconds=30)

    (first,) = await jobs.enqueue(queue, [lazy])
    assert await jobs.enqueue(queue, [urgent]) == [first]
    assert await jobs.enqueue(queue, [replace(lazy, lane=Lane.SCHEDULED, while_resting=True)]) == [first]

    row = await only_queued(queue)
    assert row["run_at"] == early
    assert row["lookback_seconds"] == 60
    assert row["payload"] == {"a": 1, "b": 1, "c": 2}  # the newest says what counts, the older what it left out
    assert row["while_resting"] is True
    assert await queue.fetchval("SELECT lane::text FROM jobs") == "interactive"


async def test_an_old_hint_that_comes_late_does_not_overrule_the_newer_one(queue: Connection) -> None:
    now = await queue.fetchval("SELECT now()")
    created = {"hinted_at": 1_700_000_100.0, "expects_gone": False}
    deleted = {"hinted_at": 1_700_000_000.0, "expects_gone": True}
    for first, second in ((created, deleted), (deleted, created)):
        await queue.execute("DELETE FROM jobs")
        await jobs.enqueue(queue, [new_job("ride:1", 1, run_at=now, payload=first)])
        await jobs.enqueue(queue, [new_job("ride:1", 1, run_at=now, payload=second)])
        assert await queue.fetchval("SELECT payload FROM jobs") == created


async def test_a_lookback_that_was_not_said_does_not_narrow_one_that_was(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("sync:1", 1, lookback_seconds=60)])
    await jobs.enqueue(queue, [new_job("sync:1", 1)])

    assert (await only_queued(queue))["lookback_seconds"] == 60


async def test_fresh_news_starts_the_attempts_anew(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    for _ in range(3):
        await jobs.requeue(queue, await claim_one(queue), LONG_AGO, "again")
    assert (await only_queued(queue))["attempts"] == 3

    await jobs.enqueue(queue, [new_job("ride:1", 1)])

    assert (await only_queued(queue))["attempts"] == 0


async def test_while_the_twin_runs_exactly_one_follow_up_queues_and_waits_for_it(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    running = await claim_one(queue)

    for _ in range(3):
        await jobs.enqueue(queue, [new_job("ride:1", 1)])

    assert await states(queue) == {"running": 1, "queued": 1}
    assert await claim(queue) == []
    await jobs.complete(queue, running, "done")
    follow_up = await claim_one(queue)
    assert follow_up.job_id != running.job_id
    assert await claim(queue) == []


async def test_a_job_that_was_done_does_not_swallow_a_new_one(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    await jobs.complete(queue, await claim_one(queue), "done")

    await jobs.enqueue(queue, [new_job("ride:1", 1)])

    assert await states(queue) == {"done": 1, "queued": 1}


# The claim


async def test_a_claimed_job_carries_what_was_queued_and_counts_the_attempt(queue: Connection) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1, payload={"activity_id": 7}, lookback_seconds=5)])

    job = await claim_one(queue)

    assert (job.job_id, job.kind, job.lane, job.serial_key) == (job_id, "ride", Lane.LIVE, 1)
    assert (job.payload, job.lookback_seconds, job.attempts) == ({"activity_id": 7}, 5, 1)
    assert job.queued_at.tzinfo == UTC
    assert await held_turns(queue) == {1: job_id}


async def test_the_highest_lane_goes_first_and_in_it_the_oldest(queue: Connection) -> None:
    order = [
        ("d", 4, Lane.LIVE, LONG_AGO),
        ("c", 3, Lane.LIVE, LONG_AGO + timedelta(seconds=1)),
        ("b", 2, Lane.INTERACTIVE, LONG_AGO - timedelta(days=1)),
        ("e", 5, Lane.SCHEDULED, LONG_AGO - timedelta(days=2)),
        ("a", 1, Lane.BACKFILL, LONG_AGO - timedelta(days=3)),
    ]
    await jobs.enqueue(
        queue, [new_job(key, athlete, lane=lane, run_at=run_at) for key, athlete, lane, run_at in reversed(order)]
    )

    claimed = [(await claim(queue, most=1))[0].dedup_key for _ in order]

    assert claimed == [key for key, *_ in order]


async def test_a_job_is_not_claimed_before_its_time(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1, run_at=later(60)), new_job("ride:2", 2)])

    assert [job.dedup_key for job in await claim(queue)] == ["ride:2"]


async def test_of_one_athlete_a_single_job_is_claimed_the_first_in_order(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{number}", 1, run_at=later(-number)) for number in range(20)])
    await jobs.enqueue(queue, [new_job("other", 2, lane=Lane.BACKFILL)])

    assert [job.dedup_key for job in await claim(queue)] == ["ride:19", "other"]


async def test_jobs_without_a_serial_key_run_side_by_side(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"mail:{number}") for number in range(5)])

    assert len(await claim(queue)) == 5
    assert await held_turns(queue) == {}


async def test_shut_lanes_are_passed_over_except_by_jobs_that_do_not_ask_strava(queue: Connection) -> None:
    await jobs.enqueue(
        queue,
        [
            new_job("live", 1),
            new_job("backfill", 2, lane=Lane.BACKFILL),
            new_job("erase", 3, lane=Lane.SCHEDULED, asks_strava=False),
        ],
    )

    assert [job.dedup_key for job in await claim(queue, lanes=[])] == ["erase"]
    assert [job.dedup_key for job in await claim(queue, lanes=[Lane.BACKFILL])] == ["backfill"]
    assert await states(queue) == {"running": 2, "queued": 1}


async def test_a_resting_athlete_s_jobs_wait_except_those_made_for_the_rest(queue: Connection) -> None:
    await queue.execute("UPDATE turns SET resting = true WHERE athlete_id = 1")
    await jobs.enqueue(queue, [new_job("ride", 1), new_job("look", 1, while_resting=True, lane=Lane.BACKFILL)])

    look = await claim_one(queue)
    assert look.dedup_key == "look"
    await jobs.complete(queue, look, "done")
    assert await claim(queue) == []

    await queue.execute("UPDATE turns SET resting = false WHERE athlete_id = 1")
    assert (await claim_one(queue)).dedup_key == "ride"


async def test_a_job_of_an_athlete_who_is_gone_keeps_nobody_from_being_claimed(queue: Connection) -> None:
    orphan = new_job("erase:77", 77, while_resting=True, run_at=LONG_AGO - timedelta(days=1))
    await jobs.enqueue(queue, [orphan, new_job("ride:1", 1)])

    assert [job.dedup_key for job in await claim(queue, most=1)] == ["ride:1"]


async def test_a_claim_waits_for_no_lock_and_takes_what_is_free(
    arguments: dict[str, Any], queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete) for athlete in range(1, 5)])
    async with several(arguments, 2) as (holder, claimer):
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT 1 FROM turns WHERE athlete_id = 1 FOR UPDATE")  # a job of 1 is being settled
        await holder.execute("SELECT 1 FROM jobs WHERE dedup_key = 'ride:2' FOR UPDATE")  # and one of 2 coalesced
        await holder.execute("SELECT 1 FROM athletes WHERE athlete_id = 3 FOR UPDATE")
        await claimer.execute("SET lock_timeout = '1ms'")

        claimed = {job.dedup_key for job in await claim(claimer)}
        await transaction.rollback()

    assert claimed == {"ride:3", "ride:4"}


async def test_a_crowd_of_jobs_behind_a_busy_athlete_hides_nobody(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{number:03}", 1) for number in range(200)])
    await jobs.enqueue(queue, [new_job("late", 2, lane=Lane.BACKFILL)])

    assert [job.serial_key for job in await claim(queue, most=2)] == [1]
    assert [job.serial_key for job in await claim(queue, most=2)] == [2]


async def test_a_claim_cut_off_before_its_commit_leaves_everything_as_it_was(
    arguments: dict[str, Any], queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with Database(arguments, pool_size=1) as other:
        with pytest.raises(Retryable):
            async with other.transaction() as cut:
                lost = await claim_one(cut)
                assert await claim(queue) == []
                await end_backend(queue, await backend_pid(cut))

    again = await claim_one(queue)
    assert (again.job_id, again.attempts) == (lost.job_id, 1)
    assert await held_turns(queue) == {1: again.job_id}


async def test_the_database_itself_refuses_a_second_running_job_of_an_athlete(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 1)])
    await claim_one(queue)

    with pytest.raises(asyncpg.UniqueViolationError):
        await queue.execute(
            "UPDATE jobs SET state = 'running', token = gen_random_uuid(), lease_until = now()"
            " WHERE state = 'queued'"
        )


async def test_a_settling_job_holds_back_neither_claims_nor_news_of_others(
    arguments: dict[str, Any], queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2)])
    (first,) = await claim(queue, most=1)
    async with several(arguments, 2) as (settling, other), asyncio.timeout(60):
        transaction = settling.transaction()
        await transaction.start()
        await jobs.complete(settling, first, "done")
        await jobs.enqueue(other, [new_job(first.dedup_key, 1), new_job("ride:3", 3)])

        assert {job.dedup_key for job in await claim(other)} == {"ride:2", "ride:3"}
        await transaction.commit()

    assert (await claim_one(queue)).dedup_key == first.dedup_key


# Fairness


async def rounds(queue: Connection, most: int, count: int) -> list[list[int]]:
    """Claim and complete in rounds, and return whose jobs each round took."""
    taken = []
    for _ in range(count):
        claimed = await claim(queue, most=most)
        taken.append(sorted(job.serial_key or 0 for job in claimed))
        for job in claimed:
            await jobs.complete(queue, job, "done")
    return taken


async def test_an_athlete_with_very_many_jobs_does_not_hold_up_those_with_few(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"many:{number:04}", 1, lane=Lane.BACKFILL) for number in range(300)])
    few = [
        new_job(f"few:{athlete}:{number}", athlete, lane=Lane.BACKFILL)
        for athlete in (2, 3)
        for number in (1, 2, 3)
    ]
    await jobs.enqueue(queue, few)

    assert await rounds(queue, most=1, count=10) == [[1], [2], [3]] * 3 + [[1]]


async def test_jobs_queued_one_by_one_take_turns_as_well(queue: Connection) -> None:
    for number in range(5):
        await jobs.enqueue(queue, [new_job(f"many:{number}", 1)])
    await jobs.enqueue(queue, [new_job("few:1", 2), new_job("few:2", 2)])

    assert await rounds(queue, most=1, count=7) == [[1], [2], [1], [2], [1], [1], [1]]


async def test_what_waits_for_something_else_or_for_later_takes_no_place(queue: Connection) -> None:
    soon = [new_job("fitness", 1, asks_strava=False), new_job("late streams", 1, run_at=later(600))]
    await jobs.enqueue(queue, soon)
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    await jobs.enqueue(queue, [new_job("ride:2", 2)])

    fair_at = {row["dedup_key"]: row["fair_at"] for row in await queue.fetch("SELECT dedup_key, fair_at FROM jobs")}
    assert fair_at["ride:1"] == fair_at["ride:2"] == LONG_AGO


async def test_turns_are_taken_within_a_lane_and_not_between_lanes(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"live:{number}", 1, lane=Lane.LIVE) for number in range(3)])
    await jobs.enqueue(queue, [new_job("history", 2, lane=Lane.BACKFILL)])

    assert await rounds(queue, most=1, count=4) == [[1], [1], [1], [2]]


async def test_a_job_keeps_its_place_when_it_goes_back(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 1), new_job("ride:3", 2)])
    (first,) = await claim(queue, most=1)
    await jobs.requeue(queue, first, LONG_AGO, "no quota", give_back=True)

    (again,) = await claim(queue, most=1)
    assert again.dedup_key == first.dedup_key == "ride:1"


async def test_places_kept_for_live_work_take_nothing_else(queue: Connection) -> None:
    await jobs.enqueue(
        queue,
        [new_job("ride:1", 1, lane=Lane.SCHEDULED), new_job("erase:2", 2, lane=Lane.SCHEDULED, asks_strava=False)],
    )

    assert await jobs.claim_due(queue, ANY_KIND, (Lane.LIVE,), LANES, lease_seconds=60, most=8) == []


async def test_whoever_waits_is_counted_without_reading_what_is_done(queue: Connection) -> None:
    await queue.execute(
        "INSERT INTO jobs (kind, lane, state, serial_key, dedup_key, run_at, fair_at, settled_at)"
        " SELECT 'ride', 'live', 'done', 1, 'ride:' || n, now(), now(), now() FROM generate_series(1, 5000) AS n"
    )
    others = [new_job(f"walk:{number}", 9, kind="walk") for number in range(500)]
    await jobs.enqueue(queue, others)
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2), new_job("run:4", 4, kind="run")])
    assert [job.serial_key for job in await claim(queue, most=1)] == [1]
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:3", 3, run_at=later(3600))])
    await queue.execute("ANALYZE jobs")

    assert await jobs.count_athletes_waiting(queue, "ride", due_by=later(0)) == 2
    assert await jobs.count_athletes_waiting(queue, "ride") == 3
    query = named_queries("jobs").count_athletes_waiting.sql
    plan = "\n".join(row[0] for row in await queue.fetch(f"EXPLAIN {query}", "ride", later(0)))
    assert "jobs_waiting" in plan
    assert "Seq Scan" not in plan

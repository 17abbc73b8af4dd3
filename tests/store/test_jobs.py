"""The queue's rules, one by one: coalescing, the claim, settling, rescue. Storms are in test_jobs_storms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.core.errors import Retryable
from daemon.store import athletes, jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, LeaseLost
from tests.support.queue import (
    LONG_AGO,
    add_athletes,
    backend_pid,
    claim,
    claim_one,
    end_backend,
    expire_leases,
    held_turns,
    job_row,
    later,
    new_job,
    several,
    states,
)

Settle = Callable[[Connection, Job], Awaitable[None]]


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Connection]:
    """A connection to a database with athletes 1 to 9."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 10))
        yield connection


async def only_queued(connection: Connection) -> dict[str, Any]:
    (row,) = await connection.fetch("SELECT * FROM jobs WHERE state = 'queued'")
    return dict(row)


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


async def test_a_claim_waits_for_no_lock_and_takes_what_is_free(arguments: dict[str, Any], queue: Connection) -> None:
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


# Settling


async def bury(connection: Connection, job: Job) -> None:
    await jobs.bury(connection, job, "hopeless")


async def complete(connection: Connection, job: Job) -> None:
    await jobs.complete(connection, job, "done")


async def requeue(connection: Connection, job: Job) -> None:
    await jobs.requeue(connection, job, later(60), "again")


async def requeue_into_follow_up(connection: Connection, job: Job) -> None:
    await jobs.enqueue(connection, [new_job(job.dedup_key, job.serial_key, run_at=later(60))])
    await jobs.requeue(connection, job, later(60), "again")


async def rescue(connection: Connection, job: Job) -> None:
    await expire_leases(connection)
    assert await jobs.rescue_expired(connection, max_attempts=5) == (1, 0)
    await connection.execute("UPDATE jobs SET run_at = $1 WHERE state = 'queued'", later(60))


async def rescue_into_death(connection: Connection, job: Job) -> None:
    await expire_leases(connection)
    assert await jobs.rescue_expired(connection, max_attempts=1) == (0, 1)


SETTLINGS = [complete, bury, requeue, requeue_into_follow_up, rescue, rescue_into_death]


@pytest.mark.parametrize("settle", SETTLINGS, ids=[settle.__name__ for settle in SETTLINGS])
async def test_every_way_to_settle_frees_the_turn(queue: Connection, settle: Settle) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    job = await claim_one(queue)

    await settle(queue, job)

    assert await held_turns(queue) == {}
    await jobs.enqueue(queue, [new_job("next", 1)])
    assert (await claim_one(queue)).dedup_key == "next"


@pytest.mark.parametrize("settle", [complete, bury, requeue], ids=lambda settle: settle.__name__)
@pytest.mark.parametrize("taken_again", [False, True], ids=["queued again", "running again"])
async def test_the_first_runner_of_a_rescued_job_can_settle_nothing(
    queue: Connection, settle: Settle, taken_again: bool
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    lost = await claim_one(queue)
    await expire_leases(queue)
    await jobs.rescue_expired(queue, max_attempts=5)
    if taken_again:
        await claim_one(queue)
    before = await job_row(queue, lost.job_id)

    with pytest.raises(LeaseLost, match="was taken over by another worker"):
        await settle(queue, lost)

    assert await job_row(queue, lost.job_id) == before
    assert await held_turns(queue) == ({1: lost.job_id} if taken_again else {})
    assert await jobs.extend_leases(queue, [lost], 60) == set()


async def test_a_job_is_settled_once(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    job = await claim_one(queue)
    await jobs.complete(queue, job, "done")

    with pytest.raises(LeaseLost):
        await jobs.complete(queue, job, "done again")


async def test_going_back_keeps_the_id_and_the_time_of_queueing_and_says_why(queue: Connection) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1, lookback_seconds=9)])
    job = await claim_one(queue)
    run_at = later(60)

    await jobs.requeue(queue, job, run_at, "a broken connection")

    row = await job_row(queue, job_id)
    assert row is not None
    assert (row["state"], row["run_at"], row["attempts"]) == ("queued", run_at, 1)
    assert (row["outcome"], row["queued_at"], row["lookback_seconds"]) == ("a broken connection", job.queued_at, 9)


async def test_a_deferral_gives_the_attempt_back(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    for _ in range(3):
        job = await claim_one(queue)
        assert job.attempts == 1
        await jobs.requeue(queue, job, LONG_AGO, "no quota", give_back=True)

    assert (await only_queued(queue))["attempts"] == 0


async def test_going_back_meets_the_follow_up_and_becomes_one_with_it(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1, payload={"a": 1, "b": 1}, lookback_seconds=60)])
    job = await claim_one(queue)
    soon = later(30)
    (follow_up,) = await jobs.enqueue(
        queue, [new_job("ride:1", 1, lane=Lane.BACKFILL, run_at=later(90), payload={"b": 2}, lookback_seconds=30)]
    )

    await jobs.requeue(queue, job, soon, "again")

    row = await only_queued(queue)
    assert row["job_id"] == follow_up
    assert (row["run_at"], row["attempts"], row["lookback_seconds"]) == (soon, 1, 60)
    assert row["payload"] == {"a": 1, "b": 2}  # the follow-up is newer
    assert await queue.fetchval("SELECT lane::text FROM jobs") == "live"
    assert await job_row(queue, job.job_id) is None


async def test_a_job_that_failed_too_often_is_dead_visible_and_can_be_revived(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1, payload={"activity_id": 7})])
    job = await claim_one(queue)
    await jobs.bury(queue, job, "Strava says no")

    (dead,) = await jobs.list_dead(queue, 10)
    assert (dead["job_id"], dead["outcome"], dead["attempts"]) == (job.job_id, "Strava says no", 1)
    assert {"kind": "ride", "state": "dead", "jobs": 1} in [
        {name: row[name] for name in ("kind", "state", "jobs")} for row in await jobs.count_by_state(queue)
    ]
    assert await claim(queue) == []

    assert await jobs.revive(queue, job.job_id)
    revived = await claim_one(queue)
    assert (revived.job_id, revived.attempts, revived.payload) == (job.job_id, 1, {"activity_id": 7})
    assert not await jobs.revive(queue, job.job_id)


async def test_reviving_beside_a_queued_twin_makes_one_of_them_that_looks_as_far_back(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("sync:1", 1, payload={"a": 1}, lookback_seconds=600, while_resting=True)])
    dead = await claim_one(queue)
    await jobs.bury(queue, dead, "hopeless")
    (twin,) = await jobs.enqueue(
        queue, [new_job("sync:1", 1, lane=Lane.BACKFILL, run_at=later(60), payload={"b": 2}, lookback_seconds=60)]
    )

    assert await jobs.revive(queue, dead.job_id)

    row = await only_queued(queue)
    assert (row["job_id"], row["lookback_seconds"], row["while_resting"]) == (twin, 600, True)
    assert row["payload"] == {"a": 1, "b": 2}
    assert (await claim_one(queue)).lane is Lane.LIVE
    assert await jobs.list_dead(queue, 10) == []


# Leases and rescue


async def test_a_lease_that_is_renewed_in_time_is_not_rescued(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2)])
    kept, lost = await claim(queue)
    await expire_leases(queue)

    assert await jobs.extend_leases(queue, [kept], 60) == {kept.job_id}
    assert await jobs.rescue_expired(queue, max_attempts=5) == (1, 0)

    assert await jobs.extend_leases(queue, [kept, lost], 60) == {kept.job_id}


async def test_a_job_that_took_its_worker_down_at_every_attempt_dies(queue: Connection) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1)])
    rescued = []
    for _ in range(3):
        await claim_one(queue)
        await expire_leases(queue)
        rescued.append(await jobs.rescue_expired(queue, max_attempts=3))

    assert rescued == [(1, 0), (1, 0), (0, 1)]
    (dead,) = await jobs.list_dead(queue, 10)
    assert (dead["job_id"], dead["attempts"], dead["outcome"]) == (job_id, 3, "its worker died at every attempt")


async def test_one_rescue_merges_many_into_their_follow_ups_and_spares_the_rest(queue: Connection) -> None:
    athletes_of_storm = range(100, 350)
    await add_athletes(queue, athletes_of_storm)
    await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete) for athlete in athletes_of_storm])
    claimed = await claim(queue, most=250)
    assert len(claimed) == 250
    followed = [job for job in claimed if job.serial_key is not None and job.serial_key % 2]
    await jobs.enqueue(queue, [new_job(job.dedup_key, job.serial_key, run_at=later(60)) for job in followed])
    await expire_leases(queue)

    assert await jobs.rescue_expired(queue, max_attempts=5) == (250, 0)

    assert await states(queue) == {"queued": 250}
    assert await queue.fetchval("SELECT count(*) FROM jobs WHERE run_at <= now() AND attempts = 1") == 250
    assert await held_turns(queue) == {}


async def test_of_twins_that_both_lost_their_workers_one_job_remains(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("mail", payload={"a": 1})])
    await claim_one(queue)
    await jobs.enqueue(queue, [new_job("mail", payload={"b": 2})])
    await claim_one(queue)  # without a serial key nothing keeps them apart
    await expire_leases(queue)

    sweeps = [await jobs.rescue_expired(queue, max_attempts=5) for _ in range(3)]

    assert sweeps == [(1, 0), (1, 0), (0, 0)]
    assert (await only_queued(queue))["payload"] == {"a": 1, "b": 2}


async def test_two_rescuers_at_once_wait_for_nothing_and_rescue_each_job_once(
    arguments: dict[str, Any], queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete) for athlete in range(1, 6)])
    await claim(queue)
    await expire_leases(queue)
    async with several(arguments, 2) as (slow, quick):
        async with slow.transaction():
            assert await jobs.rescue_expired(slow, max_attempts=5) == (5, 0)
            await quick.execute("SET lock_timeout = '1ms'")
            assert await jobs.rescue_expired(quick, max_attempts=5) == (0, 0)
        assert await jobs.rescue_expired(quick, max_attempts=5) == (0, 0)

    assert await states(queue) == {"queued": 5}


# Forgetting


async def test_old_jobs_that_were_done_are_forgotten_in_batches_and_dead_ones_are_not(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job(f"mail:{number}") for number in range(6)])
    *done, dead = await claim(queue)
    for job in done:
        await jobs.complete(queue, job, "done")
    await jobs.bury(queue, dead, "hopeless")
    await queue.execute("UPDATE jobs SET settled_at = settled_at - interval '9 days'")
    await jobs.enqueue(queue, [new_job("new")])
    await jobs.complete(queue, await claim_one(queue), "done")

    pruned = [await jobs.prune(queue, later(-8 * 86_400), most=3) for _ in range(3)]

    assert pruned == [3, 2, 0]
    assert await states(queue) == {"done": 1, "dead": 1}


async def test_a_job_and_its_results_are_one_transaction(queue: Connection, database: Database) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    lost = await claim_one(queue)
    await expire_leases(queue)
    await jobs.rescue_expired(queue, max_attempts=5)

    with pytest.raises(LeaseLost):
        async with database.transaction() as connection:
            await athletes.upsert(connection, 1, name="written by a ghost", sex=None, scope=[])
            await jobs.complete(connection, lost, "done")

    athlete = await athletes.get(queue, 1)
    assert athlete is not None
    assert athlete["name"] == "athlete 1"


async def test_the_database_itself_refuses_a_second_running_job_of_an_athlete(queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 1)])
    await claim_one(queue)

    with pytest.raises(asyncpg.UniqueViolationError):
        await queue.execute(
            "UPDATE jobs SET state = 'running', token = gen_random_uuid(), lease_until = now() WHERE state = 'queued'"
        )


async def test_a_settling_job_holds_back_neither_claims_nor_news_of_others(
    arguments: dict[str, Any], queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2)])
    (first,) = await claim(queue, most=1)
    async with several(arguments, 2) as (settling, other), asyncio.timeout(5):
        transaction = settling.transaction()
        await transaction.start()
        await jobs.complete(settling, first, "done")
        await jobs.enqueue(other, [new_job(first.dedup_key, 1), new_job("ride:3", 3)])

        assert {job.dedup_key for job in await claim(other)} == {"ride:2", "ride:3"}
        await transaction.commit()

    assert (await claim_one(queue)).dedup_key == first.dedup_key

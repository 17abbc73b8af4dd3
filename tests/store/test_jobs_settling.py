"""How jobs end: settled once by who holds them, put back, buried, revived, rescued, forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.store import athletes, jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, LeaseLost
from tests.support.queue import (
    LONG_AGO,
    add_athletes,
    claim,
    claim_one,
    expire_leases,
    held_turns,
    job_row,
    later,
    new_job,
    only_queued,
    states,
)
from tests.support.sessions import several

Settle = Callable[[Connection, Job], Awaitable[None]]


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Connection]:
    """A connection to a database with athletes 1 to 9."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 10))
        yield connection


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

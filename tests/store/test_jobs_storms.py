"""The queue under many connections at once, watched by somebody who asks the database nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import asyncpg

from daemon.core.admission import LANES, Lane
from daemon.store import jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job, LeaseLost
from tests.support.queue import LONG_AGO, add_athletes, claim, expire_leases, held_turns, new_job, states
from tests.support.sessions import deadlocks, several

CONNECTIONS = 8


class Watch:
    """Notes whose job begins and ends; a job lies within the time that the database holds it for running."""

    def __init__(self) -> None:
        self.at_work: Counter[int] = Counter()
        self.begun: Counter[int] = Counter()
        self.violations = 0

    def begins(self, job: Job) -> None:
        self.begun[job.job_id] += 1
        if job.serial_key is not None:
            self.at_work[job.serial_key] += 1
            self.violations += self.at_work[job.serial_key] > 1

    def ends(self, job: Job) -> None:
        if job.serial_key is not None:
            self.at_work[job.serial_key] -= 1


async def run_dry(connection: Connection, watch: Watch, most: int) -> None:
    """Claim and complete until nothing is queued."""
    while True:
        claimed = await claim(connection, most)
        for job in claimed:
            watch.begins(job)
        for job in claimed:
            await asyncio.sleep(0)
            watch.ends(job)
            await jobs.complete(connection, job, "done")
        if not claimed and not await connection.fetchval("SELECT count(*) FROM jobs WHERE state = 'queued'"):
            return


async def test_eight_connections_run_each_job_once_and_never_two_of_an_athlete(
    arguments: dict[str, Any], database: Database
) -> None:
    watch, athletes_at_once, jobs_each = Watch(), 40, 15
    lanes = random.Random(1)
    async with database.connection() as connection:
        await add_athletes(connection, range(1, athletes_at_once + 1))
        queued = await jobs.enqueue(
            connection,
            [
                new_job(f"ride:{athlete}:{number}", athlete, lane=lanes.choice(LANES))
                for athlete in range(1, athletes_at_once + 1)
                for number in range(jobs_each)
            ],
        )
    async with several(arguments, CONNECTIONS) as connections, asyncio.TaskGroup() as group:
        for number, connection in enumerate(connections):
            group.create_task(run_dry(connection, watch, most=1 + number % 4))

    assert watch.violations == 0
    assert watch.begun == dict.fromkeys(queued, 1)
    async with database.connection() as connection:
        assert await states(connection) == {"done": athletes_at_once * jobs_each}
        assert await held_turns(connection) == {}
        assert await deadlocks(connection) == 0


async def test_through_retries_deaths_rescues_and_fresh_events_nothing_is_lost_and_nobody_runs_twice(
    arguments: dict[str, Any], database: Database
) -> None:
    """Every fate of a job at once: at the end each key that was ever queued has been done after its last event."""
    watch, fates, crowd = Watch(), random.Random(2), range(1, 13)
    last_event: dict[str, int] = {}
    last_done: dict[str, int] = {}
    ticks = iter(range(1_000_000))
    sending = asyncio.Event()

    async def send(connection: Connection) -> None:
        for _ in range(60):
            keys = fates.sample([(athlete, ride) for athlete in crowd for ride in range(3)], 5)
            batch = [new_job(f"ride:{athlete}:{ride}", athlete) for athlete, ride in keys]
            await jobs.enqueue(connection, batch)
            last_event.update({job.dedup_key: next(ticks) for job in batch})
        sending.set()

    async def work(connection: Connection) -> None:
        while not sending.is_set() or set(await states(connection)) & {"queued", "running"}:
            for job in await claim(connection, most=3):
                began = next(ticks)
                watch.begins(job)
                await asyncio.sleep(0)
                watch.ends(job)
                try:
                    match fates.randrange(8):
                        case 0:
                            await jobs.requeue(connection, job, LONG_AGO, "again", give_back=True)
                        case 1:
                            await jobs.requeue(connection, job, LONG_AGO, "again")
                        case 2:
                            await jobs.bury(connection, job, "hopeless")
                            await jobs.revive(connection, job.job_id)
                        case 3:
                            await expire_leases(connection)  # of everybody: some will lose theirs
                        case _:
                            await jobs.complete(connection, job, "done")
                            last_done[job.dedup_key] = max(began, last_done.get(job.dedup_key, -1))
                except LeaseLost:
                    pass
            await jobs.rescue_expired(connection, max_attempts=10_000)

    async with several(arguments, CONNECTIONS) as connections, asyncio.timeout(120):
        await add_athletes(connections[0], crowd)
        async with asyncio.TaskGroup() as group:
            group.create_task(send(connections[0]))
            for connection in connections[1:]:
                group.create_task(work(connection))
        connection = connections[0]
        assert set(await states(connection)) == {"done"}
        assert await held_turns(connection) == {}
        assert await deadlocks(connection) == 0

    assert {key for key, at in last_event.items() if last_done.get(key, -1) < at} == set()


async def test_batches_in_opposite_orders_and_a_rescue_among_them_never_deadlock(
    arguments: dict[str, Any], database: Database
) -> None:
    crowd = list(range(1, 201))
    async with database.connection() as connection:
        await add_athletes(connection, crowd)
        # Laid down against the order of keys, so that a rescue which follows the table meets every batch head on.
        for athlete in reversed(crowd):
            await jobs.enqueue(connection, [new_job(f"ride:{athlete:03}", athlete)])
        assert len(await claim(connection, most=200)) == 200

    async def enqueue(connection: Connection, seed: int) -> None:
        order = random.Random(seed)
        for _ in range(12):
            order.shuffle(crowd)
            batch = [new_job(f"ride:{athlete:03}", athlete) for athlete in crowd]
            async with connection.transaction():
                await jobs.enqueue(connection, batch)

    async def rescue(connection: Connection) -> None:
        for _ in range(12):
            await claim(connection, most=200)
            await expire_leases(connection)
            await jobs.rescue_expired(connection, max_attempts=100)

    async with several(arguments, 5) as (rescuer, *others), asyncio.TaskGroup() as group:
        group.create_task(rescue(rescuer))
        for seed, connection in enumerate(others):
            group.create_task(enqueue(connection, seed))

    async with database.connection() as connection:
        assert await deadlocks(connection) == 0
        assert await connection.fetchval("SELECT count(DISTINCT dedup_key) FROM jobs") == 200


async def test_a_claim_of_a_crowded_lane_takes_what_others_left(
    arguments: dict[str, Any], database: Database
) -> None:
    """Eight claims at the same instant share the work instead of all reaching for the same rows."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 65))
        await jobs.enqueue(connection, [new_job(f"ride:{athlete}", athlete) for athlete in range(1, 65)])
    async with several(arguments, CONNECTIONS) as connections:
        taken = await asyncio.gather(*(claim(connection, 8, [Lane.LIVE]) for connection in connections))

    ids = [job.job_id for claimed in taken for job in claimed]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 32


async def test_a_second_running_job_would_have_been_noticed(database: Database) -> None:
    """The watch of this file sees what it is there to see."""
    watch = Watch()
    async with database.connection() as connection:
        await add_athletes(connection, [1])
        await jobs.enqueue(connection, [new_job("a", 1), new_job("b", 1)])
        (first,) = await claim(connection)
        await connection.execute("UPDATE turns SET job_id = NULL")  # as if the turn were not kept
        watch.begins(first)
        try:
            (second,) = await claim(connection)
        except asyncpg.UniqueViolationError:
            watch.violations += 1
        else:
            watch.begins(second)

    assert watch.violations == 1

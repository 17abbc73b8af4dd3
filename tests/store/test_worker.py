"""The worker: runs what is due, settles whatever it ends with, and leaves nothing running behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio
import structlog
from structlog.testing import capture_logs

from daemon.clock import SystemClock
from daemon.core.admission import LANES, Lane
from daemon.core.errors import Permanent, QuotaSpent, Retryable, Revoked
from daemon.core.instruments import SILENT, Instruments
from daemon.jobs.rooms import Rooms
from daemon.loops.worker import Work, Worker
from daemon.store import jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job
from tests.support.queue import add_athletes, expire_leases, held_turns, job_row, later, new_job, states
from tests.support.relay import relayed
from tests.support.sessions import until_waiting
from tests.support.told import Told

Kinds = Mapping[str, Callable[[Job, Rooms], Awaitable[None]]]
THREE = Work(workers=3, lease_seconds=60, max_attempts=3)
HASTY = replace(THREE, drain_seconds=0.1)
CLOCK = SystemClock()


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Connection]:
    """A connection of the watcher's own, to a database with athletes 1 to 9."""
    async with database.connection() as connection:
        await add_athletes(connection, range(1, 10))
        yield connection


@asynccontextmanager
async def working(
    database: Database,
    kinds: Kinds,
    work: Work = THREE,
    lanes: tuple[Lane, ...] = LANES,
    instruments: Instruments = SILENT,
    claims_from: Callable[[], tuple[Lane, ...]] = lambda: LANES,
) -> AsyncIterator[Worker]:
    """A worker at work, started and stopped in the order of the daemon."""
    gate = SimpleNamespace(open_lanes=lambda: lanes, opens_in_seconds=lambda: None)
    rooms = SimpleNamespace(database=database, gate=gate, clock=CLOCK, instruments=instruments)
    worker = Worker(cast(Rooms, rooms), kinds, work, claims_from)
    leases, run = asyncio.create_task(worker.renew_leases()), asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        for task in (run, leases):
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


async def until(connection: Connection, condition: str, seconds: float = 60) -> None:
    """Wait until a job is as the condition says."""
    async with asyncio.timeout(seconds):
        while not await connection.fetchval(f"SELECT count(*) FROM jobs WHERE {condition}"):
            await asyncio.sleep(0.005)


async def ride(job: Job, rooms: Rooms) -> None:
    async with rooms.database.transaction() as connection:
        await jobs.complete(connection, job, "done")


def raising(error: Exception) -> Kinds:
    async def run(job: Job, rooms: Rooms) -> None:
        raise error

    return {"ride": run}


class Held:
    """A kind of job that goes on until it is told to end, and tells who began and who was cancelled."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[Job] = asyncio.Queue()
        self.cancelled: asyncio.Queue[Job] = asyncio.Queue()
        self.may_end = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def run(self, job: Job, rooms: Rooms) -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.began.put_nowait(job)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(job)
            raise
        finally:
            self.at_once -= 1
        await ride(job, rooms)

    @property
    def kinds(self) -> Kinds:
        return {"ride": self.run}


@pytest.fixture
def held() -> Held:
    return Held()


async def settled(
    queue: Connection, database: Database, kinds: Kinds, instruments: Instruments = SILENT
) -> dict[str, Any]:
    """Queue one job, let it end, and return its row."""
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, kinds, instruments=instruments):
        await until(queue, "outcome IS NOT NULL")
    row = await job_row(queue, job_id)
    assert row is not None
    assert await held_turns(queue) == {}
    return row


# What a job ends with


async def test_a_job_that_ends_well_is_done(database: Database, queue: Connection) -> None:
    row = await settled(queue, database, {"ride": ride})

    assert (row["state"], row["outcome"], row["attempts"]) == ("done", "done", 1)


async def test_a_job_that_may_work_later_waits_as_long_as_the_error_says(
    database: Database, queue: Connection
) -> None:
    at = later(77)
    row = await settled(queue, database, raising(Retryable("a broken connection", at)))

    assert (row["state"], row["run_at"], row["attempts"]) == ("queued", at, 1)
    assert row["outcome"] == "a broken connection"


async def test_a_job_that_may_work_later_waits_some_ten_seconds_where_the_error_says_nothing(
    database: Database, queue: Connection
) -> None:
    before = CLOCK.now()
    row = await settled(queue, database, raising(Retryable("a broken connection")))

    assert before + timedelta(seconds=7) < row["run_at"] < CLOCK.now() + timedelta(seconds=13)


async def test_a_job_without_quota_waits_for_the_window_and_has_not_been_tried(
    database: Database, queue: Connection
) -> None:
    at = later(900)
    row = await settled(queue, database, raising(QuotaSpent("this quarter's requests are spent", at)))

    assert (row["state"], row["attempts"]) == ("queued", 0)
    assert timedelta(0) <= row["run_at"] - at <= timedelta(seconds=1)


async def test_a_job_that_nobody_can_do_is_dead_at_once(database: Database, queue: Connection) -> None:
    row = await settled(queue, database, raising(Permanent("Strava's answer cannot be used")))

    assert (row["state"], row["outcome"], row["attempts"]) == ("dead", "Strava's answer cannot be used", 1)


async def test_a_job_of_an_athlete_who_revoked_waits_for_the_reconnect_and_has_not_been_tried(
    database: Database, queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])

    async def find_him_gone(job: Job, rooms: Rooms) -> None:
        async with rooms.database.connection() as connection:
            await connection.execute("UPDATE turns SET resting = true")
        raise Revoked("Strava refused the refresh token")

    async with working(database, {"ride": find_him_gone}) as worker:
        await until(queue, "outcome IS NOT NULL")
        worker.wake()

    (row,) = await queue.fetch("SELECT state, attempts, run_at <= now() AS is_due FROM jobs")
    assert tuple(row) == ("queued", 0, True)


async def test_a_job_that_fails_at_every_attempt_dies_and_says_how_often(
    database: Database, queue: Connection
) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])

    async with working(database, raising(Retryable("a broken connection", later(-1)))):
        await until(queue, "state = 'dead'")

    (dead,) = await jobs.list_dead(queue, 10)
    assert (dead["attempts"], dead["outcome"]) == (3, "gave up after 3 attempts: a broken connection")


async def test_a_job_that_breaks_is_tried_again_with_a_traceback_in_the_log_alone(
    database: Database, queue: Connection
) -> None:
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        row = await settled(queue, database, raising(ZeroDivisionError("a private detail")))

    assert (row["state"], row["attempts"]) == ("queued", 1)
    assert row["outcome"] == "unexpected ZeroDivisionError; the log has the traceback"
    (broke,) = [entry for entry in logs if entry["event"] == "job.broke"]
    assert (broke["log_level"], broke["exc_info"], broke["kind"], broke["athlete_id"]) == ("error", True, "ride", 1)


async def test_a_job_of_a_kind_that_a_worker_was_not_given_is_left_for_one_that_was(
    database: Database, queue: Connection
) -> None:
    """A row of a newer version beside this one, or work that has workers of its own."""
    await jobs.enqueue(queue, [new_job("new:1", 1, kind="from the future"), new_job("ride:2", 2)])

    async with working(database, {"ride": ride}):
        await until(queue, "kind = 'ride' AND state = 'done'")
    assert await queue.fetchval("SELECT attempts FROM jobs WHERE kind = 'from the future'") == 0

    async with working(database, {"from the future": ride}):
        await until(queue, "kind = 'from the future' AND state = 'done'")


async def test_a_job_that_says_so_is_tried_more_often_than_others(database: Database, queue: Connection) -> None:
    patient = new_job("ride:1", 1, payload={jobs.MOST_ATTEMPTS: 2})
    await jobs.enqueue(queue, [patient, new_job("ride:2", 2)])
    work = Work(workers=1, lease_seconds=60, max_attempts=1)

    async with working(database, raising(Retryable("later", later(3600))), work):
        await until(queue, "serial_key = 2 AND state = 'dead'")
        await until(queue, "serial_key = 1 AND state = 'queued' AND attempts = 1")
        await queue.execute("UPDATE jobs SET run_at = now() WHERE serial_key = 1")
        await until(queue, "serial_key = 1 AND state = 'dead' AND attempts = 2")


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (None, "done"),
        (Retryable("a broken connection"), "retried"),
        (QuotaSpent("spent", later(900)), "deferred"),
        (Permanent("no"), "died"),
        (ZeroDivisionError("a bug"), "retried"),
    ],
)
async def test_instruments_are_told_how_each_job_ended(
    database: Database, queue: Connection, error: Exception | None, ending: str
) -> None:
    told = Told()
    await settled(queue, database, {"ride": ride} if error is None else raising(error), told)

    assert told.words == [("job", "ride", ending)]


async def test_a_job_that_another_worker_has_by_now_is_told_as_lost(
    database: Database, queue: Connection, held: Held
) -> None:
    told = Told()
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, held.kinds, instruments=told):
        await held.began.get()
        await expire_leases(queue)
        await jobs.rescue_expired(queue, max_attempts=3)
        held.may_end.set()
        await until(queue, "state = 'done' AND attempts = 2")
    assert sorted(told.words) == [("job", "ride", "done"), ("job", "ride", "lease_lost")]


async def test_a_line_says_whose_job_and_which_activity_it_is_about(database: Database, queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1, payload={"activity_id": 7})])

    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        async with working(database, raising(Permanent("no"))):
            await until(queue, "state = 'dead'")

    (died,) = [entry for entry in logs if entry["event"] == "job.died"]
    assert (died["kind"], died["athlete_id"], died["activity_id"], died["reason"]) == ("ride", 1, 7, "no")


# How much at once


async def test_no_more_jobs_run_at_once_than_there_are_workers_and_the_loop_stays_free(
    database: Database, queue: Connection, held: Held
) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete) for athlete in range(1, 10)])

    async with working(database, held.kinds):
        async with asyncio.timeout(60):
            for _ in range(3):
                await held.began.get()
        assert await states(queue) == {"running": 3, "queued": 6}
        held.may_end.set()
        await until(queue, "state = 'done' HAVING count(*) = 9")

    assert held.most_at_once == 3


async def test_a_quarter_of_the_workers_serves_live_work_alone(
    database: Database, queue: Connection, held: Held
) -> None:
    history = [new_job(f"history:{athlete}", athlete, lane=Lane.BACKFILL) for athlete in range(1, 6)]
    await jobs.enqueue(queue, history)

    async with working(database, held.kinds, Work(workers=4, lease_seconds=30, max_attempts=3)) as worker:
        async with asyncio.timeout(60):
            for _ in range(3):
                assert (await held.began.get()).lane is Lane.BACKFILL
            await jobs.enqueue(queue, [new_job("ride:9", 9)])
            worker.wake()
            assert (await held.began.get()).serial_key == 9
        held.may_end.set()
        await until(queue, "state = 'done' HAVING count(*) = 6")


async def test_a_worker_without_a_share_for_live_work_gives_all_its_places_to_whatever_waits(
    database: Database, queue: Connection, held: Held
) -> None:
    history = [new_job(f"history:{athlete}", athlete, lane=Lane.BACKFILL) for athlete in range(1, 6)]
    await jobs.enqueue(queue, history)
    async with working(database, held.kinds, Work(workers=4, lease_seconds=30, max_attempts=3, live_share=0)):
        async with asyncio.timeout(30):
            for _ in range(4):
                await held.began.get()
        held.may_end.set()
        await until(queue, "state = 'done' HAVING count(*) = 5")


async def test_a_worker_claims_from_no_lane_that_it_is_told_to_pass_over(
    database: Database, queue: Connection
) -> None:
    """What stays is an untouched row, although it asks nothing of Strava; it goes on once the lane is named."""
    named = [Lane.LIVE]
    waits = new_job("everybody", lane=Lane.SCHEDULED, asks_strava=False)
    await jobs.enqueue(queue, [waits, new_job("ride:1", 1)])
    async with working(database, {"ride": ride}, claims_from=lambda: tuple(named)) as worker:
        await until(queue, "dedup_key = 'ride:1' AND state = 'done'")
        await jobs.enqueue(queue, [new_job("ride:2", 2)])
        worker.wake()
        await until(queue, "dedup_key = 'ride:2' AND state = 'done'")
        assert await queue.fetchval("SELECT attempts FROM jobs WHERE dedup_key = 'everybody'") == 0
        named.append(Lane.SCHEDULED)
        worker.wake()
        await until(queue, "dedup_key = 'everybody' AND state = 'done'")


async def test_a_worker_that_is_free_takes_what_is_queued_as_soon_as_it_is_told(
    database: Database, queue: Connection, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.loops.worker.POLL_SECONDS", 3600.0)  # it is woken or nothing happens
    async with working(database, held.kinds) as worker:
        await asyncio.sleep(0.05)  # it found nothing and waits
        async with asyncio.timeout(60):
            for athlete in (1, 2):
                await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete)])
                worker.wake()
                assert (await held.began.get()).serial_key == athlete
        held.may_end.set()


async def test_shut_lanes_are_passed_over(database: Database, queue: Connection) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2, asks_strava=False)])

    async with working(database, {"ride": ride}, lanes=()):
        await until(queue, "state = 'done'")

    assert await states(queue) == {"done": 1, "queued": 1}


async def test_a_worker_outlives_a_database_that_goes_away(
    arguments: dict[str, Any], queue: Connection, held: Held
) -> None:
    """What ran meanwhile cannot be settled: its lease runs out, and it is rescued and done again."""
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with (
        relayed(arguments) as relay,
        Database(relay.arguments, pool_size=2) as database,
        working(database, held.kinds) as worker,
    ):
        await held.began.get()
        await relay.cut()
        held.may_end.set()
        worker.wake()
        await asyncio.sleep(0.05)
        assert await states(queue) == {"running": 1}

        await expire_leases(queue)
        await jobs.rescue_expired(queue, max_attempts=3)
        await relay.mend()
        worker.wake()
        await until(queue, "state = 'done' AND attempts = 2")


# Leases


async def test_a_lease_is_renewed_for_as_long_as_the_job_runs(
    database: Database, queue: Connection, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescued: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    extend_leases = jobs.extend_leases

    async def extend_and_rescue(connection: Connection, running: Sequence[Job], seconds: float) -> set[int]:
        async with connection.transaction():  # one now() for both: a pause between them lets no lease run out
            still_ours = await extend_leases(connection, running, seconds)
            rescued.put_nowait(await jobs.rescue_expired(connection, max_attempts=3))
        return still_ours

    monkeypatch.setattr(jobs, "extend_leases", extend_and_rescue)
    await jobs.enqueue(queue, [new_job("ride:1", 1), new_job("ride:2", 2)])
    async with working(database, held.kinds, Work(workers=3, lease_seconds=0.3, max_attempts=3)):
        await held.began.get()
        await held.began.get()
        first = await queue.fetchval("SELECT max(lease_until) FROM jobs")
        async with asyncio.timeout(60):
            while await queue.fetchval("SELECT min(lease_until) FROM jobs") < first + timedelta(seconds=0.3):
                assert await rescued.get() == (0, 0)
        held.may_end.set()
        await until(queue, "state = 'done' HAVING count(*) = 2")

    assert held.cancelled.empty()


async def test_a_lost_lease_cancels_the_job_which_settles_nothing(
    database: Database, queue: Connection, held: Held
) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, held.kinds, Work(workers=1, lease_seconds=0.3, max_attempts=3)):
        lost = await held.began.get()
        async with queue.transaction():  # lest it be renewed in between
            await queue.execute("SELECT 1 FROM jobs FOR UPDATE")
            await expire_leases(queue)
            assert await jobs.rescue_expired(queue, max_attempts=3) == (1, 0)
        await queue.execute("UPDATE jobs SET run_at = $1", later(60))

        async with asyncio.timeout(60):
            assert (await held.cancelled.get()).job_id == lost.job_id

    row = await job_row(queue, job_id)
    assert row is not None
    assert (row["state"], row["attempts"], row["outcome"]) == ("queued", 1, "its worker died")
    assert await held_turns(queue) == {}


# Stopping


async def test_stopping_waits_for_jobs_that_end_soon(database: Database, queue: Connection, held: Held) -> None:
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, held.kinds):
        await held.began.get()
        asyncio.get_running_loop().call_later(0.05, held.may_end.set)

    assert await states(queue) == {"done": 1}
    assert held.cancelled.empty()


async def test_stopping_releases_jobs_that_go_on_and_gives_the_attempt_back(
    database: Database, queue: Connection, held: Held
) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, held.kinds, HASTY):
        await held.began.get()

    row = await job_row(queue, job_id)
    assert row is not None
    assert (row["state"], row["attempts"], row["outcome"]) == ("queued", 0, "the daemon was stopped")
    assert row["run_at"] <= CLOCK.now()
    assert await held_turns(queue) == {}


async def test_stopping_claims_nothing_more(database: Database, queue: Connection, held: Held) -> None:
    await jobs.enqueue(queue, [new_job(f"ride:{athlete}", athlete) for athlete in range(1, 6)])
    async with working(database, held.kinds, Work(workers=1, lease_seconds=60, max_attempts=3)):
        await held.began.get()
        asyncio.get_running_loop().call_later(0.05, held.may_end.set)

    assert await states(queue) == {"done": 1, "queued": 4}


async def test_stopping_in_the_middle_of_a_claim_leaves_no_job_to_its_lease(
    database: Database, queue: Connection, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim may have been committed although its answer has not come."""
    committed, answered = asyncio.Event(), asyncio.Event()
    claim_due = jobs.claim_due

    async def claim_slowly(*arguments: Any) -> list[Job]:
        claimed = await claim_due(*arguments)
        committed.set()
        await answered.wait()
        return claimed

    monkeypatch.setattr(jobs, "claim_due", claim_slowly)
    await jobs.enqueue(queue, [new_job("ride:1", 1)])
    async with working(database, held.kinds, HASTY):
        await committed.wait()
        asyncio.get_running_loop().call_later(0.02, answered.set)

    assert await states(queue) == {"queued": 1}
    assert await queue.fetchval("SELECT attempts FROM jobs") == 0
    assert await held_turns(queue) == {}


async def test_stopping_while_a_job_is_being_settled_settles_it(
    database: Database, queue: Connection, held: Held
) -> None:
    (job_id,) = await jobs.enqueue(queue, [new_job("ride:1", 1)])

    async def fail(job: Job, rooms: Rooms) -> None:
        held.began.put_nowait(job)
        await held.may_end.wait()
        raise Permanent("no")

    async with working(database, {"ride": fail}) as worker:
        await held.began.get()
        async with database.transaction() as blocking:
            await blocking.execute("SELECT 1 FROM turns WHERE athlete_id = 1 FOR UPDATE")
            held.may_end.set()
            await until_waiting(queue)
            (settling,) = worker._running
            settling.cancel()  # as the end of a drain does
            await asyncio.sleep(0)

    row = await job_row(queue, job_id)
    assert row is not None
    assert (row["state"], row["outcome"]) == ("dead", "no")

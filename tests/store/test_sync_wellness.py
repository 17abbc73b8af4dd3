"""The job that reads Intervals.icu again, against a fake over real sockets: windows, order, refusals, patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from daemon.clock import SystemClock
from daemon.core.admission import Lane
from daemon.core.errors import Permanent, QuotaSpent, Retryable
from daemon.core.wellness import FIRST_DAYS, Values
from daemon.intervals.client import IntervalsClient
from daemon.intervals.wire import Credential
from daemon.jobs import sync_wellness
from daemon.store import athletes, intervals_credentials, jobs
from daemon.store.database import Connection, Database
from daemon.store.jobs import Job
from tests.support.clocks import SetClock
from tests.support.fake_intervals import CIPHER, ServedIntervals, served_intervals
from tests.support.queue import LONG_AGO, add_athletes, claim, claim_one, new_job

CLOCK = SystemClock()


class HeldClient(IntervalsClient):
    """Has its answer, and does not hand it out before it is let go."""

    has_answer: asyncio.Event
    may_go: asyncio.Event

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.has_answer, self.may_go = asyncio.Event(), asyncio.Event()

    async def wellness(self, *arguments: Any) -> dict[date, Values]:
        days = await super().wellness(*arguments)
        self.has_answer.set()
        await self.may_go.wait()
        return days


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedIntervals]:
    async with served_intervals() as served:
        yield served


@pytest_asyncio.fixture
async def connection(database: Database, served: ServedIntervals) -> AsyncIterator[Connection]:
    """A connection of the watcher's own; the athlete has just been given his key, his first sync waits."""
    async with database.connection() as connection:
        await add_athletes(connection, [served.athlete.id])
        await sync_wellness.connect(connection, CIPHER, served.athlete.id, served.key, LONG_AGO)
        yield connection


async def claimed(connection: Connection, served: ServedIntervals, days: int = 7) -> Job:
    await jobs.enqueue(
        connection, [sync_wellness.new(served.athlete.id, days, Lane.SCHEDULED, LONG_AGO, "a test asked")]
    )
    (job,) = [job for job in await claim(connection) if job.kind == sync_wellness.KIND]
    return job


async def sync(connection: Connection, served: ServedIntervals, database: Database, days: int = 7) -> str:
    """Run one sync and return what became of its job."""
    job = await claimed(connection, served, days)
    await sync_wellness.run(job, served.rooms(database, CLOCK))
    return str(await connection.fetchval("SELECT outcome FROM jobs WHERE job_id = $1", job.job_id))


async def standing(connection: Connection, served: ServedIntervals) -> dict[str, Any]:
    shown = await intervals_credentials.show(connection, served.athlete.id)
    assert shown is not None
    return shown


async def resting_hr(connection: Connection, on_day: date) -> float | None:
    value: float | None = await connection.fetchval("SELECT resting_hr FROM wellness WHERE on_day = $1", on_day)
    return value


async def test_the_first_sync_reads_more_than_a_year_and_learns_how_he_is_called(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    assert (await sync(connection, served, database)).endswith("days changed")
    span = await connection.fetchrow("SELECT min(on_day) AS first_on, max(on_day) AS last_on FROM wellness")
    assert span is not None
    assert (span["last_on"] - span["first_on"]).days > FIRST_DAYS - 14
    shown = await standing(connection, served)
    assert (shown["state"], shown["intervals_id"]) == ("active", f"i{served.athlete.id}")
    assert shown["synced_at"] is not None
    assert (served.asked(), served.asked("intervals_athlete")) == (1, 1)


async def test_a_later_sync_asks_once_and_writes_only_changes_of_its_window(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    await sync(connection, served, database)
    today = served.intervals.today(served.athlete)
    within, outside = today - timedelta(days=5), today - timedelta(days=12)
    for on_day in (within, outside):
        served.intervals.change(served.athlete, on_day, {"restingHR": 99})

    assert await sync(connection, served, database, days=7) == "1 days changed"
    assert await resting_hr(connection, within) == 99
    assert await resting_hr(connection, outside) != 99
    assert await sync(connection, served, database, days=30) == "1 days changed"
    assert await sync(connection, served, database, days=30) == "nothing had changed"
    assert (served.asked(), served.asked("intervals_athlete")) == (4, 1)


async def test_asks_for_one_athlete_merge_to_the_longest_window_and_leave_his_live_work_alone(
    connection: Connection, served: ServedIntervals
) -> None:
    athlete_id = served.athlete.id
    for days, lane in ((30, Lane.BACKFILL), (7, Lane.LIVE)):
        await jobs.enqueue(connection, [sync_wellness.new(athlete_id, days, lane, LONG_AGO, "again")])
    await jobs.enqueue(connection, [new_job("ride:1", athlete_id), new_job("ride:2", athlete_id)])
    taken = await claim(connection, lanes=[Lane.LIVE])
    assert sorted(job.kind for job in taken) == ["ride", "sync_wellness"]  # beside each other
    (job,) = [job for job in taken if job.kind == "sync_wellness"]
    assert (job.lookback_seconds, job.lane, job.serial_key) == (30 * 86_400, Lane.LIVE, None)
    assert job not in await claim(connection)


async def test_of_two_syncs_under_way_only_the_one_that_began_last_stores(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    await sync(connection, served, database)
    today = served.intervals.today(served.athlete)
    slow = HeldClient(served.session, served.url, 1000.0, CLOCK)
    older = await claimed(connection, served)
    asking = asyncio.create_task(sync_wellness.run(older, served.rooms(database, CLOCK, slow)))
    await slow.has_answer.wait()
    served.intervals.change(served.athlete, today, {"restingHR": 88})
    assert await sync(connection, served, database) == "1 days changed"
    slow.may_go.set()
    await asking
    outcome = await connection.fetchval("SELECT outcome FROM jobs WHERE job_id = $1", older.job_id)
    assert outcome == "a newer sync has begun, or the key is gone"
    assert await resting_hr(connection, today) == 88


@pytest.mark.parametrize("death", ["dead", "as_bearer"])
async def test_a_refused_key_rests_wellness_alone_until_another_is_given(
    database: Database, connection: Connection, served: ServedIntervals, death: str
) -> None:
    athlete_id = served.athlete.id
    if death == "dead":
        served.intervals.kill_key(athlete_id)
    else:
        wrong = Credential("bearer", served.key.secret)
        await sync_wellness.connect(connection, CIPHER, athlete_id, wrong, LONG_AGO)
    assert (await sync(connection, served, database)).startswith("Intervals.icu refused the key")
    shown = await standing(connection, served)
    assert shown["state"] == "refused"
    assert shown["state_reason"].startswith("Intervals.icu refused the key")
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE topic = 'intervals.refused'") == 1

    asked = served.strava.journal.received
    assert await sync(connection, served, database) == "no key of Intervals.icu is in force"
    assert served.strava.journal.received == asked
    athlete = await athletes.get(connection, athlete_id)
    assert athlete is not None
    assert athlete["state"] == "active"
    assert await intervals_credentials.active(connection) == []
    (row,) = await athletes.list_all(connection)
    assert row["intervals_state"] == "refused"

    served.intervals.renew_key(athlete_id)
    await sync_wellness.connect(connection, CIPHER, athlete_id, served.key, LONG_AGO)
    assert (await sync(connection, served, database)).endswith("days changed")
    assert (await standing(connection, served))["state"] == "active"


async def test_a_key_that_was_replaced_while_the_old_one_was_refused_stays_in_force(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    job = await claim_one(connection)
    sync_begun = await intervals_credentials.begin_sync(connection, served.athlete.id)
    assert sync_begun is not None
    await sync_wellness.connect(connection, CIPHER, served.athlete.id, served.key, LONG_AGO)
    assert not await intervals_credentials.refuse(connection, served.athlete.id, sync_begun, "old", LONG_AGO)
    assert not await intervals_credentials.finish_sync(connection, served.athlete.id, sync_begun, "i1", LONG_AGO)
    assert (await standing(connection, served))["state"] == "active"
    await jobs.complete(connection, job, "stood in")


async def test_a_key_that_was_removed_and_given_again_is_not_refused_for_the_old_one(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    athlete_id = served.athlete.id
    old = await intervals_credentials.begin_sync(connection, athlete_id)
    assert old is not None
    assert await intervals_credentials.remove(connection, athlete_id)
    await sync_wellness.connect(connection, CIPHER, athlete_id, served.key, LONG_AGO)
    new = await intervals_credentials.begin_sync(connection, athlete_id)
    assert new is not None
    assert not await intervals_credentials.refuse(connection, athlete_id, old, "a wrong key", LONG_AGO)
    assert not await intervals_credentials.finish_sync(connection, athlete_id, old, "i1", LONG_AGO)
    assert await intervals_credentials.finish_sync(connection, athlete_id, new, "i1", LONG_AGO)
    assert (await standing(connection, served))["state"] == "active"


async def test_nobody_is_asked_about_an_athlete_who_took_his_authorization_back_or_has_no_key(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    athlete_id = served.athlete.id
    await athletes.rest(connection, athlete_id, "gone", 0, deauthorized=True)
    assert await sync(connection, served, database) == "no key of Intervals.icu is in force"
    await athletes.wake(connection, athlete_id)
    assert await intervals_credentials.remove(connection, athlete_id)
    assert not await intervals_credentials.remove(connection, athlete_id)
    assert await sync(connection, served, database) == "no key of Intervals.icu is in force"
    assert served.strava.journal.received == 0


async def test_after_a_429_nobody_is_asked_before_the_instant_that_it_named(served: ServedIntervals) -> None:
    clock = SetClock()
    client = served.client(clock)
    served.fault("slow_down", count=1, seconds=40)
    today = served.intervals.today(served.athlete)
    for _ in range(2):
        with pytest.raises(QuotaSpent) as refusal:
            await client.wellness(served.key, today, today)
        assert refusal.value.until == clock.now() + timedelta(seconds=40)
    assert served.asked() == 1
    clock.advance(40)
    await client.wellness(served.key, today, today)
    assert served.asked() == 2


async def test_who_may_not_ask_learns_so_without_waiting_for_the_pace(served: ServedIntervals) -> None:
    client = IntervalsClient(
        served.session, served.url, 0.001, SetClock()
    )  # the next turn is in a quarter of an hour
    served.fault("slow_down", count=1, seconds=40)
    today = served.intervals.today(served.athlete)
    async with asyncio.timeout(30):
        for _ in range(2):
            with pytest.raises(QuotaSpent):
                await client.wellness(served.key, today, today)
    assert served.asked() == 1


async def test_after_some_calls_without_an_answer_nobody_is_asked_for_a_while_and_one_answer_forgets_them(
    served: ServedIntervals,
) -> None:
    clock = SetClock()
    client = served.client(clock)
    today = served.intervals.today(served.athlete)

    async def asked_in_vain(count: int) -> None:
        served.fault("reset")
        for _ in range(count):
            assert not client.is_quiet
            with pytest.raises(Retryable):
                await client.wellness(served.key, today, today)
        served.strava.switches.switch_off()

    await asked_in_vain(3)
    assert client.is_quiet
    asked = served.asked()
    with pytest.raises(QuotaSpent, match="does not answer") as refusal:
        await client.wellness(served.key, today, today)
    assert refusal.value.until == clock.now() + timedelta(seconds=30)
    assert served.asked() == asked
    clock.advance(30)
    await asked_in_vain(1)
    clock.advance(59)
    assert client.is_quiet
    clock.advance(1)
    await client.wellness(served.key, today, today)
    await asked_in_vain(2)
    assert not client.is_quiet


async def test_calls_that_fail_do_not_shorten_what_a_429_has_asked_for(served: ServedIntervals) -> None:
    clock = SetClock()
    client = served.client(clock)
    today = served.intervals.today(served.athlete)
    served.fault("delay", seconds=0.3)  # all four are under way before the first ends
    served.fault("slow_down", count=1, seconds=400)
    served.fault("reset")
    calls = (client.wellness(served.key, today, today) for _ in range(4))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(error).__name__ for error in errors) == ["QuotaSpent", *["Retryable"] * 3]
    clock.advance(399)
    assert client.is_quiet
    clock.advance(1)
    assert not client.is_quiet


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error_500", Retryable),
        ("error_503", Retryable),
        ("html", Retryable),
        ("empty_body", Retryable),
        ("truncated", Retryable),
        ("reset", Retryable),
        ("wrong_types", Permanent),
        ("not_found", Permanent),
    ],
)
async def test_whatever_goes_wrong_there_is_named_by_what_to_do_next(
    served: ServedIntervals, kind: str, error: type[Exception]
) -> None:
    served.fault(kind)
    today = served.intervals.today(served.athlete)
    with pytest.raises(error):
        await served.client(CLOCK).wellness(served.key, today - timedelta(days=30), today)


async def test_an_address_that_leads_nowhere_is_no_traceback(served: ServedIntervals) -> None:
    day = served.intervals.today(served.athlete)
    for url, error in (("http://127.0.0.1:1", Retryable), ("nowhere", Permanent)):
        client = IntervalsClient(served.session, url, 1000.0, CLOCK)
        with pytest.raises(error) as caught:
            await client.wellness(Credential("api_key", SecretStr("canary")), day, day)
        assert "canary" not in repr(caught.value)


async def test_a_stored_key_opens_for_its_athlete_and_kind_alone(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    stored = await connection.fetchval("SELECT secret FROM intervals_credentials")
    assert served.key.secret.get_secret_value().encode() not in stored
    await connection.execute("UPDATE intervals_credentials SET kind = 'bearer'")
    job = await claim_one(connection)
    with pytest.raises(Permanent, match="belongs to another row"):
        await sync_wellness.run(job, served.rooms(database, CLOCK))
    assert served.strava.journal.received == 0


async def test_of_a_sync_for_somebody_who_is_gone_no_row_is_kept(
    database: Database, connection: Connection, served: ServedIntervals
) -> None:
    job = await claimed(connection, served)
    await athletes.erase(connection, served.athlete.id)

    await sync_wellness.run(job, served.rooms(database, CLOCK))

    assert await connection.fetchval("SELECT count(*) FROM jobs WHERE job_id = $1", job.job_id) == 0

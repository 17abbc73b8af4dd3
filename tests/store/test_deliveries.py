"""From news to a receiver over real sockets: queued once, signed, tried for a day, never sent where it may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from structlog.testing import capture_logs

from daemon.core import deliveries
from daemon.core.admission import LANES
from daemon.core.instruments import SILENT
from daemon.core.news import Topic
from daemon.courier import client as courier_module
from daemon.courier.client import Busy, Courier
from daemon.jobs import deliver, erase_athlete, notifications
from daemon.jobs.kinds import OUTGOING
from daemon.jobs.notifications import Wish
from daemon.jobs.rooms import Rooms
from daemon.loops.dispatch import READER, Dispatch
from daemon.loops.worker import Work, Worker
from daemon.store import athletes, jobs, news_cursors, outbox, webhook_endpoints
from daemon.store.database import Connection, Database
from daemon.vault.cipher import Cipher, new_key
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes, expire_leases, later
from tests.support.receiver import Receiver, receiving
from tests.support.sessions import end_backend, until_waiting

CIPHER = Cipher([new_key()])
SECONDS = 30


class Post:
    """Everything between the outbox and a receiver, and a clock of its own."""

    def __init__(self, database: Database, courier: Courier, receiver: Receiver) -> None:
        self.database = database
        self.receiver = receiver
        self.clock = SetClock()
        self.dispatch = Dispatch(database, self.clock, lambda: None)
        gate = SimpleNamespace(open_lanes=lambda: LANES, opens_in_seconds=lambda: None)
        parts = SimpleNamespace(
            database=database, gate=gate, clock=self.clock, cipher=CIPHER, courier=courier, instruments=SILENT
        )
        self.rooms = cast(Rooms, parts)

    async def subscribe(self, url: str | None = None, topics: list[Topic] | None = None) -> tuple[int, str]:
        async with self.database.transaction() as connection:
            wish = Wish(url or self.receiver.url, "a test", topics)
            endpoint, secret = await notifications.add(connection, CIPHER, wish, allow_private=True)
        return endpoint.endpoint_id, secret

    async def tell(self, topic: Topic = Topic.ACTIVITY_PROCESSED, athlete_id: int = 1, **body: Any) -> None:
        async with self.database.transaction() as connection:
            await outbox.write(connection, topic, athlete_id, body)

    @asynccontextmanager
    async def couriers(self, max_attempts: int = 3) -> AsyncIterator[Worker]:
        """Let couriers work; whoever is cut off in the middle is not waited for."""
        worker = Worker(self.rooms, OUTGOING, Work(8, 60, max_attempts, drain_seconds=0.05, live_share=0))
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]

    async def until(self, condition: str) -> None:
        """Wait until a job is as the condition says."""
        async with asyncio.timeout(SECONDS):
            while not await self.rows(f"SELECT 1 FROM jobs WHERE {condition}"):
                await asyncio.sleep(0.005)

    async def endpoint(self, endpoint_id: int) -> webhook_endpoints.Endpoint:
        async with self.database.connection() as connection:
            return await notifications.find(connection, endpoint_id)


@pytest_asyncio.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    async with receiving() as receiver, Courier(allow_private=True) as courier:
        async with database.connection() as connection:
            await add_athletes(connection, [1, 2])
            await news_cursors.open_cursor(connection, READER)
        yield Post(database, courier, receiver)


# From news to jobs


async def test_news_become_one_delivery_for_each_endpoint_that_wants_the_topic(post: Post) -> None:
    everything, _ = await post.subscribe()
    deletions, _ = await post.subscribe(topics=[Topic.ACTIVITY_DELETED])
    await post.tell(Topic.ACTIVITY_PROCESSED, activity_id=5)
    await post.tell(Topic.ACTIVITY_DELETED, activity_id=5)
    assert await post.dispatch.dispatch_once() == 2
    assert await post.dispatch.dispatch_once() == 0
    queued = await post.rows("SELECT payload FROM jobs WHERE kind = 'deliver' ORDER BY job_id")
    told = sorted((row["payload"]["endpoint_id"], row["payload"]["type"]) for row in queued)
    assert told == [
        (everything, "activity.deleted"),
        (everything, "activity.processed"),
        (deletions, "activity.deleted"),
    ]


async def test_several_daemons_turn_each_piece_of_news_into_a_delivery_once(post: Post) -> None:
    await post.subscribe()
    readers = [Dispatch(post.database, post.clock, lambda: None) for _ in range(3)]

    async def read(reader: Dispatch) -> None:
        for _ in range(20):
            await reader.dispatch_once()

    async def write() -> None:
        for number in range(30):
            await post.tell(activity_id=number)

    await asyncio.gather(write(), *map(read, readers))
    while await readers[0].dispatch_once():
        pass
    rows = await post.rows("SELECT payload FROM jobs WHERE kind = 'deliver'")
    assert sorted(row["payload"]["data"]["activity_id"] for row in rows) == list(range(30))
    assert len({row["payload"]["message_id"] for row in rows}) == 30


async def test_a_reader_that_is_killed_before_it_commits_has_done_nothing(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.subscribe()
    await post.tell(activity_id=5)
    advance = news_cursors.advance

    async def killed(connection: Connection, *_: object) -> None:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        async with post.database.connection() as other:
            await end_backend(other, pid)
        await connection.execute("SELECT 1")

    monkeypatch.setattr(news_cursors, "advance", killed)
    with pytest.raises(Exception, match="the database did not answer"):
        await post.dispatch.dispatch_once()
    assert await post.rows("SELECT 1 FROM jobs") == []
    monkeypatch.setattr(news_cursors, "advance", advance)
    assert await post.dispatch.dispatch_once() == 1
    assert len(await post.rows("SELECT 1 FROM jobs WHERE kind = 'deliver'")) == 1


async def test_nothing_is_queued_or_locked_while_nobody_is_to_be_told(post: Post) -> None:
    before = await post.rows("SELECT * FROM news_cursors")
    await post.tell(activity_id=5)
    assert await post.dispatch.dispatch_once() == 0
    assert await post.rows("SELECT * FROM news_cursors") == before


async def test_an_endpoint_hears_only_what_is_news_after_it_was_made_or_made_active_again(post: Post) -> None:
    await post.tell(activity_id=1)
    endpoint_id, _ = await post.subscribe()
    async with post.database.transaction() as connection:
        assert await webhook_endpoints.disable(connection, endpoint_id, "a test")
    await post.tell(activity_id=2)
    async with post.database.transaction() as connection:
        assert await webhook_endpoints.activate(connection, endpoint_id)
    await post.tell(activity_id=3)
    while await post.dispatch.dispatch_once():
        pass
    (row,) = await post.rows("SELECT payload FROM jobs WHERE kind = 'deliver'")
    assert row["payload"]["data"]["activity_id"] == 3


async def test_a_cursor_of_another_server_begins_at_the_end(post: Post) -> None:
    """A restored dump brings transaction numbers that this server has not reached yet."""
    await post.subscribe()
    async with post.database.connection() as connection:
        await connection.execute("UPDATE news_cursors SET transaction = '900000000000'")
        await news_cursors.open_cursor(connection, READER)
    await post.tell(activity_id=5)
    assert await post.dispatch.dispatch_once() == 1


# Erasure


async def test_the_deliveries_of_an_erased_athlete_go_with_him_and_others_stay(post: Post) -> None:
    await post.subscribe()
    for athlete_id in (1, 2):
        await post.tell(athlete_id=athlete_id, activity_id=athlete_id)
    await post.dispatch.dispatch_once()
    async with post.database.transaction() as connection:
        await jobs.forget_athlete(connection, 1)
    (row,) = await post.rows("SELECT payload FROM jobs WHERE kind = 'deliver'")
    assert row["payload"]["athlete_id"] == 2


async def test_news_of_an_athlete_who_is_being_erased_become_no_deliveries(post: Post) -> None:
    await post.subscribe()
    await post.tell(activity_id=5)
    async with post.database.connection() as watching:
        async with post.database.transaction() as erasing:
            await erasing.execute("SELECT 1 FROM athletes WHERE athlete_id = 1 FOR UPDATE")
            dispatching = asyncio.create_task(post.dispatch.dispatch_once())
            await until_waiting(watching)
            await jobs.forget_athlete(erasing, 1)
            await athletes.erase(erasing, 1)
        assert await dispatching == 1
    assert await post.rows("SELECT 1 FROM jobs WHERE kind = 'deliver'") == []


async def test_that_an_athlete_leaves_is_told_while_he_is_still_there(post: Post) -> None:
    await post.subscribe()
    async with post.database.transaction() as connection:
        assert await erase_athlete.begin(connection, 1, "athlete", post.clock.now())
    assert await post.dispatch.dispatch_once() == 1
    (row,) = await post.rows("SELECT payload FROM jobs WHERE kind = 'deliver'")
    assert (row["payload"]["type"], row["payload"]["athlete_id"]) == ("athlete.disconnected", 1)


# From jobs to the receiver


async def test_a_delivery_arrives_signed_and_thin(post: Post) -> None:
    endpoint_id, secret = await post.subscribe()
    await post.tell(activity_id=5, load=80.5, name="At the lake", is_new=True)
    await post.dispatch.dispatch_once()
    async with post.couriers():
        received = await post.receiver.next()
        await post.until("kind = 'deliver' AND state = 'done'")
    payload = received.verified(secret)
    assert payload["type"] == "activity.processed"
    assert (payload["data"]["athlete_id"], payload["data"]["activity_id"], payload["data"]["load"]) == (1, 5, 80.5)
    assert "name" not in payload["data"]
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Domestique/")
    endpoint = await post.endpoint(endpoint_id)
    assert endpoint.succeeded_at == post.clock.now()
    assert (endpoint.failed_at, endpoint.failing_since) == (None, None)


async def test_what_a_receiver_refuses_comes_again_under_the_same_id_with_a_new_stamp(post: Post) -> None:
    endpoint_id, secret = await post.subscribe()
    post.receiver.statuses = [500, 503]
    post.receiver.headers["Retry-After"] = "90"
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.couriers():
        for attempt in (1, 2):
            await post.until(f"kind = 'deliver' AND state = 'queued' AND attempts = {attempt}")
            (row,) = await post.rows("SELECT run_at, outcome FROM jobs WHERE kind = 'deliver'")
            assert row["run_at"] - post.clock.now() == timedelta(seconds=90)
            assert row["outcome"] == f"it answered {(500, 503)[attempt - 1]}"
            assert (await post.endpoint(endpoint_id)).failing_since is not None
            post.clock.advance(2)
            await post.rows("UPDATE jobs SET run_at = now()")
        await post.until("kind = 'deliver' AND state = 'done'")
    assert {one.message_id for one in post.receiver.received} == {post.receiver.received[0].message_id}
    assert {one.body for one in post.receiver.received} == {post.receiver.received[0].body}
    assert len({one.headers["webhook-timestamp"] for one in post.receiver.received}) == 3
    for one in post.receiver.received:
        one.verified(secret)
    assert (await post.endpoint(endpoint_id)).failing_since is None


async def test_after_a_day_a_delivery_is_a_dead_letter_that_can_be_sent_again_by_hand(post: Post) -> None:
    """Although jobs are given up after one attempt here: a delivery is tried for a day all the same."""
    await post.subscribe()
    post.receiver.statuses = [500] * deliveries.ATTEMPTS
    began = post.clock.now()
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.couriers(max_attempts=1) as worker:
        for attempt in range(1, deliveries.ATTEMPTS):
            await post.until(f"kind = 'deliver' AND state = 'queued' AND attempts = {attempt}")
            (row,) = await post.rows("SELECT run_at FROM jobs WHERE kind = 'deliver'")
            post.clock.advance((row["run_at"] - post.clock.now()).total_seconds())
            await post.rows("UPDATE jobs SET run_at = now()")
            worker.wake()
        await post.until("kind = 'deliver' AND state = 'dead'")
        assert timedelta(hours=21) < post.clock.now() - began < timedelta(hours=27)
        (dead,) = await post.rows("SELECT job_id, outcome FROM jobs")
        assert dead["outcome"].startswith("not delivered in 11 attempts over about a day")
        async with post.database.transaction() as connection:
            assert await jobs.revive(connection, dead["job_id"])
        worker.wake()
        await post.until("kind = 'deliver' AND state = 'done'")
    assert len(post.receiver.received) == deliveries.ATTEMPTS + 1
    assert len({one.message_id for one in post.receiver.received}) == 1


async def test_a_daemon_killed_while_the_receiver_answers_sends_the_same_message_again(post: Post) -> None:
    """However often it was tried before: a lease that ran out is no reason to give up a patient job."""
    await post.subscribe()
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    await post.rows("UPDATE jobs SET attempts = 4")
    async with post.database.connection() as connection:
        (job,) = await jobs.claim_due(connection, OUTGOING, LANES, LANES, lease_seconds=60, most=1)
        post.receiver.gate.clear()
        dying = asyncio.create_task(deliver.run(job, post.rooms))
        await post.receiver.next()
        dying.cancel()  # nothing is settled: to the database that is a kill
        await asyncio.wait([dying])
        await expire_leases(connection)
        assert await jobs.rescue_expired(connection, max_attempts=3) == (1, 0)
    post.receiver.gate.set()
    async with post.couriers():
        await post.until("kind = 'deliver' AND state = 'done'")
    first, second = post.receiver.received
    assert (first.message_id, first.body) == (second.message_id, second.body)


async def test_a_redirect_is_a_failure_and_nobody_follows_it(post: Post) -> None:
    await post.subscribe()
    post.receiver.statuses = [307, 301]
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.couriers():
        await post.until("kind = 'deliver' AND state = 'queued' AND attempts = 1")
    (row,) = await post.rows("SELECT outcome FROM jobs WHERE kind = 'deliver'")
    assert row["outcome"].startswith("it answered 307, and redirects are not followed")
    assert post.receiver.elsewhere == 0


async def test_410_disables_the_endpoint_and_what_waits_for_it_is_dropped(post: Post) -> None:
    endpoint_id, _ = await post.subscribe()
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    post.receiver.statuses = [410]
    async with post.couriers():
        await post.until("kind = 'deliver' AND state = 'done'")
        endpoint = await post.endpoint(endpoint_id)
        assert (endpoint.state, endpoint.state_reason) == ("disabled", "it answered 410: it wants no more")
        async with post.database.transaction() as connection:
            message = deliveries.Message("msg_late", "activity.deleted", post.clock.now(), {"athlete_id": 1})
            await jobs.enqueue(connection, [deliver.new(endpoint_id, message, later(-1))])
        await post.until("dedup_key LIKE '%msg_late' AND outcome = 'dropped: the endpoint is disabled'")
    await post.tell(activity_id=6)
    assert await post.dispatch.dispatch_once() == 0
    assert len(post.receiver.received) == 1


async def test_a_delivery_to_an_endpoint_that_was_removed_is_dropped(post: Post) -> None:
    endpoint_id, _ = await post.subscribe()
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.database.transaction() as connection:
        await notifications.remove(connection, endpoint_id)
    async with post.couriers():
        await post.until("kind = 'deliver' AND outcome = 'dropped: the endpoint was removed'")
    assert post.receiver.received == []


async def test_an_endpoint_that_nothing_has_reached_for_five_days_is_disabled(post: Post) -> None:
    endpoint_id, _ = await post.subscribe()
    post.receiver.statuses = [500, 500]
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.couriers():
        await post.until("kind = 'deliver' AND state = 'queued' AND attempts = 1")
        assert (await post.endpoint(endpoint_id)).state == "active"
        post.clock.advance(timedelta(days=5).total_seconds())
        await post.rows("UPDATE jobs SET run_at = now()")
        await post.until("kind = 'deliver' AND state = 'queued' AND attempts = 2")
    endpoint = await post.endpoint(endpoint_id)
    assert endpoint.state == "disabled"
    assert endpoint.state_reason is not None
    assert endpoint.state_reason.startswith("nothing has arrived since")


async def test_while_a_new_secret_takes_over_both_verify_and_then_only_the_new_one(post: Post) -> None:
    endpoint_id, old = await post.subscribe()
    async with post.database.transaction() as connection:
        _, new = await notifications.rotate(connection, CIPHER, endpoint_id, timedelta(hours=1), post.clock.now())
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    async with post.couriers():
        received = await post.receiver.next()
        assert received.verified(old) == received.verified(new)
        post.clock.advance(3601)
        await post.tell(activity_id=6)
        await post.dispatch.dispatch_once()
        await post.rows("UPDATE jobs SET run_at = now()")
        later_one = await post.receiver.next()
        await post.until("kind = 'deliver' AND state = 'done'")
    assert len(later_one.headers["webhook-signature"].split()) == 1


async def test_addresses_and_secrets_are_nowhere_in_the_database_or_the_log(post: Post) -> None:
    with capture_logs() as lines:
        endpoint_id, secret = await post.subscribe(f"{post.receiver.url}?key=canary")
        post.receiver.statuses = [500]
        await post.tell(activity_id=5)
        await post.dispatch.dispatch_once()
        async with post.couriers():
            await post.until("kind = 'deliver' AND attempts = 1 AND state = 'queued'")
    stored = repr(
        (lines, await post.rows("SELECT * FROM webhook_endpoints"), await post.rows("SELECT * FROM jobs"))
    )
    assert "canary" not in stored
    assert secret.removeprefix("whsec_") not in stored
    assert (await post.endpoint(endpoint_id)).origin == post.receiver.url.removesuffix("/hook")


async def test_a_secret_that_no_key_opens_is_a_dead_letter_that_says_so(post: Post) -> None:
    await post.subscribe()
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    post.rooms = cast(Rooms, SimpleNamespace(**{**vars(post.rooms), "cipher": Cipher([new_key()])}))
    async with post.couriers():
        await post.until("state = 'dead' AND outcome LIKE '%cannot be decrypted%vault.keys%'")


# One that hangs


async def test_a_receiver_that_hangs_takes_four_places_and_the_others_get_theirs(post: Post) -> None:
    hanging, _ = await post.subscribe()
    enough = "outcome LIKE 'the endpoint has enough%'"
    async with receiving() as quick, AsyncExitStack() as stack:
        quick_id, secret = await post.subscribe(quick.url)
        post.receiver.gate.clear()
        stack.callback(post.receiver.gate.set)
        for number in range(12):
            await post.tell(activity_id=number)
        await post.dispatch.dispatch_once()
        async with post.couriers():
            for _ in range(12):
                (await quick.next()).verified(secret)
            await post.until(f"(payload->>'endpoint_id')::int = {hanging} AND {enough}")
            assert len(post.receiver.received) == 4
        assert hanging != quick_id
    assert await post.rows(f"SELECT 1 FROM jobs WHERE {enough} AND attempts > 0") == []


async def test_two_that_hang_hold_a_place_each_and_fresh_news_of_others_go_past_their_backlog(
    post: Post,
) -> None:
    async with receiving() as quick, AsyncExitStack() as stack:
        stack.callback(post.receiver.gate.set)
        post.receiver.gate.clear()
        hanging = [(await post.subscribe())[0] for _ in range(2)]
        since = post.clock.now() - timedelta(hours=3)
        await post.rows("UPDATE webhook_endpoints SET failing_since = $1", since)
        for number in range(20):
            await post.tell(activity_id=number)
        while await post.dispatch.dispatch_once():
            pass
        _, secret = await post.subscribe(quick.url)
        await post.tell(activity_id=99)
        await post.dispatch.dispatch_once()
        async with post.couriers():
            assert (await quick.next()).verified(secret)["data"]["activity_id"] == 99
            await post.until("state = 'queued' AND outcome LIKE 'the endpoint has enough%' HAVING count(*) = 40")
            await post.until("state = 'done'")
            running = await post.rows("SELECT payload FROM jobs WHERE state = 'running'")
            assert sorted(row["payload"]["endpoint_id"] for row in running) == hanging
            (put_off,) = await post.rows(
                "SELECT max(run_at) AS to, max(attempts) AS tried FROM jobs WHERE state = 'queued'"
            )
            assert put_off["to"] - post.clock.now() > timedelta(minutes=5)  # of forty, spread over half an hour
            assert put_off["tried"] == 0
            assert len(post.receiver.received) == 2


async def test_what_finds_no_place_is_neither_opened_nor_signed(post: Post) -> None:
    endpoint_id, _ = await post.subscribe()
    await post.rows("UPDATE webhook_endpoints SET failing_since = now()")
    await post.tell(activity_id=5)
    await post.dispatch.dispatch_once()
    no_key = SimpleNamespace(**{**vars(post.rooms), "cipher": Cipher([new_key()])})
    async with post.rooms.courier.place(endpoint_id, is_failing=True):
        post.rooms = cast(Rooms, no_key)
        async with post.couriers():
            await post.until("state = 'queued' AND outcome LIKE 'the endpoint has enough%'")


async def test_a_healthy_endpoint_has_four_places_a_slow_one_one_and_a_quick_answer_gives_them_back(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier, url = post.rooms.courier, post.receiver.url
    monkeypatch.setattr(courier_module, "WAIT_SECONDS", 0.01)

    async def places() -> int:
        """Take all that there are and return how many."""
        async with AsyncExitStack() as held:
            for count in range(10):
                try:
                    await held.enter_async_context(courier.place(1, is_failing=False))
                except Busy:
                    return count
        return 10

    assert await places() == 4
    monkeypatch.setattr(courier_module, "SLOW_SECONDS", 0.0)
    await courier.send(1, url, b"{}", {})
    assert await places() == 1
    monkeypatch.setattr(courier_module, "SLOW_SECONDS", 60.0)
    await courier.send(1, url, b"{}", {})
    assert await places() == 4


async def test_one_that_does_not_answer_is_known_as_slow_before_it_has_timed_out(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier = post.rooms.courier
    monkeypatch.setattr(courier_module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(courier_module, "WAIT_SECONDS", 600.0)
    post.receiver.gate.clear()

    async def deliver_one() -> None:
        async with courier.place(1, is_failing=False):
            await courier.send(1, post.receiver.url, b"{}", {})

    hanging = asyncio.create_task(deliver_one())
    await post.receiver.next()
    with pytest.raises(Busy):
        async with courier.place(1, is_failing=False):
            pass
    post.receiver.gate.set()
    await hanging


async def test_who_waits_for_a_place_of_one_that_turns_out_to_hang_does_not_get_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier = post.rooms.courier
    monkeypatch.setattr(courier_module, "WAIT_SECONDS", 600.0)
    async with AsyncExitStack() as others:
        for _ in range(3):
            await others.enter_async_context(courier.place(1, is_failing=False))
        async with courier.place(1, is_failing=False):
            waiting = asyncio.create_task(deliver_nothing(courier))
            await asyncio.sleep(0)
            monkeypatch.setattr(courier_module, "SLOW_SECONDS", 0.0)
            await courier.send(1, post.receiver.url, b"{}", {})
        with pytest.raises(Busy):
            await waiting


async def deliver_nothing(courier: Courier) -> None:
    async with courier.place(1, is_failing=False):
        pass


async def test_a_receiver_that_answers_too_late_is_tried_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "TOTAL_SECONDS", 0.2)
    post.receiver.gate.clear()
    async with Courier(allow_private=True) as courier:
        answer = await courier.send(1, post.receiver.url, b"{}", {})
    assert (answer.status, answer.sentence) == (None, "no answer within 0 s")
    assert not answer.is_accepted


# Where nothing is sent


class Rebinding(AbstractResolver):
    """A name that leads to this machine, whatever it said when it was checked."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return await ThreadedResolver().resolve("127.0.0.1", port)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:{port}/hook", "https://[::ffff:127.0.0.1]:{port}/hook", "http://127.0.0.1:{port}/hook"],
)
async def test_this_machine_is_not_sent_to_unless_the_operator_says_so(post: Post, url: str) -> None:
    port = post.receiver.url.split(":")[2].split("/")[0]
    async with Courier(allow_private=False) as courier:
        answer = await courier.send(1, url.format(port=port), b"{}", {})
    assert answer.status is None
    assert post.receiver.received == []


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = 0

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda *_, **__: Rebinding())
    try:
        for allow_private in (False, True):
            async with Courier(allow_private=allow_private) as courier:
                answer = await courier.send(1, f"https://rebound.example:{port}/hook", b"{}", {})
            assert answer.status is None
            assert ("127.0.0.1 is not an address of the internet" in answer.sentence) is not allow_private
            assert connections == int(allow_private)
    finally:
        server.close()


async def test_a_proxy_of_the_environment_is_not_asked(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Courier(allow_private=True) as courier:
        answer = await courier.send(1, post.receiver.url, b"{}", {"webhook-id": "x"})
    assert answer.status == 204


async def test_what_cannot_be_reached_is_told_without_its_address(post: Post) -> None:
    async with Courier(allow_private=True) as courier:
        refused = await courier.send(1, "http://127.0.0.1:9/canary", b"{}", {})
        unknown = await courier.send(1, "https://nobody.invalid/canary", b"{}", {})
    assert refused.sentence.startswith("could not connect")
    assert unknown.sentence in {"its name is not known to DNS", "could not connect (None)"}
    assert "canary" not in refused.sentence + unknown.sentence


async def test_the_instant_of_the_news_is_told_and_not_that_of_the_delivery(post: Post) -> None:
    _, secret = await post.subscribe()
    await post.tell(activity_id=5)
    (row,) = await post.rows("SELECT written_at FROM outbox")
    await post.dispatch.dispatch_once()
    async with post.couriers():
        payload = (await post.receiver.next()).verified(secret)
        await post.until("kind = 'deliver' AND state = 'done'")
    assert datetime.fromisoformat(payload["timestamp"]).astimezone(UTC) == row["written_at"]

"""Stamps and findings in the database, and the proof that rests on them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from daemon.core.freshness import Proof
from daemon.core.subscription import Finding, State
from daemon.loops.receiver import Receiver
from daemon.store import apps, receivers
from daemon.store.database import Connection, Database
from tests.support.clocks import SetClock
from tests.support.queue import add_athletes

APP = 12345
AT = datetime(2026, 1, 1, tzinfo=UTC)
OURS = Finding(State.VERIFIED, 7, "it leads here")
GONE = Finding(State.GONE, None, "it is gone")
ELSEWHERE = Finding(State.ELSEWHERE, 8, "it leads elsewhere")
UNKNOWN = Finding(State.UNKNOWN, None, "no answer")


@pytest_asyncio.fixture
async def app(database: Database) -> Database:
    """A database that knows the app."""
    async with database.connection() as connection:
        await apps.seed(connection, APP, None)
    return database


async def age(connection: Connection, seconds: float) -> None:
    """Let the run lie so much further back."""
    await connection.execute(
        "UPDATE receivers SET up_since = up_since - $1::interval, stamped_at = stamped_at - $1::interval",
        timedelta(seconds=seconds),
    )


async def up_since(connection: Connection) -> datetime:
    at: datetime = await connection.fetchval("SELECT up_since FROM receivers")
    return at


async def found(connection: Connection, *findings: Finding) -> None:
    """Record findings an hour apart."""
    for number, finding in enumerate(findings):
        await apps.record_finding(connection, APP, finding, AT + timedelta(hours=number))


async def test_a_run_goes_on_over_a_restart_and_ends_with_a_gap(app: Database) -> None:
    async with app.connection() as connection:
        await Receiver(app, APP, SetClock()).stamp()
        await age(connection, 50)
        since = await up_since(connection)

        await Receiver(app, APP, SetClock()).stamp()  # another process, or the next one
        assert await up_since(connection) == since

        await age(connection, 61)
        await Receiver(app, APP, SetClock()).stamp()
        assert await up_since(connection) > since


async def test_a_process_that_was_suspended_notices_although_the_databases_clock_went_back(app: Database) -> None:
    clock = SetClock()
    receiver = Receiver(app, APP, clock)
    async with app.connection() as connection:
        await receiver.stamp()
        await connection.execute("UPDATE receivers SET up_since = up_since - interval '1 day'")
        since = await up_since(connection)
        clock.advance(59)
        await receiver.stamp()
        assert await up_since(connection) == since

        clock.advance(61)
        await Receiver(app, APP, SetClock()).stamp()  # another daemon received meanwhile
        await receiver.stamp()
        assert await up_since(connection) == since

        clock.advance(61)
        await receiver.stamp()
        assert await up_since(connection) > since


async def test_daemons_that_stamp_at_once_agree_on_one_run(app: Database) -> None:
    await asyncio.gather(*(Receiver(app, APP, SetClock()).stamp() for _ in range(8)))

    async with app.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM receivers") == 1
        assert await connection.fetchval("SELECT up_since <= stamped_at FROM receivers")


async def test_nothing_vouches_before_a_look_and_a_stamp(app: Database) -> None:
    async with app.connection() as connection:
        assert await receivers.proof(connection, 999) == Proof(None, None, None)
        unknown = await receivers.proof(connection, APP)
        assert (unknown.verified_at, unknown.up_since, unknown.event_at) == (None, None, None)
        await Receiver(app, APP, SetClock()).stamp()
        assert (await receivers.proof(connection, APP)).verified_at is None
        await found(connection, OURS)
        proof = await receivers.proof(connection, APP)
        assert (proof.verified_at, proof.up_since) == (AT, await up_since(connection))


async def test_a_subscription_vouches_since_it_was_first_seen(app: Database) -> None:
    async with app.connection() as connection:
        await Receiver(app, APP, SetClock()).stamp()
        await found(connection, OURS, OURS, UNKNOWN)
        proof = await receivers.proof(connection, APP)
        assert (proof.verified_at, proof.subscribed_at) == (AT + timedelta(hours=1), AT)


async def test_one_that_was_gone_or_elsewhere_or_another_in_between_vouches_for_nothing_before(
    app: Database,
) -> None:
    another = Finding(State.VERIFIED, 9, "made again")
    async with app.connection() as connection:
        await Receiver(app, APP, SetClock()).stamp()
        for between in (GONE, ELSEWHERE):
            await found(connection, OURS, between)
            proof = await receivers.proof(connection, APP)
            assert (proof.verified_at, proof.subscribed_at) == (None, None)
            assert await apps.subscription_id(connection, APP) == 7
            await found(connection, OURS, between, OURS)
            assert (await receivers.proof(connection, APP)).subscribed_at == AT + timedelta(hours=2)
        await found(connection, OURS, another)
        assert (await receivers.proof(connection, APP)).subscribed_at == AT + timedelta(hours=1)
        assert await apps.subscription_id(connection, APP) == 9


async def test_who_has_not_stamped_for_a_minute_does_not_receive_and_it_is_told_since_when(app: Database) -> None:
    async with app.connection() as connection:
        await Receiver(app, APP, SetClock()).stamp()
        await age(connection, 50)
        up = await receivers.proof(connection, APP)
        assert up.up_since is not None
        assert up.down_at is None
        await age(connection, 11)
        down = await receivers.proof(connection, APP)
        stamped_at = await connection.fetchval("SELECT stamped_at FROM receivers")
        assert (down.up_since, down.down_at) == (None, stamped_at)
        await Receiver(app, APP, SetClock()).stamp()
        again = await receivers.proof(connection, APP)
        assert again.up_since is not None
        assert again.down_at == stamped_at < again.up_since


async def test_a_silence_that_habits_make_unlikely_is_noticed_and_where_it_ended_too(app: Database) -> None:
    """A fleet of 300 that uploads all the time, and a receiver that is up and hears nothing."""
    async with app.connection() as connection:
        await add_athletes(connection, range(1, 301))
        await connection.execute(
            "UPDATE sync_states SET uploads = array_fill(0.1::double precision, ARRAY[168]), uploads_at = now()"
        )
        await Receiver(app, APP, SetClock()).stamp()
        await connection.execute("UPDATE receivers SET up_since = now() - interval '5 hours'")
        silent = await receivers.proof(connection, APP)
        assert silent.silent_since == await up_since(connection)
        await connection.execute(
            "INSERT INTO events (dedup_key, received_at, body) VALUES ('a', now() - interval '1 minute', '')"
        )
        heard = await receivers.proof(connection, APP)
        assert heard.silent_since is None
        assert heard.heard_since == heard.event_at
        assert heard.unheard_from == await up_since(connection)


async def test_the_newest_event_counts_unless_it_is_known_to_be_foreign(app: Database) -> None:
    async with app.connection() as connection:
        for number, outcome in enumerate(["folded", "unknown_owner", "foreign_subscription", "unsigned"]):
            await connection.execute(
                "INSERT INTO events (dedup_key, received_at, body, folded_at, outcome) VALUES ($1, $2, '', $2, $3)",
                bytes([number]), AT + timedelta(minutes=number), outcome,
            )  # fmt: skip
        assert (await receivers.proof(connection, APP)).event_at == AT + timedelta(minutes=1)
        await connection.execute(
            "INSERT INTO events (dedup_key, received_at, body) VALUES ($1, $2, '')", b"new", AT + timedelta(hours=1)
        )
        assert (await receivers.proof(connection, APP)).event_at == AT + timedelta(hours=1)

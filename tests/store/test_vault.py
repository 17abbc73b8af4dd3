"""Tokens: sealed at rest, refreshed once for all, stored before use, believed dead only when they are."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.clock import SystemClock
from daemon.core.errors import Permanent, Retryable, Revoked
from daemon.jobs import erase_athlete, say_farewell
from daemon.jobs.rooms import Rooms
from daemon.store import athletes, credentials, farewells, jobs
from daemon.store.database import Connection, Database, Gone
from daemon.strava.client import OAuthClient, StravaClient, open_session
from daemon.strava.wire import AppCredentials, Athlete
from daemon.vault import farewell, tokens
from daemon.vault.cipher import Cipher, new_key
from daemon.vault.tokens import Vault, store_tokens
from tests.support.counting_admission import CountingAdmission
from tests.support.queue import add_athletes, claim, claim_one, later, new_job
from tests.support.relay import relayed
from tests.support.sessions import several, until_waiting
from tests.support.token_server import TokenServer, token_server

ATHLETE_ID = 1
PROJECT = Path(__file__).resolve().parents[2]
KEY = new_key()
CIPHER = Cipher([KEY])
CLOCK = SystemClock()


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection of the watcher's own; one athlete, whose access token has run out, with a job that waits."""
    async with database.connection() as connection:
        await add_athletes(connection, [ATHLETE_ID])
        await connect(connection, "refresh-0", "access-0", -60)
        await jobs.enqueue(connection, [new_job("ride:1", ATHLETE_ID)])
        yield connection


@pytest_asyncio.fixture
async def strava() -> AsyncIterator[TokenServer]:
    async with token_server(ATHLETE_ID, CLOCK) as server:
        yield server


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


class Caller:
    """A vault as one daemon has it, and the call that it is wanted for."""

    def __init__(self, session: aiohttp.ClientSession, strava: TokenServer, database: Database) -> None:
        oauth = OAuthClient(session, strava.url, AppCredentials(77, SecretStr("client-secret")))
        self._strava = StravaClient(session, strava.url)
        self.vault = Vault(database, oauth, CIPHER, CLOCK)

    async def send(self, token: SecretStr) -> Athlete:
        return await self._strava.athlete(token, CountingAdmission())

    async def call(self) -> Athlete:
        return await self.vault.call(ATHLETE_ID, self.send)

    async def prove(self) -> bool:
        return await self.vault.prove(ATHLETE_ID, self.send)


@pytest.fixture
def caller(
    session: aiohttp.ClientSession, strava: TokenServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Caller:
    monkeypatch.setattr(tokens, "SPREAD_SECONDS", 0.01)
    return Caller(session, strava, database)


async def connect(
    connection: Connection, refresh_token: str, access_token: str | None = None, lasts_seconds: float = 0
) -> None:
    """Store tokens as an import or a consent does."""
    await store_tokens(
        connection,
        CIPHER,
        ATHLETE_ID,
        SecretStr(refresh_token),
        SecretStr(access_token) if access_token is not None else None,
        later(lasts_seconds) if access_token is not None else None,
    )


async def kept(connection: Connection) -> tuple[str, str | None]:
    """Return refresh and access token as they are stored."""
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    refresh_token = CIPHER.open(ATHLETE_ID, "refresh_token", sealed.refresh_token)
    access_token = sealed.access_token and CIPHER.open(ATHLETE_ID, "access_token", sealed.access_token)
    return refresh_token.get_secret_value(), access_token.get_secret_value() if access_token else None


async def state(connection: Connection) -> dict[str, Any]:
    athlete = await athletes.get(connection, ATHLETE_ID)
    assert athlete is not None
    return athlete


async def assert_at_rest(connection: Connection, *, deauthorized: bool) -> None:
    athlete = await state(connection)
    assert athlete["state"] == "needs_authorization"
    assert (athlete["deauthorized_at"] is not None) == deauthorized
    assert await claim(connection) == []


async def assert_at_work(connection: Connection) -> None:
    athlete = await state(connection)
    assert (athlete["state"], athlete["state_reason"], athlete["deauthorized_at"]) == ("active", None, None)
    assert len(await claim(connection)) == 1


# The cipher


def test_what_is_sealed_opens_for_its_athlete_and_field_only() -> None:
    sealed = CIPHER.seal(1, "refresh_token", SecretStr("a secret"))

    assert b"secret" not in sealed
    assert CIPHER.open(1, "refresh_token", sealed).get_secret_value() == "a secret"
    for athlete_id, field in ((2, "refresh_token"), (1, "access_token")):
        with pytest.raises(Permanent, match="belongs to another row"):
            CIPHER.open(athlete_id, field, sealed)


def test_the_newest_key_seals_and_older_ones_still_open() -> None:
    old, new = new_key(), new_key()
    sealed_before = Cipher([old]).seal(1, "refresh_token", SecretStr("before"))
    rotating = Cipher([new, old])

    assert rotating.open(1, "refresh_token", sealed_before).get_secret_value() == "before"
    sealed_after = rotating.seal(1, "refresh_token", SecretStr("after"))
    assert Cipher([new]).open(1, "refresh_token", sealed_after).get_secret_value() == "after"


def test_without_the_right_key_the_message_says_whose_token_and_what_to_do() -> None:
    sealed = Cipher([new_key()]).seal(5, "refresh_token", SecretStr("a secret"))

    with pytest.raises(Permanent) as refusal:
        CIPHER.open(5, "refresh_token", sealed)

    assert "refresh_token of athlete 5" in str(refusal.value)
    assert "vault.keys" in str(refusal.value)


# Refreshing


async def test_a_token_that_lasts_is_used_as_it_is(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    await connect(connection, "refresh-0", "access-0", lasts_seconds=600)

    await caller.call()

    assert (strava.rotations, strava.calls) == (0, 1)


async def test_a_token_that_will_not_outlive_the_call_is_refreshed_and_stored_before_it_is_used(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    seen: list[tuple[str, str | None]] = []

    async def look() -> None:
        seen.append(await kept(connection))

    strava.after_rotation = strava.at_call = look
    await connect(connection, "refresh-0", "access-0", lasts_seconds=60)

    await caller.call()
    await caller.call()

    assert seen == [("refresh-0", "access-0"), ("refresh-1", "access-1"), ("refresh-1", "access-1")]
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    assert sealed.refresh_began_at is None


async def test_of_many_who_need_a_token_at_once_one_refreshes_for_all(
    arguments: dict[str, Any], session: aiohttp.ClientSession, strava: TokenServer, connection: Connection
) -> None:
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(Database(arguments, pool_size=2)) for _ in range(4)]
        callers = [Caller(session, strava, pool) for pool in pools]
        await asyncio.gather(*(caller.call() for caller in callers for _ in range(3)))

    assert (strava.rotations, strava.refusals, strava.calls) == (1, 0, 12)


async def vault_caller(orders: dict[str, Any]) -> asyncio.subprocess.Process:
    """Start a process that is ready to call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.vault_caller", cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(orders).encode() + b"\n")
    assert await process.stdout.readline() == b"ready\n"
    return process


async def call_now(process: asyncio.subprocess.Process, answers: list[bytes]) -> None:
    try:
        output, _ = await process.communicate(b"go\n")
        answers.append(output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_of_two_processes_that_need_a_token_at_once_one_refreshes_for_both(
    arguments: dict[str, Any], strava: TokenServer, connection: Connection
) -> None:
    orders = {"database": arguments, "url": strava.url, "key": KEY.get_secret_value(), "athlete_id": ATHLETE_ID}
    second_waits = asyncio.Event()

    async def hold_the_answer() -> None:
        await until_waiting(connection)  # the other process stands before the lock
        second_waits.set()

    strava.after_rotation = hold_the_answer
    answers: list[bytes] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        processes = [await vault_caller(orders) for _ in range(2)]
        for process in processes:
            group.create_task(call_now(process, answers))

    assert answers == [b"called\n", b"called\n"]
    assert second_waits.is_set()
    assert (strava.rotations, strava.refusals, strava.calls) == (1, 0, 2)
    assert await kept(connection) == ("refresh-1", "access-1")


async def test_a_refresh_answered_while_the_database_is_away_is_stored_when_it_is_back(
    arguments: dict[str, Any], session: aiohttp.ClientSession, strava: TokenServer, connection: Connection
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, pool_size=2) as database:

        async def cut_for_a_while() -> None:
            await relay.cut()
            asyncio.get_running_loop().call_later(0.3, lambda: mending.append(asyncio.ensure_future(relay.mend())))

        mending: list[asyncio.Future[None]] = []
        strava.after_rotation = cut_for_a_while
        await Caller(session, strava, database).call()

    assert mending
    assert await kept(connection) == ("refresh-1", "access-1")
    assert (strava.rotations, strava.calls) == (1, 1)


async def test_a_caller_cancelled_in_the_middle_of_a_refresh_leaves_the_new_tokens_stored(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    rotated, go_on = asyncio.Event(), asyncio.Event()

    async def hold_the_answer() -> None:
        rotated.set()
        await go_on.wait()

    strava.after_rotation = hold_the_answer
    call = asyncio.create_task(caller.call())
    await rotated.wait()
    call.cancel()
    await asyncio.sleep(0.01)
    call.cancel()  # a lost lease, and then the end of the daemon
    await asyncio.sleep(0.01)
    assert not call.done()
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert await kept(connection) == ("refresh-1", "access-1")
    assert strava.calls == 0


async def test_a_stop_closes_session_and_pool_only_when_a_refresh_that_outlived_its_job_is_stored(
    arguments: dict[str, Any], strava: TokenServer, connection: Connection
) -> None:
    rotated, go_on = asyncio.Event(), asyncio.Event()

    async def hold_the_answer() -> None:
        rotated.set()
        await go_on.wait()

    strava.after_rotation = hold_the_answer
    async with AsyncExitStack() as house:  # as the daemon's
        database = await house.enter_async_context(Database(arguments, pool_size=2))
        caller = Caller(await house.enter_async_context(open_session()), strava, database)
        house.push_async_callback(caller.vault.finish, 60)
        call = asyncio.create_task(caller.call())
        await rotated.wait()
        call.cancel()
        asyncio.get_running_loop().call_later(0.1, go_on.set)  # the stop has come to the vault long before

    assert await kept(connection) == ("refresh-1", "access-1")
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_stop_has_no_patience_without_end_with_strava_and_none_where_nothing_is_under_way(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    await caller.vault.finish(60)
    rotated, go_on = asyncio.Event(), asyncio.Event()

    async def hold_the_answer() -> None:
        rotated.set()
        await go_on.wait()

    strava.after_rotation = hold_the_answer
    call = asyncio.create_task(caller.call())
    await rotated.wait()
    with capture_logs() as logs:
        await caller.vault.finish(0.01)
    assert [line["event"] for line in logs] == ["token.refresh_abandoned"]
    assert not call.done()
    go_on.set()
    await call


async def test_a_refresh_that_never_got_an_answer_leaves_the_mark_and_is_tried_again(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    async def break_down() -> None:
        strava.refresh_token = "refresh-0"  # it broke before it could rotate
        raise ConnectionResetError

    strava.after_rotation = break_down
    with pytest.raises(Retryable):
        await caller.call()
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    assert sealed.refresh_began_at is not None

    strava.after_rotation = strava.at_call
    await caller.call()
    assert (await kept(connection))[0] == strava.refresh_token


@pytest.mark.parametrize("field", ["access_token", "expires_at"])
async def test_of_a_damaged_answer_the_new_refresh_token_is_kept_and_used(
    field: str, caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.answer_without = field
    with pytest.raises(Retryable, match=rf"token\.{field} is missing"):
        await caller.call()
    assert await kept(connection) == ("refresh-1", None)

    strava.answer_without = ""
    await caller.call()
    assert (strava.rotations, strava.refusals) == (2, 0)
    assert (await kept(connection))[0] == strava.refresh_token
    await assert_at_work(connection)


async def test_an_answer_without_a_refresh_token_is_asked_for_again_before_anybody_rests(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.answer_without = "refresh_token"
    with pytest.raises(Retryable, match=r"token\.refresh_token is missing"):
        await caller.call()
    await assert_at_work(connection)

    with pytest.raises(Revoked, match="a refresh had been cut off at"):
        await caller.call()


# 401


async def test_a_401_is_answered_by_a_refresh_and_one_more_try(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    await connect(connection, "refresh-0", "access-of-yesterday", lasts_seconds=600)

    await caller.call()

    assert (strava.rotations, strava.calls) == (1, 2)
    await assert_at_work(connection)


async def test_a_401_on_a_fresh_token_rests_the_athlete_and_his_jobs(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.deny_access_tokens = True

    with pytest.raises(Revoked, match="had just issued"):
        await caller.call()

    assert (strava.rotations, strava.calls) == (2, 3)
    await assert_at_rest(connection, deauthorized=False)


async def test_a_new_token_that_not_all_of_strava_knows_yet_rests_nobody(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.spreads_slowly = True
    await connect(connection, "refresh-0", "access-of-yesterday", lasts_seconds=600)

    await caller.call()
    assert (strava.rotations, strava.calls) == (1, 3)
    assert await caller.prove()
    assert (strava.rotations, strava.calls) == (2, 5)
    await assert_at_work(connection)


async def test_a_dead_refresh_token_rests_the_athlete_and_his_jobs_and_never_leads_to_erasure(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.kill()

    with pytest.raises(Revoked, match="refused the refresh token"):
        await caller.call()

    await assert_at_rest(connection, deauthorized=False)
    assert (await state(connection))["state_reason"] == "Strava refused the refresh token"
    assert await athletes.hold_departed(connection, later(60)) == []
    assert (strava.refusals, strava.calls) == (1, 0)


async def test_a_refresh_that_works_ends_a_rest(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    assert await athletes.rest(connection, ATHLETE_ID, "a mistake", sealed.version, deauthorized=True)

    await caller.call()

    await assert_at_work(connection)


async def test_an_athlete_without_tokens_rests_instead_of_coming_back_at_once_for_ever(
    caller: Caller, connection: Connection
) -> None:
    await connection.execute("DELETE FROM credentials")

    with pytest.raises(Revoked, match="is not connected"):
        await caller.call()

    await assert_at_rest(connection, deauthorized=False)


async def test_a_token_that_no_key_opens_is_neither_sent_nor_marked(
    session: aiohttp.ClientSession, strava: TokenServer, database: Database, connection: Connection
) -> None:
    await store_tokens(connection, Cipher([new_key()]), ATHLETE_ID, SecretStr("refresh-0"))

    with pytest.raises(Permanent, match=r"none of vault\.keys fits"):
        await Caller(session, strava, database).call()

    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    assert sealed.refresh_began_at is None
    assert strava.rotations == strava.refusals == 0


# Others at the same time


async def refreshed_elsewhere(connection: Connection, strava: TokenServer) -> None:
    """Store what another process, which has lost its lock, was given for the same refresh token."""
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    await credentials.finish_refresh(
        connection,
        ATHLETE_ID,
        sealed.version,
        refresh_token=CIPHER.seal(ATHLETE_ID, "refresh_token", SecretStr(strava.refresh_token)),
        access_token=CIPHER.seal(ATHLETE_ID, "access_token", SecretStr(strava.access_token)),
        expires_at=later(3600),
    )


async def begun_elsewhere(connection: Connection, strava: TokenServer) -> None:
    """Let another process have sent the refresh token and been given new ones that it has not stored yet."""
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    assert await credentials.begin_refresh(connection, ATHLETE_ID, sealed.version)
    strava.refresh_token, strava.access_token = "refresh-elsewhere", "access-elsewhere"


@pytest.mark.parametrize("stored_after_seconds", [0.0, 0.2])
async def test_a_refusal_is_not_believed_while_another_process_stores_what_it_was_given(
    caller: Caller, strava: TokenServer, connection: Connection, stored_after_seconds: float
) -> None:
    await begun_elsewhere(connection, strava)
    storing: list[asyncio.Task[None]] = []

    async def store_soon() -> None:
        async def store() -> None:
            await asyncio.sleep(stored_after_seconds)
            await refreshed_elsewhere(connection, strava)

        storing.append(asyncio.create_task(store()))
        if not stored_after_seconds:
            await storing[0]

    strava.after_refusal = store_soon

    await caller.call()

    assert (strava.rotations, strava.refusals, strava.calls) == (0, 1, 1)
    await assert_at_work(connection)


async def test_a_refresh_abandoned_by_a_crash_is_told_where_its_token_is_found_dead(
    caller: Caller, strava: TokenServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "SETTLE_DELAYS_SECONDS", (0.01, 0.01))
    await begun_elsewhere(connection, strava)  # and there it ends

    with pytest.raises(Revoked):
        await caller.call()

    await assert_at_rest(connection, deauthorized=False)
    reason = (await state(connection))["state_reason"]
    assert f"a refresh had been cut off at {datetime.now(UTC):%Y-%m-%d}" in reason


async def test_a_reconnect_during_a_refresh_wins(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    async def reconnect() -> None:
        await connect(connection, "refresh-of-the-reconnect", "access-of-the-reconnect", lasts_seconds=3600)

    strava.after_rotation = reconnect
    with pytest.raises(Retryable, match="reconnected"):
        await caller.call()

    assert await kept(connection) == ("refresh-of-the-reconnect", "access-of-the-reconnect")
    await assert_at_work(connection)


async def test_a_return_after_an_erasure_during_a_refresh_wins_although_every_row_is_new(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    async def erase_and_come_back() -> None:
        await erase_athlete.erase(connection, ATHLETE_ID)
        await add_athletes(connection, [ATHLETE_ID])
        await connect(connection, "refresh-of-the-return", "access-of-the-return", lasts_seconds=3600)

    strava.after_rotation = erase_and_come_back
    with pytest.raises(Retryable, match="reconnected"):
        await caller.call()

    assert await kept(connection) == ("refresh-of-the-return", "access-of-the-return")
    assert await connection.fetchval("SELECT count(*) FROM farewells") == 0


@pytest.mark.parametrize("field", ["", "access_token"])  # the second is a damaged answer
async def test_an_erasure_during_a_refresh_takes_leave_with_the_new_token_and_leaves_nothing_else(
    field: str, caller: Caller, strava: TokenServer, connection: Connection, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(erase_athlete, "TOLD_WITHIN_SECONDS", 0.05)
    strava.answer_without = field

    async def erase() -> None:
        async with database.transaction() as leaving:
            await erase_athlete.begin(leaving, ATHLETE_ID, "athlete", CLOCK.now())
        ended = await erase_athlete.finish(database, caller.vault, ATHLETE_ID, CLOCK.now())
        assert (ended.erased, ended.told) == (True, False)

    strava.after_rotation = erase
    with pytest.raises(Gone, match="erased during a refresh"):
        await caller.call()

    sealed = await connection.fetchval("SELECT refresh_token FROM farewells WHERE athlete_id = $1", ATHLETE_ID)
    assert CIPHER.open(ATHLETE_ID, "refresh_token", sealed).get_secret_value() == "refresh-1"
    for table in ("athletes", "credentials", "outbox"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    job = await claim_one(connection)
    assert (job.kind, await connection.fetchval("SELECT count(*) FROM jobs")) == ("say_farewell", 1)

    await say_farewell.run(job, cast(Rooms, SimpleNamespace(database=database, vault=caller.vault)))

    assert strava.revoked == ["refresh-1"]
    assert await connection.fetchval("SELECT count(*) FROM farewells") == 0


async def test_a_farewell_that_gets_a_newer_token_while_strava_is_told_is_said_again(
    database: Database, connection: Connection
) -> None:
    told: list[bytes] = []

    async def revoke(athlete_id: int, refresh_token: bytes) -> None:
        told.append(refresh_token)
        if refresh_token == b"old":
            async with database.transaction() as storing:
                await farewell.leave(storing, athlete_id, b"new", later(0))

    rooms = cast(Rooms, SimpleNamespace(database=database, vault=SimpleNamespace(revoke_sealed=revoke)))
    await connection.execute("DELETE FROM jobs")
    await farewell.leave(connection, ATHLETE_ID, b"old", later(0))
    job = await claim_one(connection)
    with pytest.raises(Retryable, match="another token took the place"):
        await say_farewell.run(job, rooms)
    await jobs.requeue(connection, job, later(0), "as the worker does")

    await say_farewell.run(await claim_one(connection), rooms)

    assert told == [b"old", b"new"]
    assert await connection.fetchval("SELECT count(*) FROM farewells") == 0
    assert await claim(connection) == []


async def test_no_farewell_is_left_to_who_is_connecting_again_at_that_moment(
    arguments: dict[str, Any], caller: Caller, strava: TokenServer, connection: Connection, database: Database
) -> None:
    async def erase() -> None:
        async with database.transaction() as erasing:
            await erase_athlete.erase(erasing, ATHLETE_ID)

    strava.after_rotation = erase
    async with several(arguments, 1) as (returning,):
        async with returning.transaction():  # in the order of an admission
            await farewells.take_back(returning, ATHLETE_ID)
            calling = asyncio.create_task(caller.call())
            await until_waiting(connection)
            await add_athletes(returning, [ATHLETE_ID])
            await connect(returning, "refresh-of-the-return")
        with pytest.raises(Retryable, match="reconnected"):
            await calling

    assert await connection.fetchval("SELECT count(*) FROM farewells") == 0
    assert await kept(connection) == ("refresh-of-the-return", None)


async def test_after_a_reconnect_during_a_refresh_another_one_is_not_waited_for(
    arguments: dict[str, Any], caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    """Each would hold what the other waits for: the athlete's row and the lock of farewells."""

    async def reconnect() -> None:
        await connect(connection, "refresh-of-the-reconnect")

    strava.after_rotation = reconnect
    async with several(arguments, 1) as (returning,), returning.transaction():
        await farewells.take_back(returning, ATHLETE_ID)
        with pytest.raises(Retryable, match="reconnected"):
            async with asyncio.timeout(10):
                await caller.call()


@pytest.mark.parametrize("access_token", ["access-of-the-reconnect", None])
async def test_a_reconnect_during_a_refusal_wins(
    caller: Caller, strava: TokenServer, connection: Connection, access_token: str | None
) -> None:
    strava.kill()
    strava.access_token = "access-of-the-reconnect"

    async def reconnect() -> None:
        await connect(connection, "refresh-of-the-reconnect", access_token, lasts_seconds=3600)

    strava.after_refusal = reconnect
    with suppress(Retryable):  # where there is only a refresh token, the next attempt will use it
        await caller.call()

    assert strava.calls == (1 if access_token else 0)
    await assert_at_work(connection)


async def test_a_refusal_waits_for_a_refresh_that_is_being_stored_and_then_yields_to_it(
    arguments: dict[str, Any], connection: Connection, strava: TokenServer
) -> None:
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    async with several(arguments, 2) as (storing, refused):
        async with storing.transaction():
            await athletes.lock(storing, ATHLETE_ID)
            await refreshed_elsewhere(storing, strava)
            resting = asyncio.create_task(
                athletes.rest(refused, ATHLETE_ID, "refused", sealed.version, deauthorized=False)
            )
            await until_waiting(connection)
            await athletes.wake(storing, ATHLETE_ID)
        assert not await resting

    await assert_at_work(connection)


async def test_a_refresh_stored_while_a_refusal_is_being_believed_wakes_the_athlete(
    arguments: dict[str, Any], caller: Caller, connection: Connection
) -> None:
    sealed = await credentials.read(connection, ATHLETE_ID)
    assert sealed is not None
    async with several(arguments, 1) as (refused,):
        async with refused.transaction():
            assert await athletes.rest(refused, ATHLETE_ID, "refused", sealed.version, deauthorized=False)
            calling = asyncio.create_task(caller.call())
            await until_waiting(connection)
        await calling

    await assert_at_work(connection)


# Proof


async def test_who_still_allows_us_proves_it_by_a_refresh_and_a_call(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    await connect(connection, "refresh-0", "access-0", lasts_seconds=3600)

    assert await caller.prove()

    assert (strava.rotations, strava.calls) == (1, 1)
    await assert_at_work(connection)


@pytest.mark.parametrize("refused", ["the refresh", "the call"])
async def test_who_took_the_authorization_back_is_marked_for_erasure(
    caller: Caller, strava: TokenServer, connection: Connection, refused: str
) -> None:
    if refused == "the refresh":
        strava.kill()
    strava.deny_access_tokens = True

    assert not await caller.prove()

    await assert_at_rest(connection, deauthorized=True)
    assert (await state(connection))["state_reason"] == "the athlete took the authorization back"
    assert await athletes.hold_departed(connection, later(60)) == [ATHLETE_ID]


async def test_an_athlete_at_rest_by_a_dead_token_becomes_deauthorized_only_by_proof(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.kill()
    with pytest.raises(Revoked):
        await caller.call()
    since = (await state(connection))["state_since"]

    assert not await caller.prove()

    athlete = await state(connection)
    assert athlete["deauthorized_at"] is not None
    assert athlete["state_since"] == since


async def test_a_rest_a_disconnection_and_a_return_are_news_once_each(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.kill()
    for _ in range(2):
        with pytest.raises(Revoked):
            await caller.call()
    for _ in range(2):
        assert not await caller.prove()
    await connect(connection, strava.refresh_token)
    await caller.call()
    rows = await connection.fetch("SELECT topic, athlete_id, body FROM outbox ORDER BY news_id")
    assert [tuple(row) for row in rows] == [
        ("athlete.needs_authorization", ATHLETE_ID, {"reason": "Strava refused the refresh token"}),
        ("athlete.disconnected", ATHLETE_ID, {}),
        ("athlete.connected", ATHLETE_ID, {"is_new": False}),
    ]


async def test_the_proof_is_void_where_the_athlete_reconnects_meanwhile(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    strava.deny_access_tokens = True

    async def reconnect() -> None:
        await connect(connection, "refresh-of-the-reconnect")

    strava.at_call = reconnect
    with pytest.raises(Retryable, match="reconnected"):
        await caller.prove()

    await assert_at_work(connection)


async def test_nobody_is_deauthorized_because_strava_is_down(
    caller: Caller, strava: TokenServer, connection: Connection
) -> None:
    async def break_down() -> None:
        raise ConnectionResetError

    strava.after_rotation = break_down
    with pytest.raises(Retryable):
        await caller.prove()

    await assert_at_work(connection)


async def test_a_lock_that_cannot_be_had_is_no_verdict(
    caller: Caller, database: Database, connection: Connection
) -> None:
    async with credentials.refreshing(database, ATHLETE_ID):
        waiting = asyncio.create_task(caller.call())
        await until_waiting(connection)
        await connection.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        )
        with pytest.raises(Retryable):
            await waiting

    await assert_at_work(connection)

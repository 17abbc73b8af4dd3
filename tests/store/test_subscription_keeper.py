"""The keeper against the sandbox's subscriptions, with a receiver that shakes hands or does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.clock import SystemClock
from daemon.config import Strava
from daemon.core.errors import NotFound, Permanent, Retryable
from daemon.core.subscription import State
from daemon.loops import receiver as receiver_loop
from daemon.loops import subscription
from daemon.loops.inbox import Inbox
from daemon.loops.subscription import Keeper
from daemon.store import apps, vitals
from daemon.store.database import Database
from daemon.strava.client import open_session
from daemon.strava.wire import SubscriptionExists
from daemon.web.server import application, serving
from daemon.web.webhook import Secrets, Webhook
from tests.support.admin import opened
from tests.support.daemon import eventually
from tests.support.sandbox import Sandbox, running_sandbox

SECRET = "canary-webhook-secret-0123"
VERIFY = "canary-verify-token"
MakeKeeper = Callable[..., Awaitable[Keeper]]


@pytest_asyncio.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A Strava for all tests of this file."""
    async with running_sandbox(athletes=0) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def receiver(database: Database) -> AsyncIterator[str]:
    """A receiver that listens, for the handshake, and two strangers under other paths."""

    async def stranger(_: web.Request) -> web.Response:
        return web.json_response({"hello": "from somebody else"})

    async def forbidding(_: web.Request) -> web.Response:
        return web.Response(status=403)

    async def confused(_: web.Request) -> web.Response:
        return web.Response(status=500)

    webhook = Webhook(
        Inbox(database, lambda: None), Secrets((SecretStr(SECRET),), SecretStr(VERIFY), None), SystemClock()
    )
    app = opened(database, SystemClock(), webhook.endpoints())
    app.router.add_get("/stranger/webhook/{secret}", stranger)
    app.router.add_get("/closed/webhook/{secret}", forbidding)
    app.router.add_get("/confused/webhook/{secret}", confused)
    async with serving(app, "127.0.0.1", 0) as address:
        yield address


@pytest_asyncio.fixture
async def make_keeper(
    sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MakeKeeper]:
    """Keepers of the sandbox's app, which has no subscription at the start of a test."""
    monkeypatch.setattr("daemon.strava.callback.ANSWER_SECONDS", 60.0)  # no test is about a receiver that dawdles
    await end_subscription(sandbox)
    await sandbox.clear_faults()
    async with AsyncExitStack() as stack:

        async def make(callback_url: str, **settings: Any) -> Keeper:
            strava = Strava(
                api_url=settings.pop("api_url", sandbox.api_url),
                client_id=sandbox.client_id,
                client_secret=SecretStr(settings.pop("client_secret", sandbox.client_secret)),
                verify_token=SecretStr(VERIFY),
                webhook_secret=SecretStr(SECRET),
                callback_url=callback_url,
                **settings,
            )
            async with database.connection() as connection:
                await apps.seed(connection, sandbox.client_id, None)
            return Keeper(database, await stack.enter_async_context(open_session(60.0)), strava, SystemClock())

        yield make


def credentials(sandbox: Sandbox) -> dict[str, str]:
    return {"client_id": str(sandbox.client_id), "client_secret": sandbox.client_secret}


async def subscriptions(sandbox: Sandbox) -> list[dict[str, Any]]:
    async with sandbox.session.get(f"{sandbox.api_url}/push_subscriptions", params=credentials(sandbox)) as answer:
        listed: list[dict[str, Any]] = await answer.json()
        return listed


async def end_subscription(sandbox: Sandbox) -> None:
    for one in await subscriptions(sandbox):
        url = f"{sandbox.api_url}/push_subscriptions/{one['id']}"
        async with sandbox.session.delete(url, params=credentials(sandbox)) as answer:
            assert answer.status == 204


async def subscribe_elsewhere(sandbox: Sandbox) -> str:
    """Let another installation have the app's subscription; returns where it leads."""

    async def shake(request: web.Request) -> web.Response:
        return web.json_response({"hub.challenge": request.query["hub.challenge"]})

    async with serving(application([web.get("/canary-path", shake)]), "127.0.0.1", 0) as address:
        form = credentials(sandbox) | {"callback_url": f"{address}/canary-path", "verify_token": "theirs"}
        async with sandbox.session.post(f"{sandbox.api_url}/push_subscriptions", data=form) as answer:
            assert answer.status == 201
    return address


async def test_a_subscription_is_made_seen_and_ended_and_each_step_is_remembered(
    make_keeper: MakeKeeper, sandbox: Sandbox, database: Database, receiver: str
) -> None:
    keeper = await make_keeper(receiver)

    async def remembered() -> tuple[State | None, int | None, bool]:
        async with database.connection() as connection:
            found = await vitals.read(connection, sandbox.client_id)
            number = await apps.subscription_id(connection, sandbox.client_id)
        return found["subscription_state"], number, found["subscription_verified_at"] is not None

    assert await remembered() == (None, None, False)
    assert (await keeper.look()).state is State.GONE
    assert await remembered() == (State.GONE, None, False)
    made = await keeper.create()
    (listed,) = await subscriptions(sandbox)
    assert (made.state, made.subscription_id) == (State.VERIFIED, listed["id"])
    assert listed["callback_url"] == f"{receiver}/webhook/{SECRET}"
    assert await remembered() == (State.VERIFIED, listed["id"], True)
    assert await keeper.look() == made
    assert await keeper.ensure() == made
    with pytest.raises(SubscriptionExists):
        await keeper.create()
    assert await keeper.delete() == listed["id"]
    assert await subscriptions(sandbox) == []
    assert (await remembered())[0] is State.GONE
    with pytest.raises(NotFound, match="no subscription to delete"):
        await keeper.delete()


async def test_without_an_address_ours_is_known_by_its_secret_and_none_is_made(
    make_keeper: MakeKeeper, receiver: str
) -> None:
    await (await make_keeper(receiver)).create()
    keeper = await make_keeper("")
    assert (await keeper.look()).state is State.VERIFIED
    await keeper.delete()
    with pytest.raises(Permanent, match=r"set strava\.callback_url first"):
        await keeper.create()
    assert "strava.callback_url" in (await keeper.ensure()).detail


async def test_keepers_that_make_one_at_once_end_up_with_the_same_one(
    make_keeper: MakeKeeper, sandbox: Sandbox, receiver: str
) -> None:
    keepers = [await make_keeper(receiver) for _ in range(4)]
    found = await asyncio.gather(*(keeper.ensure() for keeper in keepers))
    (listed,) = await subscriptions(sandbox)
    assert {(one.state, one.subscription_id) for one in found} == {(State.VERIFIED, listed["id"])}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/stranger", "answers 200 without the challenge: something answers in the daemon's place"),
        ("/closed", r"answers 403: the daemon there runs with another strava\.verify_token"),
        ("/nowhere", r"answers 404: the proxy leads elsewhere, or .* another strava\.webhook_secret"),
        ("/confused", "answers 500: something answers in the daemon's place"),
    ],
)
async def test_a_callback_that_strava_refuses_is_explained_by_what_we_see_there(
    make_keeper: MakeKeeper, receiver: str, path: str, sentence: str
) -> None:
    keeper = await make_keeper(receiver + path)
    with capture_logs() as lines, pytest.raises(Permanent, match=sentence) as refused:
        await keeper.create()
    finding = await keeper.ensure()
    assert finding.state is State.GONE
    assert str(refused.value) in finding.detail
    assert "canary" not in f"{refused.value} {finding} {lines}"


async def test_a_callback_where_nothing_listens_says_to_start_the_daemon(make_keeper: MakeKeeper) -> None:
    async with serving(application([]), "127.0.0.1", 0) as address:
        keeper = await make_keeper(address)
    with pytest.raises(Permanent, match=r"cannot be reached \(ConnectionRefusedError\): start the daemon"):
        await keeper.create()


async def test_a_callback_that_we_reach_and_strava_does_not_points_at_the_way_between(
    make_keeper: MakeKeeper, receiver: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:  # a Strava from which no way leads to us
        error = {"resource": "PushSubscription", "field": "callback url", "code": "not verifiable"}
        return web.json_response({"message": "Bad Request", "errors": [error]}, status=400)

    async with serving(application([web.post("/push_subscriptions", refuse)]), "127.0.0.1", 0) as address:
        keeper = await make_keeper(receiver, api_url=address)
        with pytest.raises(Permanent, match="answers as it should: so look at the way from the internet to it"):
            await keeper.create()


async def test_one_that_leads_elsewhere_is_told_and_only_replaced_where_a_person_says_so(
    make_keeper: MakeKeeper, sandbox: Sandbox, receiver: str
) -> None:
    elsewhere = await subscribe_elsewhere(sandbox)
    keeper = await make_keeper(receiver)
    for finding in (await keeper.look(), await keeper.ensure()):
        assert finding.state is State.ELSEWHERE
        assert f"{elsewhere}/…" in finding.detail
        assert "canary" not in finding.detail
    with pytest.raises(Permanent, match="--elsewhere"):
        await keeper.delete()
    assert [one["callback_url"] for one in await subscriptions(sandbox)] == [f"{elsewhere}/canary-path"]

    assert (await keeper.ensure(replace=True)).state is State.VERIFIED
    (listed,) = await subscriptions(sandbox)
    assert listed["callback_url"].startswith(receiver)
    await keeper.delete()
    await subscribe_elsewhere(sandbox)
    await keeper.delete(elsewhere=True)
    assert await subscriptions(sandbox) == []


async def test_a_strava_that_does_not_answer_is_no_news(
    make_keeper: MakeKeeper, sandbox: Sandbox, database: Database, receiver: str
) -> None:
    keeper = await make_keeper(receiver)
    await keeper.create()
    await sandbox.fault("error_503", endpoint="push_subscriptions")
    for finding in (await keeper.look(), await keeper.ensure(), await keeper.ensure(replace=True)):
        assert finding.state is State.UNKNOWN
        assert "503" in finding.detail
    with pytest.raises(Retryable, match="503"):
        await keeper.delete()
    async with database.connection() as connection:
        found = await vitals.read(connection, sandbox.client_id)
    assert found["subscription_verified_at"] is not None  # what was known stays
    await sandbox.clear_faults()
    assert len(await subscriptions(sandbox)) == 1


async def test_an_app_secret_that_is_wrong_is_told_and_not_shown(make_keeper: MakeKeeper, receiver: str) -> None:
    finding = await (await make_keeper(receiver, client_secret="canary-of-a-wrong-secret")).ensure()
    assert finding.state is State.UNKNOWN
    assert "strava.client_secret" in finding.detail
    assert "canary" not in finding.detail


async def test_what_is_lost_while_the_daemon_runs_is_made_again_and_said_once(
    make_keeper: MakeKeeper, sandbox: Sandbox, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "EVERY_SECONDS", 0.01)
    keeper = await make_keeper(receiver, keep_subscription=True)

    async def is_there() -> bool:
        return bool(await subscriptions(sandbox))

    with capture_logs() as lines:
        running = asyncio.create_task(keeper.run())
        try:
            await eventually(is_there)
            (first,) = await subscriptions(sandbox)
            await end_subscription(sandbox)
            await eventually(is_there)
        finally:
            running.cancel()
            await asyncio.wait([running])
    (second,) = await subscriptions(sandbox)
    assert second["id"] > first["id"]
    checked = [line["subscription_id"] for line in lines if line["event"] == "subscription.checked"]
    assert checked[0] == first["id"]
    assert len(checked) <= 2


async def test_a_database_that_is_gone_ends_neither_keeper_nor_receiver(
    make_keeper: MakeKeeper, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(receiver_loop, "STAMP_SECONDS", 0.01)
    keeper = await make_keeper("")
    closed = Database({}, 1)
    monkeypatch.setattr(keeper, "_database", closed)
    with capture_logs() as lines:
        loops = [keeper.run(), receiver_loop.Receiver(closed, sandbox.client_id, SystemClock()).run()]
        tasks = [asyncio.create_task(loop) for loop in loops]

        async def is_told_again() -> bool:
            events = [line["event"] for line in lines]
            return min(events.count("subscription.not_recorded"), events.count("receiver.not_stamped")) >= 2

        try:
            await eventually(is_told_again)
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

"""What a server on loopback really sees: as many requests as permits, and nothing that aiohttp sends on its own."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest
import stamina
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from daemon.core.admission import Outcome
from daemon.core.errors import DomestiqueError, Permanent, QuotaSpent, Retryable
from daemon.strava import wire
from daemon.strava.client import (
    LARGEST_ANSWER_BYTES,
    ConnectionBroken,
    NeverSent,
    OAuthClient,
    StravaClient,
    SubscriptionClient,
    open_session,
)
from tests.support.counting_admission import CountingAdmission

TOKEN = SecretStr("athlete-token")
APP = wire.AppCredentials(4711, SecretStr("app-secret"))
CALLS = 10
METERS = {"X-Ratelimit-Limit": "200,2000", "X-Ratelimit-Usage": "5,148"}

Behaviour = Callable[["CountingServer", web.Request], Awaitable[web.StreamResponse]]


class CountingServer:
    """Counts the requests that arrive and answers them as it is told."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.used: set[asyncio.BaseTransport] = set()  # the objects themselves: an id() may come again
        self.behaviour: Behaviour = athlete
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        return await self.behaviour(self, request)


def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def athlete(server: CountingServer, request: web.Request) -> web.StreamResponse:
    return web.json_response({"id": 34}, headers=METERS)


async def closing_reused_connections(server: CountingServer, request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    if request.transport in server.used:
        return cut(request)
    server.used.add(request.transport)
    return await athlete(server, request)


async def closing_every_connection(server: CountingServer, request: web.Request) -> web.StreamResponse:
    return cut(request)


async def breaking_off(server: CountingServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={**METERS, "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"id": 34')
    return cut(request)


async def refusing_and_breaking_off(server: CountingServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=429, headers={"Content-Length": "1000"})
    await response.prepare(request)
    return cut(request)


async def never_ending(server: CountingServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=METERS)
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


async def moved(server: CountingServer, request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"{server.url}/elsewhere"})


async def packed(server: CountingServer, request: web.Request) -> web.StreamResponse:
    assert request.headers["Accept-Encoding"] == "gzip"
    return web.Response(body=gzip.compress(b'{"id": 34}'), headers={"Content-Encoding": "gzip"})


async def exploding(server: CountingServer, request: web.Request) -> web.StreamResponse:
    bomb = gzip.compress(bytes(LARGEST_ANSWER_BYTES + 1), compresslevel=1)
    return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})


@pytest.fixture
async def server() -> AsyncIterator[CountingServer]:
    counting = CountingServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", counting.answer)
    async with TestServer(app) as running:
        counting.url = str(running.make_url("")).rstrip("/")
        yield counting


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(timeout_seconds=5.0) as session:
        yield session


@pytest.fixture
def strava(session: aiohttp.ClientSession, server: CountingServer) -> StravaClient:
    return StravaClient(session, server.url)


@pytest.fixture
def admission() -> CountingAdmission:
    return CountingAdmission()


@pytest.fixture
def without_our_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture
def retries_without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


async def failures(call: Callable[[], Awaitable[object]], times: int) -> int:
    failed = 0
    for _ in range(times):
        try:
            await call()
        except (aiohttp.ClientError, DomestiqueError):
            failed += 1
    return failed


async def test_aiohttp_itself_sends_more_requests_than_it_was_asked_to(server: CountingServer) -> None:
    """The danger is real: without it the next test would prove nothing."""
    server.behaviour = closing_reused_connections
    async with aiohttp.ClientSession() as bare:

        async def call() -> None:
            async with bare.get(f"{server.url}/athlete") as response:
                await response.read()

        await failures(call, CALLS)
    assert len(server.requests) > CALLS


@pytest.mark.usefixtures("without_our_retries")
async def test_n_calls_are_n_requests_although_reused_connections_break(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = closing_reused_connections
    failed = await failures(lambda: strava.athlete(TOKEN, admission), CALLS)
    assert len(server.requests) == admission.permits == CALLS
    # Every second call met a connection that the server had closed: so connections were reused, and did break.
    assert failed == CALLS // 2


@pytest.mark.usefixtures("retries_without_waiting")
async def test_each_retry_of_ours_takes_its_own_permit(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = closing_reused_connections
    assert await failures(lambda: strava.athlete(TOKEN, admission), CALLS) == 0
    assert len(server.requests) == admission.permits == CALLS + CALLS - 1
    assert len(admission.answers) == CALLS


@pytest.mark.usefixtures("retries_without_waiting")
async def test_a_call_that_keeps_breaking_ends_after_three_permits(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = closing_every_connection
    with pytest.raises(ConnectionBroken, match="ServerDisconnectedError"):
        await strava.athlete(TOKEN, admission)
    assert len(server.requests) == admission.permits == 3


@pytest.mark.usefixtures("retries_without_waiting")
async def test_a_deletion_is_not_sent_again_unseen_either(
    server: CountingServer, session: aiohttp.ClientSession
) -> None:
    server.behaviour = closing_every_connection
    with pytest.raises(ConnectionBroken):
        await SubscriptionClient(session, server.url, APP).delete(5)
    assert server.requests == ["DELETE /push_subscriptions/5"]


@pytest.mark.usefixtures("retries_without_waiting")
async def test_a_refresh_that_arrived_is_never_sent_again(
    server: CountingServer, session: aiohttp.ClientSession
) -> None:
    server.behaviour = closing_every_connection
    with pytest.raises(ConnectionBroken) as raised:
        await OAuthClient(session, server.url, APP).refresh(TOKEN)
    assert not isinstance(raised.value, NeverSent)
    assert server.requests == ["POST /token"]


@pytest.mark.usefixtures("retries_without_waiting")
async def test_a_refresh_that_finds_no_server_was_never_sent(session: aiohttp.ClientSession) -> None:
    with socket.socket() as reserved:  # bound, not listening: whoever connects is refused
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(NeverSent, match="could not connect"):
            await OAuthClient(session, f"http://127.0.0.1:{reserved.getsockname()[1]}", APP).refresh(TOKEN)


@pytest.mark.usefixtures("without_our_retries")
async def test_an_answer_that_breaks_off_after_its_headers_still_counts(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = breaking_off
    with pytest.raises(ConnectionBroken):
        await strava.athlete(TOKEN, admission)
    (answer,) = admission.answers
    assert answer.reading is not None
    assert answer.reading.overall is not None
    assert answer.reading.overall.day_usage == 148
    assert answer.dated_at is not None


@pytest.mark.usefixtures("retries_without_waiting")
async def test_a_429_that_breaks_off_still_closes_the_window(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = refusing_and_breaking_off
    with pytest.raises(QuotaSpent):
        await strava.athlete(TOKEN, admission)
    assert [answer.outcome for answer in admission.answers] == [Outcome.RATE_LIMITED]
    assert len(server.requests) == 1


@pytest.mark.usefixtures("without_our_retries")
async def test_an_answer_that_never_ends_is_given_up_in_time_and_counts(
    server: CountingServer, admission: CountingAdmission
) -> None:
    server.behaviour = never_ending
    async with open_session(timeout_seconds=2.0) as hasty:
        with pytest.raises(ConnectionBroken, match="TimeoutError"):
            await StravaClient(hasty, server.url).athlete(TOKEN, admission)
    assert len(admission.answers) == 1


async def test_no_redirect_takes_a_token_elsewhere(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = moved
    with pytest.raises(Retryable, match="no redirects"):
        await strava.athlete(TOKEN, admission)
    assert server.requests == ["GET /athlete"]


async def test_answers_come_packed(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = packed
    assert (await strava.athlete(TOKEN, admission)).athlete_id == 34


async def test_an_answer_that_unpacks_to_more_than_we_take_is_refused_and_counts_once(
    server: CountingServer, strava: StravaClient, admission: CountingAdmission
) -> None:
    server.behaviour = exploding
    with pytest.raises(Permanent, match="larger than"):
        await strava.athlete(TOKEN, admission)
    assert len(server.requests) == admission.permits == len(admission.answers) == 1

"""A client that nobody here wrote speaks with the sandbox: stravalib, its code untouched.

The session that it is given carries what is meant for Strava to the sandbox; nothing else knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import TestServer
from requests.adapters import HTTPAdapter
from stravalib import exc
from stravalib.client import Client
from stravalib.model import SummaryAthlete
from stravalib.protocol import RequestMethod
from stravalib.util.limiter import RateLimiter, RequestRate, get_rates_from_response_headers

from tests.support.sandbox import Sandbox, running_sandbox

CLIENT_ID = 12345
SECRET = "sandbox-secret"
STRAVA = "https://www.strava.com"
STREAMS = ("time", "latlng", "heartrate", "watts", "moving")


class ToSandbox(HTTPAdapter):
    """Carries requests for Strava to a sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace(STRAVA, self._url, 1)
        return super().send(request, *args, **named)


class Seen(RateLimiter):
    """A rate limiter that sleeps never and remembers all."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[RequestRate | None] = []

    def __call__(self, args: dict[str, str], method: RequestMethod) -> None:
        self.rates.append(get_rates_from_response_headers(args, method))


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    flags = ("--quarter-seconds", "86400", "--read-limits", "300,1000")
    async with running_sandbox(*flags, athletes=2) as running:
        yield running


@pytest.fixture
def session(sandbox: Sandbox) -> Any:
    with requests.Session() as carried:
        carried.mount(STRAVA, ToSandbox(sandbox.url))
        yield carried


@pytest.fixture
async def connected(
    sandbox: Sandbox, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> tuple[Client, Seen, dict[str, Any]]:
    """Return a client of the first athlete, what it sees of the meters, and the athlete."""
    monkeypatch.setenv("STRAVA_CLIENT_ID", str(CLIENT_ID))
    monkeypatch.setenv("STRAVA_CLIENT_SECRET", SECRET)
    athlete = (await sandbox.athletes())[0]
    fresh = await sandbox.authorize(athlete["id"])
    seen = Seen()
    client = Client(
        fresh["access_token"],
        rate_limiter=seen,
        requests_session=session,
        token_expires=fresh["expires_at"],
        refresh_token=fresh["refresh_token"],
    )
    return client, seen, fresh


def consent(session: requests.Session, url: str, athlete_id: int) -> str:
    """Do in a browser's place what an athlete does; return the code that the app receives."""
    assert "Sign in as" in session.get(url).text
    form = {"athlete_id": str(athlete_id), "granted": "activity:read_all", "decision": "authorize"}
    sent_back = session.post(url, data=form, allow_redirects=False)
    query = parse_qs(urlsplit(sent_back.headers["Location"]).query)
    assert query["state"] == ["mine"]
    return query["code"][0]


async def test_it_walks_through_the_consent_and_exchanges_the_code(
    sandbox: Sandbox, session: requests.Session
) -> None:
    athlete_id = (await sandbox.athletes())[1]["id"]

    def use() -> None:
        client = Client(requests_session=session, rate_limiter=Seen())
        url = client.authorization_url(
            CLIENT_ID, "http://localhost:9000/back", "force", ["read", "activity:read_all"], "mine"
        )
        code = consent(session, url, athlete_id)
        tokens, athlete = client.exchange_code_for_token(CLIENT_ID, SECRET, code, return_athlete=True)
        assert isinstance(athlete, SummaryAthlete)
        assert isinstance(tokens, dict)
        assert athlete.id == athlete_id
        assert client.get_athlete().id == athlete_id
        refreshed = client.refresh_access_token(CLIENT_ID, SECRET, tokens["refresh_token"])
        assert refreshed["access_token"] == tokens["access_token"]  # more than an hour is left
        with pytest.raises(exc.Fault, match="RequestToken"):
            client.exchange_code_for_token(CLIENT_ID, SECRET, code)

    await asyncio.to_thread(use)


async def test_it_lists_details_streams_and_zones(
    sandbox: Sandbox, connected: tuple[Client, Seen, dict[str, Any]]
) -> None:
    client, _, athlete = connected
    kinds = ("ride", "run", "swim", "indoor", "strength", "manual")
    made = [await sandbox.make_activity(kind=kind, duration=900, event=False) for kind in kinds]
    await sandbox.make_activity(
        kind="strength", event=False, name="Gaps", streams={"time": [0, 1, 2], "heartrate": [90, None, 95]}
    )

    def use() -> None:
        listed = list(client.get_activities())
        assert {activity.id for activity in listed} >= set(made)
        ride = client.get_activity(made[0])
        assert ride.id == made[0]
        assert ride.sport_type is not None
        assert ride.sport_type.root == "Ride"
        assert ride.athlete is not None
        assert ride.athlete.id == athlete["id"]
        streams = client.get_activity_streams(made[0], types=list(STREAMS))
        assert set(streams) == {*STREAMS, "distance"}
        assert {stream.original_size for stream in streams.values()} == {900}
        assert set(client.get_activity_streams(made[2])) == {"time", "distance"}
        gaps = client.get_activity_streams(next(one.id or 0 for one in listed if one.name == "Gaps"))
        assert gaps["heartrate"].data == [90, None, 95]
        zones = client.get_athlete_zones()
        assert zones.heart_rate is not None
        assert zones.heart_rate.zones is not None
        assert zones.heart_rate.zones.root[-1].max == -1
        with pytest.raises(exc.ObjectNotFound):
            client.get_activity(1)

    await asyncio.to_thread(use)


async def test_it_refreshes_by_itself_when_its_token_is_old(
    sandbox: Sandbox, connected: tuple[Client, Seen, dict[str, Any]]
) -> None:
    client, _, athlete = connected
    aged = await sandbox.age_tokens(athlete["id"], expires_in=-1)
    client.token_expires = aged["expires_at"]

    def use() -> None:
        assert client.get_athlete().id == athlete["id"]
        assert client.access_token != athlete["access_token"]
        assert client.refresh_token != athlete["refresh_token"]
        with pytest.raises(exc.Fault, match="RefreshToken"):
            client.refresh_access_token(CLIENT_ID, SECRET, athlete["refresh_token"])

    await asyncio.to_thread(use)


async def test_it_reads_the_meters_and_meets_the_limit(
    sandbox: Sandbox, connected: tuple[Client, Seen, dict[str, Any]]
) -> None:
    client, seen, _ = connected
    made = await sandbox.make_activity(kind="run", duration=120, event=False)

    def use() -> None:
        client.get_athlete()
        client.get_activity_streams(made, types=["time"])
        client.get_athlete()

    await asyncio.to_thread(use)
    first, streams, last = seen.rates
    assert first is not None
    assert last is not None
    assert streams is None  # they carry no headers, and yet they count
    assert (first.short_limit, first.long_limit) == (300, 1000)
    assert (last.short_usage, last.long_usage) == (first.short_usage + 2, first.long_usage + 2)
    await sandbox.settings(read_limits=[last.short_usage, 1000])
    try:
        with pytest.raises(exc.Fault, match=r"429.*read rate limit"):
            await asyncio.to_thread(client.get_athlete)
    finally:
        await sandbox.settings(read_limits=[300, 1000])


async def test_it_understands_what_is_refused(
    sandbox: Sandbox, connected: tuple[Client, Seen, dict[str, Any]]
) -> None:
    client, _, athlete = connected
    await sandbox.fault("app_inactive", count=1)
    with pytest.raises(exc.ApplicationInactive):
        await asyncio.to_thread(client.get_athlete)
    narrow = await sandbox.authorize(athlete["id"], scope="read")
    client.access_token = narrow["access_token"]
    with pytest.raises(exc.AccessUnauthorized, match="activity:read_permission"):
        await asyncio.to_thread(lambda: list(client.get_activities()))


async def test_it_subscribes_to_events_and_gives_its_access_back(
    sandbox: Sandbox, connected: tuple[Client, Seen, dict[str, Any]]
) -> None:
    client, _, athlete = connected
    heard: list[dict[str, Any]] = []

    async def shake(request: web.Request) -> web.Response:
        return web.json_response(client.handle_subscription_callback(dict(request.query), "token"))

    async def receive(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_get("/hook", shake)
    app.router.add_post("/hook", receive)
    async with TestServer(app) as callback:
        url = str(callback.make_url("/hook"))

        def subscribe() -> int:
            made = client.create_subscription(CLIENT_ID, SECRET, url, "token")
            assert [one.id for one in client.list_subscriptions(CLIENT_ID, SECRET)] == [made.id]
            client.deauthorize()
            return made.id or 0

        subscription_id = await asyncio.to_thread(subscribe)
        await sandbox.events(settled=60)
        await asyncio.to_thread(client.delete_subscription, subscription_id, CLIENT_ID, SECRET)
    (event,) = heard
    update = client.handle_subscription_update(event)
    assert (update.object_type, update.owner_id) == ("athlete", athlete["id"])
    assert event["updates"] == {"authorized": "false"}

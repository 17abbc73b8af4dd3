"""The clients against faked answers: permits, translation of broken connections, what is tried again."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
import stamina
from aioresponses import CallbackResult, aioresponses
from pydantic import SecretStr
from structlog.testing import capture_logs
from yarl import URL

from daemon.core.admission import MeterReading, Outcome, Reading
from daemon.core.errors import (
    AccessTokenRejected,
    AppInactive,
    DomestiqueError,
    NotFound,
    Permanent,
    QuotaSpent,
    Retryable,
    Revoked,
)
from daemon.strava import wire
from daemon.strava.client import (
    ConnectionBroken,
    NeverSent,
    OAuthClient,
    StravaClient,
    SubscriptionClient,
    open_session,
)
from tests.support.aioresponses_shim import faked_answers
from tests.support.counting_admission import CountingAdmission
from tests.support.strava_samples import ACTIVITY, APP, TOKEN, TOKENS, complained, written
from tests.support.told import Told

API = "https://strava.test/api/v3"
OAUTH = "https://strava.test/oauth"
HEADERS = {
    "Date": "Sun, 29 Mar 2026 00:31:00 GMT",
    "X-Ratelimit-Limit": "200,2000",
    "X-Ratelimit-Usage": "5,148",
}
NOT_CONNECTED = aiohttp.ClientConnectorError(Mock(host="strava.test", port=443, ssl=True), OSError(111, "refused"))
CONNECT_TIMED_OUT = aiohttp.ConnectionTimeoutError(f"Connection timeout to host {API}?client_secret=app-secret")


@pytest.fixture(autouse=True)
def retries_without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def answers() -> Iterator[aioresponses]:
    with faked_answers() as answers:
        yield answers


@pytest.fixture
def admission() -> CountingAdmission:
    return CountingAdmission()


@pytest.fixture
def strava(session: aiohttp.ClientSession) -> StravaClient:
    return StravaClient(session, f"{API}/")


@pytest.fixture
def oauth(session: aiohttp.ClientSession) -> OAuthClient:
    return OAuthClient(session, OAUTH, APP)


def sent(answers: aioresponses, method: str, url: str) -> list[Any]:
    return [call.kwargs for call in answers.requests.get((method, URL(url)), [])]


async def test_an_activity_comes_back_typed_and_its_permit_hears_the_meters(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/activities/1", payload=ACTIVITY, headers=HEADERS)
    activity = await strava.activity(TOKEN, 1, admission)
    assert (activity.activity_id, activity.athlete_id) == (9_007_199_254_740_993, 26462176)
    (answer,) = admission.answers
    assert answer.dated_at == datetime(2026, 3, 29, 0, 31, tzinfo=UTC)
    assert answer.reading == Reading(MeterReading(200, 2000, 5, 148), None)


async def test_the_token_is_sent_in_the_header_and_no_redirect_is_followed(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/athlete", status=302, headers={"Location": "https://elsewhere.test/"})
    answers.get("https://elsewhere.test/", payload={"id": 1})
    with pytest.raises(Retryable, match="no redirects"):
        await strava.athlete(TOKEN, admission)
    (call,) = sent(answers, "GET", f"{API}/athlete")
    assert call["headers"]["Authorization"] == "Bearer token-token-token-token"
    assert sent(answers, "GET", "https://elsewhere.test/") == []


async def test_streams_come_back_as_the_bytes_that_were_sent(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    keys = "%2C".join(wire.STREAM_KEYS)
    body = b'{"time": {"data": [0, 1]}}'
    answers.get(f"{API}/activities/1/streams?keys={keys}&key_by_type=true", body=body)
    assert await strava.streams(TOKEN, 1, admission) == body
    # Streams show no meters: the ledger's own count stands.
    assert admission.answers[0].reading is None


async def test_a_page_is_asked_for_within_its_instants(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(
        f"{API}/athlete/activities?page=2&per_page=50&before=1775001600&after=1774915200", payload=[ACTIVITY]
    )
    page = await strava.activities(
        TOKEN,
        admission,
        after=datetime(2026, 3, 31, tzinfo=UTC),
        before=datetime(2026, 4, 1, tzinfo=UTC),
        page=2,
        per_page=50,
    )
    assert [activity.name for activity in page] == ["Morning Ride"]


async def test_the_athlete_and_the_zones_are_read(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/athlete", payload={"id": 34, "sex": "F"})
    answers.get(f"{API}/athlete/zones", payload={"heart_rate": {"zones": [{"min": 0, "max": -1}]}})
    assert (await strava.athlete(TOKEN, admission)).sex == "F"
    assert (await strava.zones(TOKEN, admission)).heart_rate == (wire.Zone(0, None),)
    assert admission.permits == 2


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"", NotFound),
        (401, b"{}", AccessTokenRejected),
        (401, b"", Retryable),
        (403, b"<html>", Retryable),
        (400, b"", Permanent),
        (503, b"<html>", Retryable),
        (200, b"<html>", Retryable),
        (200, b"{}", Permanent),
    ],
)
async def test_an_answer_that_is_a_refusal_is_counted_once_and_not_tried_again(
    strava: StravaClient,
    answers: aioresponses,
    admission: CountingAdmission,
    status: int,
    body: bytes,
    error: type[DomestiqueError],
) -> None:
    answers.get(f"{API}/activities/1", status=status, body=body, repeat=True)
    with pytest.raises(error):
        await strava.activity(TOKEN, 1, admission)
    assert (admission.permits, len(admission.answers)) == (1, 1)
    assert len(sent(answers, "GET", f"{API}/activities/1")) == 1


async def test_a_429_is_the_permits_to_raise(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/activities/1", status=429, headers=HEADERS, repeat=True)
    with pytest.raises(QuotaSpent):
        await strava.activity(TOKEN, 1, admission)
    assert [answer.outcome for answer in admission.answers] == [Outcome.RATE_LIMITED]


async def test_an_inactive_app_is_the_permits_to_raise(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    complaint = complained("Application", "Status", "Inactive")
    answers.get(f"{API}/activities/1", status=403, body=complaint)
    with pytest.raises(AppInactive):
        await strava.activity(TOKEN, 1, admission)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (NOT_CONNECTED, NeverSent),
        (CONNECT_TIMED_OUT, NeverSent),
        (aiohttp.ServerDisconnectedError(), ConnectionBroken),
        (aiohttp.ClientOSError(104, "reset"), ConnectionBroken),
        (aiohttp.SocketTimeoutError("read"), ConnectionBroken),
        (aiohttp.ClientPayloadError("cut"), ConnectionBroken),
        (TimeoutError(), ConnectionBroken),
        (ConnectionResetError(), ConnectionBroken),
    ],
)
async def test_a_broken_connection_is_tried_twice_more_each_time_on_its_own_permit(
    strava: StravaClient,
    answers: aioresponses,
    admission: CountingAdmission,
    broken: Exception,
    error: type[DomestiqueError],
) -> None:
    answers.get(f"{API}/activities/1", exception=broken, repeat=True)
    with pytest.raises(error) as raised:
        await strava.activity(TOKEN, 1, admission)
    assert type(raised.value) is error
    assert raised.value.__cause__ is broken
    assert "?" not in str(raised.value)
    assert admission.permits == len(sent(answers, "GET", f"{API}/activities/1")) == 3
    assert admission.answers == []  # never answered: they stay charged


async def test_the_answer_to_a_second_try_is_as_good_as_to_the_first(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/activities/1", exception=aiohttp.ServerDisconnectedError())
    answers.get(f"{API}/activities/1", payload=ACTIVITY)
    assert (await strava.activity(TOKEN, 1, admission)).name == "Morning Ride"
    assert (admission.permits, len(admission.answers)) == (2, 1)


async def test_without_a_permit_nothing_is_sent(strava: StravaClient, answers: aioresponses) -> None:
    class Closed:
        async def permit(self) -> Any:
            raise QuotaSpent("the window is spent", datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(QuotaSpent):
        await strava.activity(TOKEN, 1, Closed())
    assert answers.requests == {}


async def test_a_cancelled_call_stays_cancelled_and_is_not_sent_again(
    strava: StravaClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    asked = asyncio.Event()

    async def hang(url: URL, **_: object) -> CallbackResult:
        asked.set()
        await asyncio.Event().wait()
        return CallbackResult()

    answers.get(f"{API}/activities/1", callback=hang, repeat=True)
    call = asyncio.create_task(strava.activity(TOKEN, 1, admission))
    await asked.wait()
    call.cancel()
    await asyncio.wait({call}, timeout=2.0)
    assert call.cancelled()
    assert admission.permits == 1


@pytest.mark.parametrize("address", ["ftp://strava.test", "http://", "nowhere"])
async def test_an_address_that_is_none_is_for_the_operator_to_mend(
    session: aiohttp.ClientSession, admission: CountingAdmission, address: str
) -> None:
    with pytest.raises(Permanent, match=r"strava\.api_url"):
        await StravaClient(session, address).activity(TOKEN, 1, admission)
    assert admission.permits == 1


async def test_each_answer_leaves_one_event_without_a_secret(
    strava: StravaClient, oauth: OAuthClient, answers: aioresponses, admission: CountingAdmission
) -> None:
    answers.get(f"{API}/activities/1", payload=ACTIVITY)
    answers.post(f"{OAUTH}/token", payload=TOKENS)
    with capture_logs() as events:
        await strava.activity(TOKEN, 1, admission)
        await oauth.refresh(TOKEN)
    told = [(event["event"], event["kind"], event["status"], event["log_level"]) for event in events]
    assert told == [("strava.answered", kind, 200, "debug") for kind in ("activity", "token")]
    assert all(event["seconds"] >= 0 for event in events)
    for secret in ("token-token", "app-secret", "aaaa", "rrrr"):
        assert secret not in repr(events)


# --- OAuth ------------------------------------------------------------------------------------------------


async def test_a_refresh_trades_the_token_for_new_ones(oauth: OAuthClient, answers: aioresponses) -> None:
    answers.post(f"{OAUTH}/token", payload=TOKENS)
    tokens = await oauth.refresh(TOKEN)
    assert tokens.refresh_token.get_secret_value() == "r" * 40
    (call,) = sent(answers, "POST", f"{OAUTH}/token")
    assert call["data"] == {
        "client_id": "4711",
        "client_secret": "app-secret-app-secret",
        "grant_type": "refresh_token",
        "refresh_token": "token-token-token-token",
    }


@pytest.mark.parametrize(
    "broken", [aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(104, "reset"), TimeoutError()]
)
async def test_a_refresh_that_may_have_arrived_is_never_sent_again(
    oauth: OAuthClient, answers: aioresponses, broken: Exception
) -> None:
    answers.post(f"{OAUTH}/token", exception=broken, repeat=True)
    with pytest.raises(ConnectionBroken):
        await oauth.refresh(TOKEN)
    assert len(sent(answers, "POST", f"{OAUTH}/token")) == 1


@pytest.mark.parametrize("broken", [NOT_CONNECTED, CONNECT_TIMED_OUT])
async def test_a_refresh_that_found_no_connection_is_sent_again(
    oauth: OAuthClient, answers: aioresponses, broken: Exception
) -> None:
    answers.post(f"{OAUTH}/token", exception=broken)
    answers.post(f"{OAUTH}/token", payload=TOKENS)
    assert (await oauth.refresh(TOKEN)).athlete is None
    assert len(sent(answers, "POST", f"{OAUTH}/token")) == 2


@pytest.mark.parametrize("status", [429, 500])
async def test_a_token_endpoint_that_is_busy_is_left_alone_for_now(
    oauth: OAuthClient, answers: aioresponses, status: int
) -> None:
    answers.post(f"{OAUTH}/token", status=status, repeat=True)
    with pytest.raises(Retryable):
        await oauth.refresh(TOKEN)
    assert len(sent(answers, "POST", f"{OAUTH}/token")) == 1


async def test_instruments_are_told_of_every_send_and_of_every_refresh(
    session: aiohttp.ClientSession, answers: aioresponses, admission: CountingAdmission
) -> None:
    told = Told()
    answers.get(f"{API}/activities/1", exception=aiohttp.ServerDisconnectedError())
    answers.get(f"{API}/activities/1", status=404)
    with pytest.raises(NotFound):
        await StravaClient(session, API, told).activity(TOKEN, 1, admission)
    assert told.words == [("call", "strava", "activity", None), ("call", "strava", "activity", 404)]

    oauth = OAuthClient(session, OAUTH, APP, told)
    for status, body in (
        (200, written(TOKENS)),
        (400, complained("RefreshToken", "refresh_token", "invalid")),
        (500, b""),
    ):
        answers.post(f"{OAUTH}/token", status=status, body=body)
    await oauth.refresh(TOKEN)
    with pytest.raises(Revoked):
        await oauth.refresh(TOKEN)
    with pytest.raises(Retryable):
        await oauth.refresh(TOKEN)
    sends = [("call", "strava", "token", status) for status in (200, 400, 500)]
    refreshes = [("token", "refreshed"), ("token", "refused"), ("token", "failed")]
    assert told.words[2:] == [words for both in zip(sends, refreshes, strict=True) for words in both]


async def test_a_dead_refresh_token_means_revoked(oauth: OAuthClient, answers: aioresponses) -> None:
    complaint = complained("RefreshToken", "refresh_token", "invalid")
    answers.post(f"{OAUTH}/token", status=400, body=complaint)
    with pytest.raises(Revoked):
        await oauth.refresh(TOKEN)


async def test_a_fresh_code_is_tried_until_strava_knows_it(oauth: OAuthClient, answers: aioresponses) -> None:
    complaint = complained("AuthorizationCode", "code", "invalid")
    answers.post(f"{OAUTH}/token", status=400, body=complaint, repeat=2)
    answers.post(f"{OAUTH}/token", payload={**TOKENS, "athlete": {"id": 34}, "scope": "read"})
    tokens = await oauth.exchange(SecretStr("code"))
    assert tokens.athlete is not None
    assert (tokens.athlete.athlete_id, tokens.scope) == (34, frozenset({"read"}))


async def test_a_code_that_strava_never_knows_is_refused(oauth: OAuthClient, answers: aioresponses) -> None:
    complaint = complained("AuthorizationCode", "code", "invalid")
    answers.post(f"{OAUTH}/token", status=400, body=complaint, repeat=True)
    with pytest.raises(wire.CodeRefused):
        await oauth.exchange(SecretStr("code"))
    assert len(sent(answers, "POST", f"{OAUTH}/token")) == 3


async def test_a_revocation_is_done_whether_or_not_the_token_was_still_alive(
    oauth: OAuthClient, answers: aioresponses
) -> None:
    complaint = complained("Athlete", "access_token", "invalid")
    answers.post(f"{OAUTH}/revoke", body=b"")
    answers.post(f"{OAUTH}/revoke", status=401, body=complaint)
    await oauth.revoke(TOKEN)
    await oauth.revoke(TOKEN)
    assert [call["data"] for call in sent(answers, "POST", f"{OAUTH}/revoke")] == [
        {"token": "token-token-token-token"}
    ] * 2


async def test_a_revocation_that_failed_is_told(oauth: OAuthClient, answers: aioresponses) -> None:
    answers.post(f"{OAUTH}/revoke", status=500)
    with pytest.raises(Retryable):
        await oauth.revoke(TOKEN)


# --- the push subscription --------------------------------------------------------------------------------


async def test_the_subscription_is_created_viewed_and_deleted(
    session: aiohttp.ClientSession, answers: aioresponses
) -> None:
    subscriptions = SubscriptionClient(session, API, APP)
    url, query = f"{API}/push_subscriptions", "client_id=4711&client_secret=app-secret-app-secret"
    answers.post(url, status=201, payload={"id": 5})
    answers.get(f"{url}?{query}", payload=[{"id": 5, "callback_url": "https://here/webhook/secret"}])
    answers.delete(f"{url}/5?{query}", status=204)
    created = await subscriptions.create(SecretStr("https://here/webhook/secret"), SecretStr("verify"))
    assert created.subscription_id == 5
    assert [subscription.subscription_id for subscription in await subscriptions.view()] == [5]
    await subscriptions.delete(5)
    (call,) = sent(answers, "POST", url)
    assert json.dumps(call["data"]) == json.dumps(
        {
            "client_id": "4711",
            "client_secret": "app-secret-app-secret",
            "callback_url": "https://here/webhook/secret",
            "verify_token": "verify",
        }
    )


async def test_no_traceback_tells_the_secret_that_had_to_stand_in_the_address(
    session: aiohttp.ClientSession, answers: aioresponses
) -> None:
    url = f"{API}/push_subscriptions?client_id=4711&client_secret=app-secret-app-secret"
    answers.get(url, exception=CONNECT_TIMED_OUT, repeat=True)
    with pytest.raises(NeverSent) as raised:
        await SubscriptionClient(session, API, APP).view()
    printed = "".join(traceback.format_exception(raised.value))
    assert "ConnectionTimeoutError" in printed
    assert "app-secret" not in printed

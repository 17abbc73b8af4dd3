"""The sandbox against the real Strava: its answers next to recorded traffic and the published description.

Numbers count as one type: Strava itself sends 163 integers and 969 floats for the same field.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestServer

from tests.support.sandbox import Sandbox, running_sandbox

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
RECORDED = DATA / "strava-recorded"

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the folder of recorded Strava traffic is not on this machine"
)

Json = Any
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LIST = "client/all_athlete_activities.yml"
DETAILS = ("client/activity.yml", "client/activity_ride.yml")
CLIENT = {"client_id": "12345", "client_secret": "sandbox-secret"}
KINDS = ("ride", "ride_estimated", "indoor", "run", "swim", "strength", "manual")

# Recorded, and not served: what only Strava's own community and secrets can fill.
COMMUNITY_KEYS = {"best_efforts", "similar_activities", "gear"}


@cache
def responses(file: str) -> list[dict[str, Json]]:
    loaded = yaml.load((RECORDED / file).read_text(encoding="utf-8"), Loader)
    return [interaction["response"] for interaction in loaded["http_interactions"]]


def body_of(response: Mapping[str, Json]) -> bytes:
    text: str = response["body"]["string"]
    return text.encode()


@cache
def recorded(file: str) -> Json:
    return orjson.loads(body_of(responses(file)[0]))


@cache
def saved_activity() -> Json:
    """Return a real ride with a power meter, kept by its rider."""
    return orjson.loads((DATA / "rides" / "strava-activity-6271393008.json").read_bytes())["activity"]


@cache
def recorded_items() -> list[dict[str, Json]]:
    return [item for response in responses(LIST) for item in orjson.loads(body_of(response))]


@cache
def described(path: str) -> Json:
    """Return the example answer of the published description."""
    description = orjson.loads((DATA / "strava_swagger.json").read_bytes())
    return description["paths"][path]["get"]["responses"]["200"]["examples"]["application/json"]


def kind_of(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def kinds(*objects: Mapping[str, Json]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in objects:
        for key, value in one.items():
            found[key].add(kind_of(value))
    return found


def check_types(shown: Mapping[str, Json], allowed: Mapping[str, set[str]]) -> None:
    """Every field is one that Strava sends, with a type that it was seen or is described with."""
    strange = sorted(set(shown) - set(allowed))
    assert not strange, f"Strava sends no {strange}"
    wrong = {key: value for key, value in shown.items() if kind_of(value) not in allowed[key]}
    assert not wrong, f"other types than Strava's: {wrong}"


def always(objects: Iterable[Mapping[str, Json]]) -> set[str]:
    return set.intersection(*(set(one) for one in objects))


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    flags = ("--overall-limits", "200,2000", "--read-limits", "100,1000", "--day-seconds", "86400")
    async with running_sandbox(*flags, "--quarter-seconds", "86400") as running:
        await running.settings(overall_limits=[2_000, 20_000], read_limits=[1_000, 10_000])
        for kind in KINDS:
            await running.make_activity(kind=kind, duration=1_800, event=False)
        yield running


async def token(sandbox: Sandbox) -> str:
    access_token: str = (await sandbox.athletes())[0]["access_token"]
    return access_token


def rate_headers(answer: ClientResponse) -> dict[str, str]:
    """Return the rate headers as they were sent: aiohttp respells names that it knows."""
    sent = {name.decode(): value.decode() for name, value in answer.raw_headers}
    return {name: value for name, value in sent.items() if "ratelimit" in name.lower()}


def recorded_rate_headers(file: str) -> dict[str, str]:
    sent = responses(file)[0]["headers"]
    return {name: values[0] for name, values in sent.items() if "ratelimit" in name.lower()}


async def get(sandbox: Sandbox, path: str) -> tuple[Json, dict[str, str]]:
    """Return the decoded answer and its rate headers."""
    bearer = {"Authorization": f"Bearer {await token(sandbox)}"}
    async with sandbox.session.get(f"{sandbox.api_url}{path}", headers=bearer) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == responses(LIST)[0]["headers"]["Content-Type"][0]
        return orjson.loads(await answer.read()), rate_headers(answer)


async def made(sandbox: Sandbox) -> list[dict[str, Json]]:
    items, _ = await get(sandbox, "/athlete/activities")
    assert len(items) == len(KINDS)
    return list(items)


async def test_list_items_have_the_recorded_fields_and_types(sandbox: Sandbox) -> None:
    allowed = kinds(*recorded_items(), *described("/athlete/activities"))
    # The power fields of a list are in the description only: the recorded athlete has no meter.
    needed = always(recorded_items())
    for item in await made(sandbox):
        check_types(item, allowed)
        assert needed <= set(item), needed - set(item)


async def test_list_items_leave_out_what_the_recorded_ones_leave_out(sandbox: Sandbox) -> None:
    for item in [*recorded_items(), *await made(sandbox)]:
        with_heart = {"average_heartrate", "max_heartrate", "suffer_score"} & set(item)
        assert bool(with_heart) is item["has_heartrate"] is (len(with_heart) == 3)
        assert ("upload_id_str" in item) is not item["manual"]
        assert (item["upload_id"] is None) is item["manual"]
        assert (item["map"]["summary_polyline"] == "") is (item["start_latlng"] == [])
        assert ("device_watts" in item) is ("average_watts" in item)
        assert re.fullmatch(r"\(GMT[+-]\d\d:\d\d\) \S+", item["timezone"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["start_date_local"])


async def test_details_have_the_recorded_fields_and_types(sandbox: Sandbox) -> None:
    runs, rides = (recorded(file) for file in DETAILS)
    described_ones = (described("/activities/{id}"), *described("/athlete/activities"))
    allowed = kinds(runs, rides, saved_activity(), *recorded_items(), *described_ones)
    # What an athlete may leave open, a device may not measure, or a manual entry does not have.
    optional = {key for one in recorded_items() for key in (*runs, *rides) if key in one} - always(recorded_items())
    needed = always([runs, rides]) - optional - {"device_name", "workout_type"}
    for item in await made(sandbox):
        detail, _ = await get(sandbox, f"/activities/{item['id']}")
        check_types(detail, allowed)
        assert needed <= set(detail), needed - set(detail)
        check_types(detail["map"], kinds(runs["map"], {"polyline": ""}))
        for lap in detail["laps"]:
            check_types(lap, kinds(*runs["laps"], *rides["laps"], *described("/activities/{id}")["laps"]))


async def test_a_run_has_every_field_of_the_recorded_run_but_the_communitys(sandbox: Sandbox) -> None:
    run = next(item for item in await made(sandbox) if item["type"] == "Run")
    detail, _ = await get(sandbox, f"/activities/{run['id']}")
    expected = recorded(DETAILS[0])
    assert set(expected) - set(detail) == COMMUNITY_KEYS
    for name in ("splits_metric", "splits_standard"):
        for split in detail[name]:
            check_types(split, kinds(*expected[name]))
    assert set(detail["photos"]) <= set(expected["photos"])
    assert detail["stats_visibility"] == expected["stats_visibility"]


async def test_streams_have_the_recorded_envelope_and_no_rate_headers(sandbox: Sandbox) -> None:
    envelope = recorded("client/activity_streams.yml")["distance"]
    ride = next(item for item in await made(sandbox) if item.get("device_watts") and not item["trainer"])
    # The recording asked for no keys, and got the distance alone.
    bare, headers = await get(sandbox, f"/activities/{ride['id']}/streams?key_by_type=true")
    assert list(bare) == ["distance"]
    check_types(bare["distance"], kinds(envelope))
    assert bare["distance"].keys() == envelope.keys()
    assert bare["distance"]["original_size"] == len(bare["distance"]["data"])
    assert headers == recorded_rate_headers("client/activity_streams.yml") == {}


async def test_the_described_stream_keys_are_exactly_those_that_are_served(sandbox: Sandbox) -> None:
    description = orjson.loads((DATA / "strava_swagger.json").read_bytes())
    parameters = description["paths"]["/activities/{id}/streams"]["get"]["parameters"]
    keys = next(one for one in parameters if one["name"] == "keys")["items"]["enum"]
    ride = next(item for item in await made(sandbox) if item.get("device_watts") and not item["trainer"])
    served, _ = await get(sandbox, f"/activities/{ride['id']}/streams?keys={','.join(keys)}&key_by_type=true")
    assert set(served) == set(keys)
    as_list, _ = await get(sandbox, f"/activities/{ride['id']}/streams?keys=distance")
    check_types(as_list[0], kinds(*described("/activities/{id}/streams")))
    assert set(as_list[0]) == set(described("/activities/{id}/streams")[0])


async def test_the_athlete_has_the_recorded_and_described_fields(sandbox: Sandbox) -> None:
    athlete, _ = await get(sandbox, "/athlete")
    expected = recorded("client/athlete.yml")
    allowed = kinds(expected, described("/athlete"), {"ftp": 250, "bio": None, "username": None})
    check_types(athlete, allowed)
    assert set(athlete) == set(expected)


async def test_zones_have_the_recorded_shape_with_an_open_top(sandbox: Sandbox) -> None:
    zones, _ = await get(sandbox, "/athlete/zones")
    expected = recorded("client/athlete_zones.yml")
    assert zones["heart_rate"].keys() == expected["heart_rate"].keys()
    assert len(zones["heart_rate"]["zones"]) == len(expected["heart_rate"]["zones"])
    assert zones["heart_rate"]["zones"][-1]["max"] == expected["heart_rate"]["zones"][-1]["max"] == -1


async def test_rate_headers_are_spelled_and_written_as_recorded(sandbox: Sandbox) -> None:
    _, headers = await get(sandbox, "/athlete")
    expected = recorded_rate_headers("client/athlete.yml")
    assert headers.keys() == expected.keys()
    for value in (*headers.values(), *expected.values()):
        assert re.fullmatch(r"\d+,\d+", value)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("oauth/token_invalid_client.yml", {"client_id": "client-id", "grant_type": "authorization_code"}),
        ("oauth/token_invalid_code.yml", {"code": "code", "grant_type": "authorization_code"}),
    ],
)
async def test_token_refusals_are_the_recorded_ones_byte_for_byte(
    sandbox: Sandbox, file: str, changed: dict[str, str]
) -> None:
    async with sandbox.session.post(f"{sandbox.oauth_url}/token", data=CLIENT | changed) as answer:
        assert answer.status == responses(file)[0]["status"]["code"]
        assert await answer.read() == body_of(responses(file)[0])
        assert rate_headers(answer) == recorded_rate_headers(file) == {}


async def test_a_refreshed_token_has_exactly_the_recorded_fields(sandbox: Sandbox) -> None:
    athlete = (await sandbox.athletes())[0]
    form = CLIENT | {"grant_type": "refresh_token", "refresh_token": athlete["refresh_token"]}
    async with sandbox.session.post(f"{sandbox.oauth_url}/token", data=form) as answer:
        shown = await answer.json()
    expected = recorded("oauth/token_refresh_token.yml")
    assert list(shown) == ["token_type", "access_token", "expires_at", "expires_in", "refresh_token"]
    assert set(shown) == set(expected)
    check_types(shown, kinds(expected))


async def test_faults_of_the_api_are_the_recorded_ones_byte_for_byte(sandbox: Sandbox) -> None:
    async def refused(bearer: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {bearer}"}
        async with sandbox.session.get(f"{sandbox.api_url}/activities/1946417534", headers=headers) as answer:
            return answer.status, await answer.read()

    def expected(file: str) -> tuple[int, bytes]:
        return responses(file)[0]["status"]["code"], body_of(responses(file)[0])

    assert await refused("access-token") == expected("client/authorization_error.yml")
    living = await token(sandbox)
    await sandbox.settings(error_bodies="recorded")
    try:
        assert await refused(living) == expected("client/not_found_error.yml")
        await sandbox.settings(overall_limits=[0, 0])
        assert await refused(living) == expected("client/activity_with_ratelimit_exceeded.yml")
    finally:
        await sandbox.settings(error_bodies="modern", overall_limits=[2_000, 20_000])


async def test_a_deauthorization_answers_as_recorded(sandbox: Sandbox) -> None:
    expected = responses("client/deauthorize.yml")[0]
    spoken = await token(sandbox)
    bearer = {"Authorization": f"Bearer {spoken}"}
    try:
        async with sandbox.session.post(f"{sandbox.oauth_url}/deauthorize", headers=bearer) as answer:
            assert answer.status == expected["status"]["code"]
            shown = orjson.loads(body_of(expected)) | {"access_token": spoken}
            assert await answer.json() == shown
            assert rate_headers(answer).keys() == recorded_rate_headers("client/deauthorize.yml").keys()
    finally:
        await sandbox.authorize((await sandbox.athletes())[0]["id"])


async def test_the_life_of_a_subscription_is_as_recorded(sandbox: Sandbox) -> None:
    async def shake(request: web.Request) -> web.Response:
        return web.json_response({"hub.challenge": request.query["hub.challenge"]})

    def same_headers(answer: ClientResponse, file: str) -> None:
        shown, expected = rate_headers(answer), recorded_rate_headers(file)
        assert shown.keys() == expected.keys()
        assert shown["X-Ratelimit-Usage"] == expected["X-Ratelimit-Usage"]

    url = f"{sandbox.api_url}/push_subscriptions"
    app = web.Application()
    app.router.add_get("/subscribe", shake)
    async with TestServer(app) as callback:
        async with sandbox.session.get(url, params=CLIENT) as answer:
            assert await answer.read() == body_of(responses("webhooks/no_push_subscriptions.yml")[0])
            same_headers(answer, "webhooks/no_push_subscriptions.yml")
        form = CLIENT | {"callback_url": str(callback.make_url("/subscribe")), "verify_token": "verify-token"}
        async with sandbox.session.post(url, data=form) as answer:
            created = await answer.json()
            assert answer.status == 201
            same_headers(answer, "webhooks/create_push_subscription.yml")
        expected = recorded("webhooks/create_push_subscription.yml")
        assert list(created) == list(expected)
        check_types(created, kinds(expected))
        async with sandbox.session.get(url, params=CLIENT) as answer:
            assert await answer.json() == [created]
            check_types(created, kinds(*recorded("webhooks/push_subscriptions.yml")))
        async with sandbox.session.delete(f"{url}/{created['id']}", params=CLIENT) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
            same_headers(answer, "webhooks/delete_push_subscription.yml")

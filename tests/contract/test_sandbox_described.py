"""The sandbox against Strava's published description, and its refusals against their known bytes.

The description names a model for every answer; stravalib carries those models, generated from it. They are read
strictly: a number in a string is a mistake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from types import GenericAlias
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import TypeAdapter
from stravalib import strava_model

from sandbox import faults
from sandbox.consent import MEANINGS
from tests.support.sandbox import Sandbox, running_sandbox

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DESCRIPTION = DATA / "strava_swagger.json"

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason="Strava's published description is not on this machine"
)

CLIENT = {"client_id": "12345", "client_secret": "sandbox-secret"}
KINDS = ("ride", "ride_estimated", "indoor", "run", "swim", "strength", "manual")
PLACES = ("start_latlng", "end_latlng")


@cache
def description() -> Any:
    return orjson.loads(DESCRIPTION.read_bytes())


def model_of(path: str) -> TypeAdapter[Any]:
    """Return the published model of a path's answer."""
    schema = description()["paths"][path]["get"]["responses"]["200"]["schema"]
    named = (schema.get("items") or schema)["$ref"].rpartition("/")[2]
    model: Any = getattr(strava_model, named)
    kind: Any = GenericAlias(list, (model,)) if schema.get("type") == "array" else model
    return TypeAdapter(kind)


def query_of(path: str) -> set[str]:
    parameters = description()["paths"][path]["get"]["parameters"]
    shared = description()["parameters"]
    named = [shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in parameters]
    return {one["name"] for one in named if one["in"] == "query"}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    flags = ("--quarter-seconds", "86400", "--overall-limits", "2000,20000", "--read-limits", "1000,10000")
    async with running_sandbox(*flags, athletes=2) as running:
        for kind in KINDS:
            await running.make_activity(kind=kind, duration=1_200, event=False)
        yield running


async def get(sandbox: Sandbox, path: str, token: str | None = None) -> tuple[int, bytes]:
    spoken = (await sandbox.athletes())[0]["access_token"] if token is None else token
    bearer = {"Authorization": f"Bearer {spoken}"}
    async with sandbox.session.get(f"{sandbox.api_url}{path}", headers=bearer) as answer:
        return answer.status, await answer.read()


def without_empty_places(activity: dict[str, Any]) -> dict[str, Any]:
    # Recorded so, although the description promises two numbers.
    return {key: value for key, value in activity.items() if not (key in PLACES and value == [])}


async def test_the_list_and_every_detail_are_of_the_described_types(sandbox: Sandbox) -> None:
    _, raw = await get(sandbox, "/athlete/activities")
    listed = orjson.loads(raw)
    assert len(listed) == len(KINDS)
    strip = [without_empty_places(one) for one in listed]
    read = model_of("/athlete/activities").validate_json(orjson.dumps(strip), strict=True)
    assert [one.id for one in read] == [one["id"] for one in listed]
    for one in listed:
        _, raw = await get(sandbox, f"/activities/{one['id']}")
        detail = without_empty_places(orjson.loads(raw))
        shown = model_of("/activities/{id}").validate_json(orjson.dumps(detail), strict=True)
        assert shown.id == one["id"]


async def test_streams_are_of_the_described_types(sandbox: Sandbox) -> None:
    _, raw = await get(sandbox, "/athlete/activities")
    keys = ",".join(strava_model.StreamSet.model_fields)
    served = set()
    for one in orjson.loads(raw):
        status, raw = await get(sandbox, f"/activities/{one['id']}/streams?keys={keys}&key_by_type=true")
        if status == 200:
            # The description knows no gaps in a stream; Strava sends them.
            measured = {
                key: stream | {"data": [value for value in stream["data"] if value is not None]}
                for key, stream in orjson.loads(raw).items()
            }
            streams = model_of("/activities/{id}/streams").validate_json(orjson.dumps(measured), strict=True)
            served |= {key for key in strava_model.StreamSet.model_fields if getattr(streams, key) is not None}
    assert served == set(strava_model.StreamSet.model_fields)


@pytest.mark.parametrize("path", ["/athlete", "/athlete/zones"])
async def test_the_athlete_and_his_zones_are_of_the_described_types(sandbox: Sandbox, path: str) -> None:
    status, raw = await get(sandbox, path)
    assert status == 200
    read = model_of(path).validate_json(raw, strict=True)
    assert read.model_dump(exclude_none=True)


async def test_every_described_parameter_of_the_list_is_understood(sandbox: Sandbox) -> None:
    assert query_of("/athlete/activities") == {"before", "after", "page", "per_page"}
    for name in query_of("/athlete/activities"):
        status, raw = await get(sandbox, f"/athlete/activities?{name}=nonsense")
        assert status == 400
        assert orjson.loads(raw)["errors"][0]["field"] == name
    assert query_of("/activities/{id}/streams") == {"keys", "key_by_type"}


async def test_the_described_scopes_and_addresses_of_oauth_are_served(sandbox: Sandbox) -> None:
    described = description()["securityDefinitions"]["strava_oauth"]
    assert described["scopes"].keys() == MEANINGS.keys()
    for name, method, refused in (("authorizationUrl", "GET", "client_id"), ("tokenUrl", "POST", "client_id")):
        path = urlsplit(described[name]).path
        async with sandbox.session.request(method, f"{sandbox.url}{path}") as answer:
            assert (answer.status, (await answer.json())["errors"][0]["field"]) == (400, refused)


async def test_a_code_is_answered_with_the_recorded_fields_in_their_order_and_the_scope(sandbox: Sandbox) -> None:
    file = DATA / "strava-recorded" / "oauth" / "token_authorization_code.yml"
    recorded = yaml.safe_load(file.read_text(encoding="utf-8"))["http_interactions"][0]["response"]
    expected = orjson.loads(recorded["body"]["string"])
    athlete_id = (await sandbox.athletes())[1]["id"]
    question = {"client_id": "12345", "redirect_uri": "http://localhost/", "response_type": "code", "scope": "read"}
    async with sandbox.session.post(
        f"{sandbox.oauth_url}/authorize",
        params=question,
        data={"athlete_id": str(athlete_id), "decision": "authorize"},
        allow_redirects=False,
    ) as answer:
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    form = CLIENT | {"grant_type": "authorization_code", "code": code}
    async with sandbox.session.post(f"{sandbox.oauth_url}/token", data=form) as answer:
        assert answer.status == recorded["status"]["code"]
        shown = await answer.json()
    assert [name for name in shown if name != "scope"] == list(expected)
    assert shown["scope"] == "read"
    assert shown["athlete"].keys() >= expected["athlete"].keys()
    for name in expected:
        assert type(shown[name]) is type(expected[name])
    shown_athlete = strava_model.SummaryAthlete.model_validate_json(orjson.dumps(shown["athlete"]), strict=True)
    assert shown_athlete.id == athlete_id


def known_faults() -> dict[str, faults.Refusal]:
    built = {name: value for name, value in vars(faults).items() if isinstance(value, faults.Refusal)}
    odd = {"RATE_LIMIT_RECORDED", "SERVER_ERROR"}  # recorded with other shapes than the described one
    return {name: value for name, value in built.items() if name not in odd and value.body.startswith(b"{")}


@pytest.mark.parametrize("name", sorted(known_faults()))
def test_every_refusal_is_a_described_fault(name: str) -> None:
    read = strava_model.Fault.model_validate_json(known_faults()[name].body, strict=True)
    assert read.message
    assert read.errors
    assert set(orjson.loads(known_faults()[name].body)) == {"message", "errors"}


def errors(message: str, resource: str, field: str, code: str) -> bytes:
    error = f'{{"resource":"{resource}","field":"{field}","code":"{code}"}}'
    return f'{{"message":"{message}","errors":[{error}]}}'.encode()


async def test_what_the_api_refuses_it_refuses_with_known_bytes(sandbox: Sandbox) -> None:
    unauthorized = "Authorization Error"
    dead = errors(unauthorized, "Athlete", "access_token", "invalid")
    other = (await sandbox.athletes())[1]
    narrow = (await sandbox.authorize(other["id"], scope="read"))["access_token"]
    for path in ("/athlete/activities", "/activities/1", "/activities/1/streams?keys=time"):
        missing = errors(unauthorized, "AccessToken", "activity:read_permission", "missing")
        assert await get(sandbox, path, narrow) == (401, missing)
    missing = errors(unauthorized, "AccessToken", "profile:read_all_permission", "missing")
    assert await get(sandbox, "/athlete/zones", narrow) == (401, missing)
    await sandbox.age_tokens(other["id"], dead=True)
    not_found = errors("Resource Not Found", "Activity", "", "not found")
    in_milliseconds = errors("Bad Request", "Application", "after", "invalid")
    assert await get(sandbox, "/athlete", narrow) == (401, dead)
    assert await get(sandbox, "/athlete", "never") == (401, errors(unauthorized, "Application", "", "invalid"))
    assert await get(sandbox, "/activities/1") == (404, not_found)
    assert await get(sandbox, "/activities/1/streams?keys=time") == (404, not_found)
    assert await get(sandbox, "/athlete/activities?after=1700000000000") == (400, in_milliseconds)
    assert await get(sandbox, "/athlete/activities?page=1000") == (200, b"[]")
    await sandbox.fault("app_inactive", endpoint="*")
    try:
        inactive = errors("Forbidden", "Application", "Status", "Inactive")
        for path in ("/athlete", "/athlete/zones", "/athlete/activities", "/activities/1", "/push_subscriptions"):
            assert await get(sandbox, path) == (403, inactive)
    finally:
        await sandbox.clear_faults()
    for meter in ("overall", "read"):
        limits = {"overall_limits": [2000, 20000], "read_limits": [1000, 10000]}
        await sandbox.settings(**{f"{meter}_limits": [0, 0]})
        exceeded = errors("Rate Limit Exceeded", "Application", f"{meter} rate limit", "exceeded")
        assert await get(sandbox, "/athlete") == (429, exceeded)
        await sandbox.settings(**limits)


@pytest.mark.parametrize(
    ("path", "form", "status", "body"),
    [
        ("/oauth/token", {"client_id": "1"}, 400, errors("Bad Request", "Application", "client_id", "invalid")),
        (
            "/oauth/token",
            CLIENT | {"grant_type": "refresh_token", "refresh_token": "dead"},
            400,
            errors("Bad Request", "RefreshToken", "refresh_token", "invalid"),
        ),
        ("/oauth/deauthorize", {}, 401, errors("Authorization Error", "Athlete", "access_token", "invalid")),
        ("/oauth/revoke", {"token": "x"}, 401, errors("Authorization Error", "Application", "", "invalid")),
        ("/oauth/authorize", {}, 400, errors("Bad Request", "Application", "client_id", "invalid")),
    ],
)
async def test_what_oauth_refuses_it_refuses_with_known_bytes(
    sandbox: Sandbox, path: str, form: dict[str, str], status: int, body: bytes
) -> None:
    async with sandbox.session.post(f"{sandbox.url}{path}", data=form) as answer:
        assert (answer.status, await answer.read()) == (status, body)


@pytest.mark.parametrize(
    ("callback_status", "echo", "code"),
    [(403, True, "GET to callback URL does not return 200"), (200, False, "not verifiable"), (200, True, None)],
)
async def test_a_subscription_is_refused_with_known_bytes_and_verified_with_dots(
    sandbox: Sandbox, callback_status: int, echo: bool, code: str | None
) -> None:
    asked: list[dict[str, str]] = []

    async def shake(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        challenge = request.query["hub.challenge"] if echo else ""
        return web.json_response({"hub.challenge": challenge}, status=callback_status)

    app = web.Application()
    app.router.add_get("/hook", shake)
    url = f"{sandbox.api_url}/push_subscriptions"
    async with TestServer(app) as callback:
        form = CLIENT | {"callback_url": str(callback.make_url("/hook")), "verify_token": "mine"}
        async with sandbox.session.post(url, data=form) as answer:
            created = await answer.read()
            assert answer.status == (201 if code is None else 400)
        assert [set(one) for one in asked] == [{"hub.mode", "hub.challenge", "hub.verify_token"}]
        assert (asked[0]["hub.mode"], asked[0]["hub.verify_token"]) == ("subscribe", "mine")
        if code is not None:
            assert created == errors("Bad Request", "PushSubscription", "callback url", code)
            return
        async with sandbox.session.post(url, data=form) as answer:
            there_is_one = errors("Bad Request", "PushSubscription", "callback url", "already exists")
            assert (answer.status, await answer.read()) == (400, there_is_one)
        made = orjson.loads(created)
        async with sandbox.session.delete(f"{url}/{made['id']}", params=CLIENT) as answer:
            assert answer.status == 204

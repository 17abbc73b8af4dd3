"""What an app meets under /api/v3 and /oauth."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from tests.support.served_sandbox import Callback, Serve, Served

KEYS = "time,distance,latlng,altitude,velocity_smooth,heartrate,cadence,watts,temp,moving,grade_smooth"


def complaint(body: Any) -> tuple[str, str, str]:
    error = body["errors"][0]
    return error["resource"], error["field"], error["code"]


async def upload(served: Served, **wishes: Any) -> int:
    made = await served.control("POST", "/activities", event=False, **wishes)
    activity_id: int = made["id"]
    return activity_id


async def listed(served: Served, query: str = "") -> list[int]:
    status, items, _ = await served.get(f"/athlete/activities{query}")
    assert status == 200, items
    return [item["id"] for item in items]


async def test_the_list_is_newest_first_pages_and_ends_with_an_empty_page(serve: Serve) -> None:
    served = await serve()
    ids = [await upload(served, kind="manual", start_at=1_700_000_000 + day * 86_400) for day in range(5)]
    assert await listed(served) == ids[::-1]
    assert await listed(served, "?per_page=2&page=2") == [ids[2], ids[1]]
    assert await listed(served, "?per_page=2&page=4") == []


async def test_before_and_after_choose_by_the_start_and_exclude_their_own_instant(serve: Serve) -> None:
    served = await serve()
    starts = [1_700_000_000 + hour * 3_600 for hour in range(4)]
    ids = [await upload(served, kind="manual", start_at=start) for start in starts]
    assert await listed(served, f"?after={starts[0]}&before={starts[3]}") == [ids[2], ids[1]]
    assert await listed(served, f"?after={starts[1]}") == [ids[3], ids[2]]


async def test_after_alone_may_be_told_to_list_the_oldest_first(serve: Serve) -> None:
    served = await serve()
    ids = [await upload(served, kind="manual", start_at=1_700_000_000 + hour) for hour in range(3)]
    await served.control("PATCH", "/settings", after_alone="oldest_first")
    assert await listed(served, "?after=1") == ids
    assert await listed(served) == ids[::-1]


async def test_short_pages_lose_nothing_on_the_way_to_the_empty_one(serve: Serve) -> None:
    served = await serve()
    ids = [await upload(served, kind="manual", start_at=1_700_000_000 + hour) for hour in range(7)]
    await served.control("PATCH", "/settings", short_pages=True)
    pages = [await listed(served, f"?per_page=3&page={page}") for page in range(1, 6)]
    assert [len(page) for page in pages] == [2, 2, 2, 1, 0]
    assert [found for page in pages for found in page] == ids[::-1]


@pytest.mark.parametrize(
    "query", ["after=1700000000000", "before=abc", "per_page=201", "per_page=0", "page=0", "page=-1"]
)
async def test_a_senseless_parameter_is_a_bad_request(serve: Serve, query: str) -> None:
    status, body, _ = await (await serve()).get(f"/athlete/activities?{query}")
    assert status == 400
    assert complaint(body)[1] == query.partition("=")[0]


async def test_streams_come_by_type_or_as_a_list_without_rate_headers(serve: Serve) -> None:
    served = await serve()
    made = await upload(served, kind="ride", duration=600)
    status, by_type, headers = await served.get(f"/activities/{made}/streams?keys={KEYS}&key_by_type=true")
    assert status == 200
    assert set(by_type) == set(KEYS.split(","))
    assert {len(stream["data"]) for stream in by_type.values()} == {600}
    assert not [name for name in headers if name.lower().startswith("x-r")]
    _, as_list, _ = await served.get(f"/activities/{made}/streams?keys=watts,heartrate")
    assert [stream["type"] for stream in as_list] == ["distance", "heartrate", "watts"]
    assert as_list[1]["data"] == by_type["heartrate"]["data"]


async def test_a_channel_that_was_not_measured_is_left_out(serve: Serve) -> None:
    served = await serve()
    swim = await upload(served, kind="swim", duration=1_200)
    _, streams, _ = await served.get(f"/activities/{swim}/streams?keys={KEYS}&key_by_type=true")
    assert set(streams) == {"time", "distance"}
    _, detail, _ = await served.get(f"/activities/{swim}")
    assert detail["has_heartrate"] is False
    assert "average_heartrate" not in detail
    assert "device_watts" not in detail


async def test_an_activity_entered_by_hand_has_no_streams_at_all(serve: Serve) -> None:
    served = await serve()
    made = await upload(served, kind="manual")
    status, body, _ = await served.get(f"/activities/{made}/streams?keys=time&key_by_type=true")
    assert (status, complaint(body)) == (404, ("Activity", "", "not found"))
    _, detail, _ = await served.get(f"/activities/{made}")
    assert detail["manual"] is True
    assert detail["upload_id"] is None


@pytest.mark.parametrize(("until_ready", "status"), [("empty", 200), ("missing", 404)])
async def test_streams_that_are_not_ready_are_empty_or_missing_and_come_later(
    serve: Serve, until_ready: str, status: int
) -> None:
    served = await serve()
    made = await upload(served, kind="run", duration=120, streams_ready_after=30, streams_until_ready=until_ready)
    path = f"/activities/{made}/streams?keys=time&key_by_type=true"
    early, body, _ = await served.get(path)
    assert early == status
    assert body == {} or complaint(body) == ("Activity", "", "not found")
    await served.control("PATCH", "/settings", clock_offset=31)
    later, streams, _ = await served.get(path)
    assert later == 200
    assert len(streams["time"]["data"]) == 120


async def test_an_activity_may_stay_unseen_for_a_while_after_its_event(serve: Serve) -> None:
    served = await serve()
    made = await upload(served, kind="manual", visible_after=20)
    assert (await served.get(f"/activities/{made}"))[0] == 404
    assert await listed(served) == []
    await served.control("PATCH", "/settings", clock_offset=21)
    assert (await served.get(f"/activities/{made}"))[0] == 200
    assert await listed(served) == [made]


@pytest.mark.parametrize("activity_id", ["1", "0", "-5", "abc", "9" * 40, "%F0%9F%9A%B4", "²"])
async def test_an_id_that_is_nobodys_is_not_found(serve: Serve, activity_id: str) -> None:
    status, body, _ = await (await serve()).get(f"/activities/{activity_id}")
    assert (status, body["message"]) == (404, "Resource Not Found")


async def test_another_athletes_activity_is_not_found(serve: Serve) -> None:
    served = await serve("--athletes", "2")
    other = list(served.strava.world.athletes)[1]
    made = await upload(served, kind="manual", athlete_id=other)
    assert (await served.get(f"/activities/{made}"))[0] == 404
    assert (await served.get(f"/activities/{made}/streams?keys=time&key_by_type=true"))[0] == 404
    assert await listed(served) == []


async def test_recorded_error_bodies_can_be_had_instead_of_the_newer_ones(serve: Serve) -> None:
    served = await serve("--overall-limits", "1,10")
    await served.control("PATCH", "/settings", error_bodies="recorded")
    status, body, _ = await served.get("/activities/1")
    assert (status, body) == (404, b"")
    status, body, _ = await served.get("/activities/1")
    assert (status, body["errors"]) == (429, "Rate Limit Exceeded")


async def test_without_a_scope_a_call_is_unauthorized_and_says_which_one_is_missing(serve: Serve) -> None:
    served = await serve()
    made = await upload(served, kind="manual")
    await served.control("POST", f"/athletes/{served.athlete_id}/authorize", scope="read")
    for path in ("/athlete/activities", f"/activities/{made}", f"/activities/{made}/streams?keys=time"):
        status, body, _ = await served.get(path)
        assert (status, complaint(body)) == (401, ("AccessToken", "activity:read_permission", "missing"))
    status, body, _ = await served.get("/athlete/zones")
    assert complaint(body) == ("AccessToken", "profile:read_all_permission", "missing")
    status, athlete, _ = await served.get("/athlete")
    assert (status, athlete["resource_state"]) == (200, 2)
    assert "ftp" not in athlete


async def test_private_activities_are_taken_out_after_paging_so_that_a_page_comes_short(serve: Serve) -> None:
    served = await serve()
    ids = [
        await upload(served, kind="manual", start_at=1_700_000_000 + hour, private=hour == 3) for hour in range(4)
    ]
    assert await listed(served, "?per_page=2") == [ids[3], ids[2]]
    await served.control("POST", f"/athletes/{served.athlete_id}/authorize", scope="read,activity:read")
    assert await listed(served, "?per_page=2") == [ids[2]]
    assert await listed(served, "?per_page=2&page=2") == [ids[1], ids[0]]
    assert (await served.get(f"/activities/{ids[3]}"))[0] == 404


async def test_dead_and_unknown_tokens_are_told_apart(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", f"/tokens/{served.athlete_id}", expires_in=-1)
    status, body, _ = await served.get("/athlete")
    assert (status, complaint(body)) == (401, ("Athlete", "access_token", "invalid"))
    status, body, _ = await served.get("/athlete", token="never-issued")
    assert (status, complaint(body)) == (401, ("Application", "", "invalid"))


async def test_a_refresh_near_the_end_rotates_and_carries_no_rate_headers(serve: Serve) -> None:
    served = await serve()
    old = served.grant.refresh_token
    status, same, headers = await served.refresh(old)
    assert (status, same["refresh_token"]) == (200, old)
    assert 21_590 <= same["expires_in"] <= 21_600
    assert not [name for name in headers if name.lower().startswith("x-r")]
    await served.control("POST", f"/tokens/{served.athlete_id}", expires_in=60)
    status, fresh, _ = await served.refresh(old)
    assert (status, fresh["expires_in"]) == (200, 21_600)
    assert (await served.get("/athlete", token=fresh["access_token"]))[0] == 200
    status, body, _ = await served.refresh(old)
    assert (status, complaint(body)) == (400, ("RefreshToken", "refresh_token", "invalid"))
    counts = await served.control("GET", "/counts")
    assert counts["endpoints"]["token"] == 3
    assert counts["meters"]["overall"]["quarter"]["counted"] == 1


@pytest.mark.parametrize("how", ["params", "data", "json"])
async def test_token_parameters_may_come_in_the_query_a_form_or_json(serve: Serve, how: str) -> None:
    served = await serve()
    fields = {
        "client_id": "12345",
        "client_secret": "sandbox-secret",
        "grant_type": "refresh_token",
        "refresh_token": served.grant.refresh_token,
    }
    sent: dict[str, Any] = {how: fields}
    async with served.client.post("/oauth/token", **sent) as answer:
        assert answer.status == 200
    async with served.client.post("/api/v3/oauth/token", **sent) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"client_id": "1"}, ("Application", "client_id", "invalid")),
        ({"client_secret": "wrong"}, ("Application", "client_id", "invalid")),
        ({"refresh_token": ""}, ("RefreshToken", "refresh_token", "invalid")),
        ({"grant_type": "authorization_code", "code": "x"}, ("RequestToken", "code", "invalid")),
        ({"grant_type": "password"}, ("Application", "grant_type", "invalid")),
    ],
)
async def test_a_refused_token_call_says_what_was_wrong(
    serve: Serve, changed: dict[str, str], expected: tuple[str, str, str]
) -> None:
    served = await serve()
    fields = {
        "client_id": "12345",
        "client_secret": "sandbox-secret",
        "grant_type": "refresh_token",
        "refresh_token": served.grant.refresh_token,
    } | changed
    async with served.client.post("/oauth/token", data=fields) as answer:
        assert (answer.status, complaint(await answer.json())) == (400, expected)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_revocation_by_the_app_kills_every_token_and_is_announced(
    serve: Serve, callback: Callback, kind: str
) -> None:
    served = await serve("--callback", callback.url)
    grant = served.grant
    access, refresh, token = grant.access_token, grant.refresh_token, getattr(grant, kind)
    async with served.client.post("/oauth/revoke", data={"token": token}) as answer:
        assert answer.status == 401
    basic = {"Authorization": encode_basic_auth("12345", "sandbox-secret")}
    async with served.client.post("/oauth/revoke", data={"token": token}, headers=basic) as answer:
        assert answer.status == 200
    assert (await served.get("/athlete", token=access))[0] == 401
    assert (await served.refresh(refresh))[0] == 400
    await served.control("GET", "/events?settled=60")
    (event,) = callback.events()
    assert event["object_type"] == "athlete"
    assert event["aspect_type"] == "update"
    assert event["updates"] == {"authorized": "false"}
    assert event["object_id"] == event["owner_id"] == served.athlete_id


async def test_the_older_deauthorization_returns_the_token_and_shows_the_meters(serve: Serve) -> None:
    served = await serve()
    token = served.grant.access_token
    bearer = {"Authorization": f"Bearer {token}"}
    async with served.client.post("/oauth/deauthorize", headers=bearer) as answer:
        assert (answer.status, await answer.json()) == (200, {"access_token": token})
        assert answer.headers["X-Ratelimit-Usage"] == "1,1"
    async with served.client.post("/oauth/deauthorize", headers=bearer) as answer:
        assert answer.status == 401


async def test_over_the_limit_every_call_is_refused_and_burns_the_day(serve: Serve) -> None:
    served = await serve("--overall-limits", "2,50", "--read-limits", "100,1000")
    answers = [await served.get("/athlete") for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 429, 429]
    usages = [headers["X-Ratelimit-Usage"] for _, _, headers in answers]
    assert usages == ["1,1", "2,2", "3,3", "4,4"]
    _, body, headers = answers[-1]
    assert body == {
        "message": "Rate Limit Exceeded",
        "errors": [{"resource": "Application", "field": "overall rate limit", "code": "exceeded"}],
    }
    assert headers["X-Readratelimit-Limit"] == "100,1000"
    assert "Retry-After" not in headers
    counts = await served.control("GET", "/counts")
    assert counts["rate_limited"] == 2
    assert counts["endpoints"] == {"athlete": 4}
    assert counts["meters"]["overall"]["quarter"]["over_limit"] == 2


async def test_the_narrower_read_meter_is_named_in_its_refusal(serve: Serve) -> None:
    served = await serve("--read-limits", "1,100")
    await served.get("/athlete")
    status, body, _ = await served.get("/athlete")
    assert (status, complaint(body)) == (429, ("Application", "read rate limit", "exceeded"))


async def test_the_clock_offset_shifts_the_date_the_tokens_and_the_windows_together(serve: Serve) -> None:
    served = await serve("--clock-offset", "100000", "--quarter-seconds", "900")
    _, _, headers = await served.get("/athlete")
    ahead = parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
    assert 99_998 < ahead < 100_002
    assert served.grant.expires_at - time.time() > 100_000
    window = (await served.control("GET", "/counts"))["meters"]["overall"]["quarter"]
    assert window["starts_at"] > time.time() + 98_000


async def test_an_unknown_path_or_method_is_not_found_and_counts_as_a_request(serve: Serve) -> None:
    served = await serve()
    assert (await served.get("/no/such/thing"))[0] == 404
    async with served.client.put("/api/v3/athlete") as answer:
        assert answer.status == 404
    counts = await served.control("GET", "/counts")
    assert counts["endpoints"] == {"unknown": 2}
    assert counts["failures"] == 0

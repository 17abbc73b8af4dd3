"""The control routes: strict about what they are asked, and out of every count."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.served_sandbox import Serve


async def test_control_calls_are_neither_counted_nor_logged(serve: Serve) -> None:
    served = await serve()
    await served.control("GET", "/athletes")
    assert (await served.control("GET", "/healthz")) == {"status": "ok"}
    counts = await served.control("GET", "/counts")
    assert (counts["received"], counts["endpoints"]) == (0, {})
    assert await served.control("GET", "/requests") == []


async def test_an_operator_can_import_the_athletes_as_they_are_shown(serve: Serve) -> None:
    served = await serve("--athletes", "3")
    athletes = await served.control("GET", "/athletes")
    assert len({athlete["id"] for athlete in athletes}) == 3
    for athlete in athletes:
        assert athlete["id"] > 2**32
        assert athlete["resting_hr"] < athlete["lthr"] < athlete["max_hr"]
        assert (await served.get("/athlete", token=athlete["access_token"]))[1]["ftp"] == athlete["ftp"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/activities", {"durration": 60}),
        ("POST", "/activities", {"duration": "long"}),
        ("POST", "/activities", {"duration": True}),
        ("POST", "/activities", {"duration": 5}),
        ("POST", "/activities", {"kind": "moonwalk"}),
        ("POST", "/faults", {"kind": "earthquake"}),
        ("POST", "/faults", {"kind": "html", "endpoint": "nowhere"}),
        ("POST", "/activities", {"start_at": 1_700_000_000_000}),
        ("POST", "/activities", {"streams": {"time": 5}}),
        ("POST", "/events", {"body": {}, "repeat": 0}),
        ("PATCH", "/settings", {"quarter_seconds": 0}),
        ("PATCH", "/settings", {"overall_limits": [1]}),
        ("PATCH", "/settings", {"error_bodies": "rude"}),
        ("GET", "/requests?last=many", {}),
        ("GET", "/events?settled=soon", {}),
        ("GET", "/events?settled=nan", {}),
    ],
)
async def test_a_mistaken_control_call_is_told_so(
    serve: Serve, method: str, path: str, body: dict[str, Any]
) -> None:
    served = await serve()
    async with served.client.request(method, f"/sandbox{path}", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/athletes/1/revoke"),
        ("POST", "/tokens/abc"),
        ("PATCH", "/activities/1"),
        ("DELETE", "/activities/1"),
        ("GET", "/nothing"),
    ],
)
async def test_what_does_not_exist_is_not_found(serve: Serve, method: str, path: str) -> None:
    served = await serve()
    async with served.client.request(method, f"/sandbox{path}") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"\xff\xfe", b"null"])
async def test_a_body_that_is_no_object_is_refused_and_the_sandbox_lives_on(serve: Serve, raw: bytes) -> None:
    served = await serve()
    async with served.client.post("/sandbox/activities", data=raw) as answer:
        assert answer.status == 400
    headers = {"Content-Type": "application/json"}
    async with served.client.post("/oauth/token", data=raw, headers=headers) as answer:
        assert answer.status == 400
    counts = await served.control("GET", "/counts")
    assert counts["failures"] == 0


async def test_given_detail_and_streams_are_served_as_they_were_given(serve: Serve) -> None:
    served = await serve()
    streams = {"time": [0, 1, 5], "heartrate": [100, None, 120]}
    made = await served.control(
        "POST", "/activities", kind="strength", detail={"average_heartrate": 110.5}, streams=streams, event=False
    )
    _, detail, _ = await served.get(f"/activities/{made['id']}")
    assert detail["average_heartrate"] == 110.5
    _, shown, _ = await served.get(f"/activities/{made['id']}/streams?keys=time,heartrate&key_by_type=true")
    assert {key: stream["data"] for key, stream in shown.items()} == streams


async def test_a_template_gives_the_same_ride_at_another_time(serve: Serve) -> None:
    served = await serve()
    first = await served.control("POST", "/activities", kind="ride", duration=300, seed=4, event=False)
    copy = await served.control(
        "POST", "/activities", template=str(first["id"]), start_at=1_600_000_000, name="Again", event=False
    )
    path = "/streams?keys=watts,time&key_by_type=true"
    original = await served.get(f"/activities/{first['id']}{path}")
    assert (await served.get(f"/activities/{copy['id']}{path}"))[1] == original[1]
    _, detail, _ = await served.get(f"/activities/{copy['id']}")
    assert (detail["name"], detail["start_date"]) == ("Again", "2020-09-13T12:26:40Z")


async def test_an_edit_can_crop_the_streams(serve: Serve) -> None:
    served = await serve()
    made = await served.control("POST", "/activities", kind="run", duration=300, event=False)
    await served.control("PATCH", f"/activities/{made['id']}", streams={"time": [0, 1]}, detail={"elapsed_time": 1})
    _, shown, _ = await served.get(f"/activities/{made['id']}/streams?keys=time&key_by_type=true")
    assert shown["time"]["original_size"] == 2
    assert (await served.get(f"/activities/{made['id']}"))[1]["elapsed_time"] == 1


async def test_half_a_mistaken_settings_call_does_not_take_hold(serve: Serve) -> None:
    served = await serve()
    body = {"overall_limits": [1, 1], "clock_offset": 500, "short_pages": True, "usage_shown": "never"}
    async with served.client.patch("/sandbox/settings", json=body) as answer:
        assert answer.status == 400
    settings = await served.control("PATCH", "/settings")
    assert (settings["short_pages"], settings["clock_offset"]) == (False, 0)
    assert (await served.get("/athlete"))[2]["X-Ratelimit-Limit"] == "600,30000"


async def test_a_rotated_or_dead_token_is_a_matter_of_one_call(serve: Serve) -> None:
    served = await serve()
    old = served.grant.refresh_token
    await served.control("POST", f"/tokens/{served.athlete_id}", rotate=True)
    assert (await served.refresh(old))[0] == 400
    await served.control("POST", f"/tokens/{served.athlete_id}", dead=True)
    assert (await served.get("/athlete"))[0] == 401

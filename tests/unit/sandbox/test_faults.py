"""A fault that is switched on reaches the app as it would on a bad day at Strava."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from sandbox import faults
from tests.support.served_sandbox import Serve


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("error_500", 500, faults.SERVER_ERROR.body),
        ("error_503", 503, b""),
        ("html", 502, faults.HTML_ERROR.body),
        ("empty_body", 200, b""),
        ("app_inactive", 403, faults.APP_INACTIVE.body),
        ("dead_token", 401, faults.DEAD_ACCESS_TOKEN.body),
        ("not_found", 404, faults.NOT_FOUND.body),
        ("rate_limited", 429, faults.rate_limit("overall rate limit").body),
        ("rate_limited_plain", 429, faults.rate_limit("rate limit").body),
    ],
)
async def test_a_refusal_replaces_the_answer_once_and_is_counted(
    serve: Serve, kind: str, status: int, body: bytes
) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind=kind, endpoint="athlete", count=1)
    bearer = {"Authorization": f"Bearer {served.grant.access_token}"}
    async with served.client.get("/api/v3/athlete", headers=bearer) as answer:
        assert (answer.status, await answer.read()) == (status, body)
    assert (await served.get("/athlete"))[0] == 200
    counts = await served.control("GET", "/counts")
    assert counts["meters"]["overall"]["quarter"]["counted"] == 2
    (switch,) = await served.control("GET", "/faults")
    assert (switch["struck"], switch["left"]) == (1, 0)


async def test_a_reset_cuts_the_connection_after_the_request_was_counted(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="reset", endpoint="athlete", count=1)
    with pytest.raises(aiohttp.ClientError):
        await served.get("/athlete")
    assert (await served.get("/athlete"))[0] == 200
    cut, whole = await served.control("GET", "/requests")
    assert (cut["status"], whole["status"]) == (0, 200)
    counts = await served.control("GET", "/counts")
    assert counts["meters"]["overall"]["quarter"]["counted"] == 2


async def test_a_truncated_body_promises_more_than_it_sends(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="truncated", count=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await served.get("/athlete")
    assert (await served.get("/athlete"))[0] == 200


async def test_wrong_types_keep_the_keys_and_spoil_the_values(serve: Serve) -> None:
    served = await serve()
    _, right, _ = await served.get("/athlete")
    await served.control("POST", "/faults", kind="wrong_types", endpoint="athlete")
    status, wrong, _ = await served.get("/athlete")
    assert status == 200
    assert wrong.keys() == right.keys()
    assert not isinstance(wrong["id"], int)


async def test_a_delay_makes_the_answer_late_and_leaves_it_right(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="delay", seconds=0.2, count=1)
    began = time.monotonic()
    status, _, _ = await served.get("/athlete")
    assert status == 200
    assert time.monotonic() - began >= 0.2


async def test_a_refresh_whose_answer_is_lost_has_rotated_all_the_same(serve: Serve) -> None:
    served = await serve()
    old = served.grant.refresh_token
    await served.control("POST", f"/tokens/{served.athlete_id}", expires_in=0)
    await served.control("POST", "/faults", kind="lost_answer", endpoint="token", count=1)
    with pytest.raises(aiohttp.ClientError):
        await served.refresh(old)
    assert served.grant.refresh_token != old
    assert (await served.refresh(old))[0] == 400


async def test_a_fault_of_the_whole_api_leaves_the_tokens_alone(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="app_inactive")
    for path in ("/athlete", "/athlete/activities", "/activities/1", "/activities/1/streams"):
        assert (await served.get(path))[0] == 403
    assert (await served.refresh(served.grant.refresh_token))[0] == 200
    await served.control("DELETE", "/faults")
    assert (await served.get("/athlete"))[0] == 200


async def test_foreign_use_of_the_app_fills_the_windows(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="foreign_use", requests=600)
    status, _, headers = await served.get("/athlete")
    assert status == 429
    assert headers["X-Ratelimit-Usage"] == "601,601"


async def test_a_slow_answer_shows_the_usage_of_its_arrival_unless_told_otherwise(serve: Serve) -> None:
    served = await serve()
    for shown, expected in (("at_arrival", "1,1"), ("at_answer", "4,4")):
        await served.control("PATCH", "/settings", usage_shown=shown)
        await served.control("POST", "/faults", kind="delay", seconds=0.1, count=1)
        slow = asyncio.ensure_future(served.get("/athlete"))
        while (await served.control("GET", "/faults"))[-1]["left"]:
            await asyncio.sleep(0)
        await served.get("/athlete")
        assert (await slow)[2]["X-Ratelimit-Usage"] == expected


async def test_secrets_in_a_query_do_not_reach_the_journal(serve: Serve) -> None:
    served = await serve()
    async with served.client.get(f"/api/v3/athlete?access_token={served.grant.access_token}&a=1") as answer:
        assert answer.status == 200
    (entry,) = await served.control("GET", "/requests")
    assert entry["query"] == "a=1"


async def test_the_journal_says_who_asked_what_and_how_it_ended(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="error_500", endpoint="activities", count=1)
    await served.get("/athlete/activities?per_page=3")
    await served.get("/athlete", token="nobody")
    first, second = await served.control("GET", "/requests?last=10")
    assert (first["endpoint"], first["query"], first["status"]) == ("activities", "per_page=3", 500)
    assert first["athlete_id"] == served.athlete_id
    assert (second["number"], second["athlete_id"], second["status"]) == (2, None, 401)

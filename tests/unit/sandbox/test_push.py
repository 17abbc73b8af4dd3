"""Events reach a callback as Strava's do: unordered, at most three times, and only where they may."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from tests.support.served_sandbox import Callback, Serve, Served

CLIENT = {"client_id": "12345", "client_secret": "sandbox-secret"}
QUICK = ("--retry-seconds", "0.01")


async def settled(served: Served) -> list[dict[str, Any]]:
    shown = await served.control("GET", "/events?settled=60")
    assert shown["settled"] is True
    deliveries: list[dict[str, Any]] = shown["events"]
    return deliveries


async def subscribe(served: Served, callback: Callback, **changes: str) -> tuple[int, Any]:
    form = CLIENT | {"callback_url": callback.url, "verify_token": "mine"} | changes
    async with served.client.post("/api/v3/push_subscriptions", data=form) as answer:
        return answer.status, await answer.json()


async def test_a_new_activity_is_announced_with_all_its_fields(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url, "--subscription-id", "77")
    made = await served.control("POST", "/activities", kind="manual")
    (delivery,) = await settled(served)
    assert delivery["outcome"] == "acknowledged"
    (event,) = callback.events()
    assert event.pop("event_time") == int(event_time(delivery))
    assert event == {
        "aspect_type": "create",
        "object_id": made["id"],
        "object_type": "activity",
        "owner_id": served.athlete_id,
        "subscription_id": 77,
        "updates": {},
    }


def event_time(delivery: dict[str, Any]) -> float:
    sent: float = delivery["body"]["event_time"]
    return sent


async def test_an_edit_is_announced_with_strings_and_only_for_what_changed(
    serve: Serve, callback: Callback
) -> None:
    served = await serve("--callback", callback.url)
    made = await served.control("POST", "/activities", kind="manual", name="Before", event=False)
    path = f"/activities/{made['id']}"
    await served.control("PATCH", path, name="After", sport_type="Ride", private=True)
    await served.control("PATCH", path, detail={"description": "no event for this"})
    await settled(served)
    (event,) = callback.events()
    assert event["aspect_type"] == "update"
    assert event["updates"] == {"title": "After", "private": "true"}
    await served.control("PATCH", path, sport_type="GravelRide", event=False)
    _, detail, _ = await served.get(path)
    assert (detail["type"], detail["sport_type"]) == ("Ride", "GravelRide")
    assert (detail["name"], detail["visibility"]) == ("After", "only_me")
    assert detail["description"] == "no event for this"


async def test_a_deletion_is_announced_and_the_activity_gone(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    made = await served.control("POST", "/activities", kind="manual", event=False)
    await served.control("DELETE", f"/activities/{made['id']}")
    await settled(served)
    assert callback.events()[0]["aspect_type"] == "delete"
    assert (await served.get(f"/activities/{made['id']}"))[0] == 404


async def test_an_event_is_tried_three_times_in_all_and_then_given_up(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url, *QUICK)
    callback.statuses = [503, 500, 404, 200]
    await served.control("POST", "/activities", kind="manual")
    (delivery,) = await settled(served)
    assert delivery["outcome"] == "given_up"
    assert [attempt["result"] for attempt in delivery["attempts"]] == [503, 500, 404]
    assert len(set(callback.heard)) == 1


async def test_an_attempt_that_is_not_answered_in_time_is_made_again(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url, *QUICK, "--answer-seconds", "0.2")
    callback.gate.clear()
    await served.control("POST", "/activities", kind="manual")
    (delivery,) = await settled(served)
    assert [attempt["result"] for attempt in delivery["attempts"]] == ["timeout"] * 3


async def test_a_callback_that_nobody_listens_at_does_no_harm(serve: Serve) -> None:
    served = await serve("--callback", "http://127.0.0.1:9/hook", *QUICK)
    await served.control("POST", "/activities", kind="manual")
    (delivery,) = await settled(served)
    assert delivery["outcome"] == "given_up"
    assert (await served.get("/athlete"))[0] == 200


async def test_any_body_can_be_sent_and_as_often_as_wished(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("POST", "/events", body={"object_type": "forged", "owner_id": 1}, repeat=3)
    await served.control("POST", "/events", text="<not json>")
    deliveries = await settled(served)
    assert sorted(callback.heard) == sorted([b'{"object_type":"forged","owner_id":1}'] * 3 + [b"<not json>"])
    assert {delivery["outcome"] for delivery in deliveries} == {"acknowledged"}


async def test_events_are_signed_where_a_key_was_given(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url, "--sign-key", "k")
    await served.control("POST", "/activities", kind="manual")
    await settled(served)
    at, version = callback.headers[0]["X-Strava-Signature"].split(",")
    signed = at.removeprefix("t=").encode() + b"." + callback.heard[0]
    assert version == "v1=" + hmac.new(b"k", signed, hashlib.sha256).hexdigest()


async def test_lost_events_never_arrive_and_are_owned_up_to(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    await served.control("PATCH", "/settings", lost_event_rate=1.0)
    await served.control("POST", "/activities", kind="manual")
    (delivery,) = await settled(served)
    assert (delivery["outcome"], delivery["attempts"], callback.heard) == ("lost", [], [])


@pytest.mark.parametrize(
    ("scope", "heard"),
    [
        ("read", []),
        ("read,activity:read", ["create", "delete"]),
        ("read,activity:read_all", ["create", "update"]),
    ],
)
async def test_what_the_athlete_did_not_grant_is_not_announced(
    serve: Serve, callback: Callback, scope: str, heard: list[str]
) -> None:
    served = await serve("--callback", callback.url)
    await served.control("POST", f"/athletes/{served.athlete_id}/authorize", scope=scope)
    made = await served.control("POST", "/activities", kind="manual")
    await settled(served)
    await served.control("PATCH", f"/activities/{made['id']}", private=True)
    await settled(served)
    assert [event["aspect_type"] for event in callback.events()] == heard


async def test_after_a_revocation_there_is_one_event_and_then_silence(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    revoked = await served.control("POST", f"/athletes/{served.athlete_id}/revoke")
    again = await served.control("POST", f"/athletes/{served.athlete_id}/revoke")
    await served.control("POST", "/activities", kind="manual")
    await settled(served)
    assert (revoked, again) == ({"revoked": True}, {"revoked": False})
    (event,) = callback.events()
    assert (event["object_type"], event["updates"]) == ("athlete", {"authorized": "false"})


async def test_a_subscription_shakes_hands_before_it_exists_and_there_is_only_one(
    serve: Serve, callback: Callback
) -> None:
    served = await serve("--subscription-id", "500")
    status, made = await subscribe(served, callback)
    assert (status, made["id"], made["callback_url"]) == (201, 500, callback.url)
    status, body = await subscribe(served, callback)
    assert (status, body["errors"][0]["code"]) == (400, "already exists")
    async with served.client.delete("/api/v3/push_subscriptions/500", params=CLIENT) as answer:
        assert answer.status == 204
    async with served.client.get("/api/v3/push_subscriptions", params=CLIENT) as answer:
        assert await answer.json() == []
    status, made = await subscribe(served, callback)
    assert (status, made["id"]) == (201, 501)


async def test_a_handshake_fails_in_stravas_own_words(serve: Serve, callback: Callback) -> None:
    served = await serve()
    callback.statuses = [403]
    status, body = await subscribe(served, callback)
    assert (status, body["errors"][0]["code"]) == (400, "GET to callback URL does not return 200")
    callback.echo = False
    status, body = await subscribe(served, callback)
    assert (status, body["errors"][0]["code"]) == (400, "not verifiable")
    status, body = await subscribe(served, callback, callback_url="ftp://x")
    assert (status, body["errors"][0]["field"]) == (400, "callback url")
    status, body = await subscribe(served, callback, client_secret="wrong")
    assert (status, body["errors"][0]["field"]) == (400, "client_id")
    async with served.client.delete("/api/v3/push_subscriptions/1", params=CLIENT) as answer:
        assert answer.status == 404

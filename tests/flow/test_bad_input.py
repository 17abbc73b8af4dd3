"""Whatever is sent to the webhook: the right status, one log line, nothing lost, no call to Strava."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow.conftest import MakeHouse
from tests.support.daemon import SUBSCRIPTION_ID, VERIFY_TOKEN, Daemon, eventually

GOOD: dict[str, Any] = {
    "object_type": "activity",
    "object_id": 17,
    "aspect_type": "create",
    "owner_id": 4711,
    "subscription_id": SUBSCRIPTION_ID,
    "event_time": 1_700_000_000,
    "updates": {},
}


def changed(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


MALFORMED = {
    "empty": b"",
    "no JSON": b"object_id=17",
    "an array": b"[]",
    "deeply nested": b'{"updates":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "NaN": changed().replace(b"17", b"NaN"),
    "a huge integer": changed(object_id=10**40),
    "an id beyond bigint": changed(object_id=2**63),
    "a float id": changed(object_id=17.5),
    "a true id": changed(object_id=True),
    "a NUL in a word": changed(object_type="activity\u0000"),
    "no owner": json.dumps({key: value for key, value in GOOD.items() if key != "owner_id"}).encode(),
    "nested updates": changed(updates={"title": {"a": 1}}),
    "broken UTF-8": b'{"object_type":"\xff\xfe"}',
    "a truncated body": changed()[:-7],
}


async def strava_was_left_alone(daemon: Daemon) -> bool:
    return bool((await daemon.sandbox.counts())["received"] == 0)


async def test_malformed_bodies_are_400_with_one_line_each(make_house: MakeHouse) -> None:
    daemon = await make_house()
    for name, body in MALFORMED.items():
        assert await daemon.post_event(body) == 400, name

    assert len(daemon.log_lines("webhook.malformed")) == len(MALFORMED)
    assert await daemon.value("SELECT count(*) FROM events") == 0
    assert await strava_was_left_alone(daemon)
    assert await daemon.post_event(changed()) == 200  # and it still works


async def test_oversized_bodies_are_413_however_they_are_sent(make_house: MakeHouse) -> None:
    daemon = await make_house()

    assert await daemon.post_event(b" " * 70_000) == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    assert await daemon.post_event(endless) == 413
    bomb = gzip.compress(b" " * 50_000_000)
    assert await daemon.post_event(bomb, headers={"Content-Encoding": "gzip"}) == 413
    broken = zlib.compress(b"x")[:-4] + b"?!"
    assert await daemon.post_event(broken, headers={"Content-Encoding": "deflate"}) == 400
    assert len(daemon.log_lines("webhook.oversized")) == 3
    assert not daemon.log_lines("request.broke")
    assert await daemon.value("SELECT count(*) FROM events") == 0


async def test_a_sender_that_dawdles_is_sent_away_and_holds_nobody_up(make_house: MakeHouse) -> None:
    daemon = await make_house()
    port = int(daemon.url.rpartition(":")[2])
    path = daemon.webhook_url.removeprefix(daemon.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode())
    await writer.drain()

    assert await daemon.post_event(changed()) == 200  # meanwhile

    async with asyncio.timeout(60):
        assert b" 503 " in await reader.readline()
    writer.close()
    assert daemon.log_lines("webhook.timed_out")


async def test_a_sender_that_hangs_up_leaves_no_trace_but_a_line(make_house: MakeHouse) -> None:
    daemon = await make_house()
    port = int(daemon.url.rpartition(":")[2])
    path = daemon.webhook_url.removeprefix(daemon.url)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()

    assert await daemon.post_event(changed()) == 200
    assert not daemon.log_lines("request.broke")
    assert not daemon.log_lines("process.crashed")


@pytest.mark.parametrize("method", ["get", "post", "put"])
async def test_a_wrong_secret_looks_like_any_unknown_path(make_house: MakeHouse, method: str) -> None:
    daemon = await make_house()
    answers = []
    for path in ("/webhook/wrong-secret-of-some-length", "/nowhere/at-all"):
        async with daemon.sandbox.session.request(method, daemon.url + path, data=changed()) as response:
            answers.append((response.status, await response.text()))
    if method == "put":
        assert answers[0][0] == 405
    else:
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert len(daemon.log_lines("webhook.secret_refused")) == 1
    assert await daemon.value("SELECT count(*) FROM events") == 0


async def test_foreign_and_unknown_are_answered_like_any_other_and_cause_no_call(make_house: MakeHouse) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    assert await daemon.post_event(changed(owner_id=athlete_id, subscription_id=999)) == 200
    assert await daemon.post_event(changed(owner_id=999)) == 200
    assert await daemon.post_event(changed(owner_id=athlete_id, object_type="segment")) == 200
    assert (
        await daemon.post_event(changed(owner_id=athlete_id, object_type="athlete", updates={"name": "x"})) == 200
    )

    async def all_folded() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM events WHERE folded_at IS NULL") == 0)

    await eventually(all_folded)
    outcomes = {row[0] for row in await daemon.rows("SELECT outcome FROM events")}
    assert outcomes == {"foreign_subscription", "unknown_owner", "unknown_object_type", "nothing_to_do"}
    assert await daemon.value("SELECT count(*) FROM jobs") == 0
    assert await strava_was_left_alone(daemon)


async def test_the_handshake_echoes_the_challenge_only_to_who_knows_the_token(make_house: MakeHouse) -> None:
    daemon = await make_house()
    session = daemon.sandbox.session
    asked = {"hub.mode": "subscribe", "hub.challenge": "15f7d1a91c1f40f8a748fd134752feb3"}
    async with session.get(daemon.webhook_url, params=asked | {"hub.verify_token": VERIFY_TOKEN}) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert await response.json() == {"hub.challenge": asked["hub.challenge"]}
    for wrong in ({"hub.verify_token": "wrong"}, {}, {"hub.verify_token": VERIFY_TOKEN, "hub.mode": "other"}):
        async with session.get(daemon.webhook_url, params=asked | wrong) as response:
            assert response.status == 403


async def test_a_database_that_hangs_means_503_within_strava_s_patience(make_house: MakeHouse) -> None:
    daemon = await make_house()
    async with daemon.look_inside() as connection, connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(60):
            assert await daemon.post_once(changed()) == 503
    assert len(daemon.log_lines("webhook.timed_out")) == 1

    async def is_stored_all_the_same() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM events") == 1)

    await eventually(is_stored_all_the_same)
    assert await daemon.post_event(changed()) == 200  # Strava's second attempt: recognised
    assert await daemon.value("SELECT count(*) FROM events") == 1

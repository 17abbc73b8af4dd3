"""The admin API on outgoing webhooks over real sockets: operators only, a secret shown once, an address never."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from daemon.core.bearer import Scope
from daemon.courier.client import Courier
from daemon.jobs import notifications
from daemon.store import vitals, webhook_endpoints
from daemon.store.database import Database
from daemon.vault.cipher import Cipher, new_key
from daemon.web.admin import Guard
from daemon.web.doors import Doors
from daemon.web.models.notifications import ChangedNotification
from daemon.web.notifications import NotificationPages
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.admin import bearer, make_tokens
from tests.support.clocks import SetClock
from tests.support.receiver import Receiver, receiving

ADDRESS = "https://example.org/hooks/canary?key=canary"


class House:
    """A server with the addresses."""

    def __init__(self, address: str, session: aiohttp.ClientSession, receiver: Receiver) -> None:
        self.address = address
        self.session = session
        self.receiver = receiver

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        scope: Scope | None = Scope.OPERATE,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        async with self.session.request(
            method, f"{self.address}{path}", headers=bearer(scope), data=data
        ) as answer:
            text = await answer.text()
            expected = "application/problem+json" if answer.status >= 400 else "application/json"
            assert not text or answer.content_type == expected, text
            return answer.status, json.loads(text) if text else None

    async def made(self, url: str = ADDRESS, **more: Any) -> tuple[int, str]:
        status, made = await self.ask("POST", "/notifications", {"url": url, **more})
        assert status == 201, made
        return made["notification"]["id"], made["secret"]


@pytest_asyncio.fixture
async def house(database: Database) -> AsyncIterator[House]:
    clock = SetClock()
    await make_tokens(database)
    sessions = Sessions(database, clock)
    doors = Doors(Guard(database, clock, sessions), sessions)
    async with receiving() as receiver, Courier(allow_private=True) as courier, aiohttp.ClientSession() as session:
        pages = NotificationPages(database, Cipher([new_key()]), courier, clock, allow_private=True)
        async with serving(application(doors.routes(pages.endpoints())), "127.0.0.1", 0) as address:
            yield House(address, session, receiver)


async def test_an_endpoint_is_made_shown_changed_stopped_and_removed(house: House) -> None:
    assert await house.ask("GET", "/notifications", scope=Scope.READ) == (200, {"items": []})
    endpoint_id, secret = await house.made(description="the club's bot", topics=["activity.processed"])
    assert secret.startswith("whsec_")
    status, shown = await house.ask("GET", f"/notifications/{endpoint_id}", scope=Scope.READ)
    assert (status, shown["origin"], shown["state"]) == (200, "https://example.org", "active")
    assert (shown["description"], shown["topics"]) == ("the club's bot", ["activity.processed"])
    listed = await house.ask("GET", "/notifications", scope=Scope.READ)
    assert listed == (200, {"items": [shown]})
    assert "canary" not in json.dumps(listed)
    assert secret not in json.dumps(listed)

    status, changed = await house.ask("PUT", f"/notifications/{endpoint_id}", {"active": False})
    assert (status, changed["state"], changed["state_reason"]) == (200, "disabled", webhook_endpoints.BY_HAND)
    status, changed = await house.ask(
        "PUT", f"/notifications/{endpoint_id}", {"url": "https://8.8.8.8:8443/x", "active": True}
    )
    assert (status, changed["state"], changed["origin"]) == (200, "active", "https://8.8.8.8:8443")

    assert await house.ask("DELETE", f"/notifications/{endpoint_id}") == (204, None)
    assert (await house.ask("DELETE", f"/notifications/{endpoint_id}"))[0] == 404


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({}, {}),
        ({"active": True}, {"state": "active", "state_reason": None}),
        ({"active": False}, {"state_reason": webhook_endpoints.BY_HAND}),
        ({"description": "x"}, {"description": "x"}),
        ({"description": ""}, {"description": ""}),
        ({"url": "https://8.8.8.8/x"}, {"origin": "https://8.8.8.8"}),
        ({"topics": ["fitness.changed"]}, {"topics": ["fitness.changed"]}),
        ({"topics": None}, {"topics": None}),
    ],
)
async def test_a_change_leaves_what_it_does_not_name_as_it_is(
    house: House, database: Database, body: dict[str, Any], changes: dict[str, Any]
) -> None:
    endpoint_id, _ = await house.made(description="a bot", topics=["activity.deleted", "activity.processed"])
    async with database.transaction() as connection:
        await webhook_endpoints.disable(connection, endpoint_id, "it answered 410: it wants no more")
    _, before = await house.ask("GET", f"/notifications/{endpoint_id}")

    status, after = await house.ask("PUT", f"/notifications/{endpoint_id}", body)

    assert (status, {name: after[name] for name in changes}) == (200, changes)
    moves = {"state_since"} if "state" in changes else set()
    assert {name for name in after if after[name] != before[name]} == set(changes) | moves


@pytest.mark.parametrize("field", ["description", "active"])
async def test_what_can_be_nothing_in_no_case_is_not_left_out_by_a_null(house: House, field: str) -> None:
    endpoint_id, _ = await house.made()
    status, problem = await house.ask("PUT", f"/notifications/{endpoint_id}", {field: None})
    assert (status, field in problem["detail"]) == (422, True)


def test_a_change_is_described_without_a_field_that_is_needed_or_filled_in() -> None:
    described = ChangedNotification.model_json_schema()
    assert "required" not in described
    assert [field for field in described["properties"].values() if "default" in field] == []


async def test_what_was_disabled_by_itself_is_counted_until_an_operator_says_what_shall_be(
    house: House, database: Database
) -> None:
    async def disabled_by_themselves() -> int:
        async with database.connection() as connection:
            return int((await vitals.read(connection, 77))["disabled_notifications"])

    by_hand, _ = await house.made(active=False)
    (gone, _), (silent, _) = await house.made(), await house.made()
    assert await disabled_by_themselves() == 0
    async with database.transaction() as connection:
        for endpoint_id in (by_hand, gone, silent):
            await webhook_endpoints.disable(connection, endpoint_id, "nothing has arrived for five days")
    assert await disabled_by_themselves() == 2
    await house.ask("PUT", f"/notifications/{gone}", {"active": False})
    assert await disabled_by_themselves() == 1
    await house.ask("PUT", f"/notifications/{silent}", {"active": True})
    assert await disabled_by_themselves() == 0


async def test_a_ping_tells_what_came_of_it(house: House) -> None:
    endpoint_id, secret = await house.made(house.receiver.url)
    house.receiver.statuses = [200, 500]
    status, pinged = await house.ask("POST", f"/notifications/{endpoint_id}/test")
    assert (status, pinged["arrived"], pinged["status"]) == (200, True, 200)
    payload = (await house.receiver.next()).verified(secret)
    assert (payload["type"], payload["data"]) == ("ping", {"endpoint_id": endpoint_id})
    status, pinged = await house.ask("POST", f"/notifications/{endpoint_id}/test")
    assert (status, pinged["arrived"], pinged["says"]) == (200, False, "it answered 500")


async def test_a_new_secret_stands_beside_the_old_one_for_as_long_as_is_asked(house: House) -> None:
    endpoint_id, old = await house.made(house.receiver.url)
    status, rotated = await house.ask("POST", f"/notifications/{endpoint_id}/rotate")
    assert (status, rotated["notification"]["old_secret_until"] is not None) == (200, True)
    await house.ask("POST", f"/notifications/{endpoint_id}/test")
    received = await house.receiver.next()
    assert received.verified(old) == received.verified(rotated["secret"])
    status, last = await house.ask("POST", f"/notifications/{endpoint_id}/rotate?grace_hours=0")
    assert last["notification"]["old_secret_until"] is None
    await house.ask("POST", f"/notifications/{endpoint_id}/test")
    received = await house.receiver.next()
    received.verified(last["secret"])
    assert len(received.headers["webhook-signature"].split()) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "url: Field required"),
        ({"url": "http://example.org/"}, "must begin with https://"),
        ({"url": "https://user:pass@example.org/"}, "must not hold a user"),
        ({"url": ADDRESS, "topics": []}, "topics: List should have at least 1 item"),
        ({"url": ADDRESS, "topics": ["activity.process"]}, "topics.0: Input should be 'activity.processed'"),
        ({"url": ADDRESS, "description": "x" * 201}, "description: String should have at most 200"),
        ({"url": ADDRESS, "description": "\x00"}, "without NUL"),
        ({"url": ADDRESS, "secret": "mine"}, "secret: Extra inputs"),
        ([], "the body: "),
    ],
)
async def test_what_cannot_be_stored_is_told(house: House, body: Any, says: str) -> None:
    status, problem = await house.ask("POST", "/notifications", body)
    assert (status, problem["type"]) == (422, "/problems/unacceptable")
    assert says in problem["detail"]
    assert "canary" not in json.dumps(problem)
    assert (await house.ask("GET", "/notifications"))[1] == {"items": []}


async def test_what_is_no_json_or_too_large_is_refused(house: House) -> None:
    for raw, expected in ((b"{", 400), (b"", 400), (b"\xff", 400), (b" " * 20_000, 413)):
        assert (await house.ask("POST", "/notifications", raw=raw))[0] == expected
    endpoint_id, _ = await house.made()
    assert (await house.ask("POST", f"/notifications/{endpoint_id}/rotate?grace_hours=1000"))[0] == 400
    for path in ("/notifications/99", "/notifications/zero", f"/notifications/{'9' * 30}"):
        assert (await house.ask("GET", path))[0] == 404
        assert (await house.ask("PUT", path, {}))[0] == 404


async def test_reading_changes_nothing_and_nobody_reads_without_a_token(house: House) -> None:
    endpoint_id, _ = await house.made()
    one = f"/notifications/{endpoint_id}"
    for method, path in (("POST", "/notifications"), ("PUT", one), ("DELETE", one), ("POST", f"{one}/test"),
                         ("POST", f"{one}/rotate")):  # fmt: skip
        assert (await house.ask(method, path, {"url": ADDRESS}, scope=Scope.READ))[0] == 403
        assert (await house.ask(method, path, {"url": ADDRESS}, scope=None))[0] == 401
    assert (await house.ask("GET", one, scope=None))[0] == 401


async def test_there_are_so_many_endpoints_and_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MOST_ENDPOINTS", 2)
    answers = await asyncio.gather(*(house.ask("POST", "/notifications", {"url": ADDRESS}) for _ in range(2)))
    assert {status for status, _ in answers} == {201}
    status, problem = await house.ask("POST", "/notifications", {"url": ADDRESS})
    assert (status, "remove one first" in problem["detail"]) == (422, True)

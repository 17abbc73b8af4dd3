"""The push subscription and the admin tokens as the operator meets them, beside a running daemon."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
from aiohttp import web

from daemon.clock import SystemClock
from daemon.core.bearer import digest
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.web.admin import BELIEVED_SECONDS, Guard
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.flow.conftest import MakeHouse
from tests.support.daemon import SUBSCRIPTION_ID, WEBHOOK_SECRET, Daemon, eventually


async def lose_subscription(daemon: Daemon) -> None:
    """Let somebody delete the subscription at Strava."""
    (subscription,) = await subscriptions(daemon)
    url = f"{daemon.sandbox.api_url}/push_subscriptions/{subscription['id']}"
    async with daemon.sandbox.session.delete(url, params=credentials(daemon)) as answer:
        assert answer.status == 204


async def subscriptions(daemon: Daemon) -> list[dict[str, Any]]:
    url = f"{daemon.sandbox.api_url}/push_subscriptions"
    async with daemon.sandbox.session.get(url, params=credentials(daemon)) as answer:
        listed: list[dict[str, Any]] = await answer.json()
        return listed


def credentials(daemon: Daemon) -> dict[str, str]:
    return {"client_id": str(daemon.sandbox.client_id), "client_secret": daemon.sandbox.client_secret}


async def check_of(daemon: Daemon) -> dict[str, str]:
    """Return what health says of it; nothing is said by a beat that could not ask the database."""
    _, health = await daemon.get("/health")
    checks = health["checks"] if health is not None else []
    found = {check["name"]: check for check in checks}.get("subscription", {})
    return {name: found.get(name) or "" for name in ("status", "value", "advice")}


async def test_the_whole_life_of_a_subscription_beside_a_running_daemon(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False)
    set_callback(daemon, daemon.url)
    await daemon.start()

    async def is_verified() -> bool:
        return "verified at" in (await check_of(daemon))["value"]

    await eventually(is_verified)  # by the look at the start
    status, output, _ = await daemon.command("subscription", "show", "--json")
    assert status == 0
    shown = json.loads(output)
    assert (shown["state"], shown["subscription_id"]) == ("verified", SUBSCRIPTION_ID)
    assert shown["receiving_since"] is not None

    status, _, complaints = await daemon.command("subscription", "create")
    assert status == 1
    assert f"has number {SUBSCRIPTION_ID}" in complaints
    assert "subscription ensure" in complaints

    assert json.loads((await daemon.command("subscription", "delete", "--json"))[1]) == {"deleted": SUBSCRIPTION_ID}
    assert await subscriptions(daemon) == []

    async def is_gone() -> bool:
        check = await check_of(daemon)
        return check["status"] == "warning" and "subscription create" in check["advice"]

    await eventually(is_gone)
    status, output, complaints = await daemon.command("subscription", "ensure")
    assert status == 0, output + complaints
    (made,) = await subscriptions(daemon)
    assert made["callback_url"] == daemon.webhook_url
    assert f"subscription {made['id']}: verified" in output
    assert await daemon.value("SELECT subscription_id FROM apps") == made["id"]
    await eventually(is_verified)
    assert WEBHOOK_SECRET not in daemon.log.read_text() + output + complaints


async def test_while_the_path_changes_both_lead_here_and_the_subscription_moves_without_losing_an_event(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house(started=False)
    set_callback(daemon, daemon.url)
    (athlete_id,) = await daemon.import_athletes()
    fresh = "the-new-path-of-the-webhook-1"
    text = daemon.config.read_text(encoding="utf-8")
    both = f'webhook_secret = "{fresh}"\nold_webhook_secret = "{WEBHOOK_SECRET}"'
    daemon.config.write_text(text.replace(f'webhook_secret = "{WEBHOOK_SECRET}"', both, 1), encoding="utf-8")
    await daemon.start()

    old = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)
    status, output, complaints = await daemon.command("subscription", "ensure", "--replace")
    assert status == 0, output + complaints
    (made,) = await subscriptions(daemon)
    assert made["callback_url"] == f"{daemon.url}/webhook/{fresh}"
    new = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=2, duration=600)
    events = await daemon.sandbox.events(settled=60)
    assert {event["body"]["object_id"] for event in events if event["outcome"] == "acknowledged"} == {old, new}

    async def both_are_known() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM activity_loads") == 2)

    await eventually(both_are_known)
    assert await daemon.post_event(b"{}", f"{daemon.url}/webhook/neither-of-the-two-secrets") == 404


async def test_a_daemon_that_shall_keep_it_makes_a_lost_subscription_anew_and_takes_its_events(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house(started=False)
    set_callback(daemon, daemon.url, keep=True)
    await lose_subscription(daemon)
    status, _, complaints = await daemon.command("subscription", "create")  # nobody listens there yet
    assert status == 1
    assert "/webhook/*** cannot be reached (ConnectionRefusedError): start the daemon" in complaints
    await daemon.start()
    (athlete_id,) = await daemon.import_athletes()

    async def is_adopted() -> bool:
        listed = await subscriptions(daemon)
        return bool(listed) and await daemon.value("SELECT subscription_id FROM apps") == listed[0]["id"]

    await eventually(is_adopted)
    await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)

    async def is_folded() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM events WHERE outcome = 'folded'"))

    await eventually(is_folded)
    assert daemon.log_lines("subscription.created")
    assert WEBHOOK_SECRET not in daemon.log.read_text()


async def test_tokens_are_made_listed_and_revoked_by_command_and_open_a_guarded_route(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house()
    status, output, complaints = await daemon.command("tokens", "create", "grafana")
    assert status == 0
    reader = output.strip()
    assert re.fullmatch(r"dmq_[0-9a-f]{64}", reader)
    assert "only time" in complaints
    made = await daemon.command("tokens", "create", "ops", "--scope", "operate", "--expires-days", "1", "--json")
    operator = json.loads(made[1])
    assert operator["scopes"] == ["operate", "read"]
    assert operator["expires_at"] is not None
    assert await daemon.value("SELECT sha256 FROM admin_tokens WHERE name = 'grafana'") == digest(reader)
    status, output, complaints = await daemon.command("tokens", "create", "grafana")
    assert (status, output, "already" in complaints) == (1, "", True)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"done": True})

    arguments = dict(EmbeddedServer(daemon.directory).connect_arguments())
    async with Database(arguments, pool_size=2) as database, aiohttp.ClientSession() as session:
        guard = Guard(database, SystemClock(), Sessions(database, SystemClock()))
        routes = [web.get("/runs", guard.read(answer)), web.post("/run", guard.operate(answer))]
        async with serving(application(routes), "127.0.0.1", 0) as address:

            async def ask(method: str, path: str, token: str) -> int:
                headers = {"Authorization": f"Bearer {token}"}
                async with session.request(method, address + path, headers=headers) as response:
                    return response.status

            assert await ask("GET", "/runs", reader) == 200
            assert await ask("POST", "/run", reader) == 403
            assert await ask("POST", "/run", operator["token"]) == 200
            status, output, _ = await daemon.command("tokens", "revoke", "grafana", "--json")
            assert (status, json.loads(output)["state"]) == (0, "revoked")

            async def is_refused() -> bool:
                return await ask("GET", "/runs", reader) == 401

            await eventually(is_refused, 20 * BELIEVED_SECONDS)
            assert await ask("GET", "/runs", operator["token"]) == 200

    rows = {row["name"]: row for row in json.loads((await daemon.command("tokens", "list", "--json"))[1])}
    assert {name: row["state"] for name, row in rows.items()} == {"grafana": "revoked", "ops": "active"}
    assert rows["ops"]["last_used_at"] is not None
    assert "dmq_" not in json.dumps(rows)


def set_callback(daemon: Daemon, base_url: str, *, keep: bool = False) -> None:
    """Tell the settings file where Strava reaches us."""
    lines = [
        line
        for line in daemon.config.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("callback_url", "keep_subscription"))
    ]
    at = lines.index("[strava]") + 1
    lines[at:at] = [f'callback_url = "{base_url}"', f"keep_subscription = {str(keep).lower()}"]
    daemon.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

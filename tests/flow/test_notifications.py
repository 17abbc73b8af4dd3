"""News leave the house: a ride is told to a receiver and on live pages, through kills and restarts."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually
from tests.support.receiver import Received, Receiver, receiving


async def added(daemon: Daemon, receiver: Receiver, *arguments: str) -> str:
    """Subscribe a receiver as an operator does, and return the secret."""
    file = daemon.directory / "address"
    file.write_text(receiver.url + "\n", encoding="utf-8")
    status, output, complaints = await daemon.command("notifications", "add", str(file), *arguments)
    assert status == 0, complaints
    assert receiver.url not in output + complaints
    return output.strip()


async def next_of(receiver: Receiver, secret: str, topic: str) -> tuple[Received, dict[str, Any]]:
    """Return the next message of a type, whatever else comes before."""
    while True:
        received = await receiver.next()
        payload = received.verified(secret)
        if payload["type"] == topic:
            return received, payload


async def test_a_ride_is_told_to_a_receiver_and_to_operators_and_a_stop_ends_their_streams(
    make_house: MakeHouse,
) -> None:
    daemon = await make_house(notifications__allow_private="true")
    token = await daemon.new_token()
    async with receiving() as receiver:
        secret = await added(daemon, receiver)
        headers = {"Authorization": f"Bearer {token}"}
        async with daemon.sandbox.session.get(f"{daemon.url}/operator/live", headers=headers) as stream:
            assert (await stream.content.readuntil(b"\r\n\r\n")).count(b"event: ready") == 1
            (athlete_id,) = await daemon.import_athletes()
            _, connected = await next_of(receiver, secret, "athlete.connected")
            assert connected["data"] == {"athlete_id": athlete_id, "is_new": True}
            activity_id = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)
            told: dict[str, dict[str, Any]] = {}  # couriers go their own ways: which arrives first is not said
            while not {"activity.processed", "fitness.changed"} <= told.keys():
                payload = (await receiver.next()).verified(secret)
                told[payload["type"]] = payload["data"]
            assert told["activity.processed"]["activity_id"] == activity_id
            assert told["fitness.changed"]["ctl"] > 0
            seen = b""
            while b"event: fitness.changed" not in seen:
                seen += await stream.content.readuntil(b"\r\n\r\n")
            assert b"event: activity.processed" in seen
            assert str(activity_id).encode() not in seen

            receiver.gate.clear()  # one delivery hangs: that holds up no stop either
            await daemon.sandbox.delete_activity(activity_id)
            hanging, _ = await next_of(receiver, secret, "activity.deleted")
            assert await daemon.stop() == 0
            while chunk := await stream.content.readany():  # an ordinary end: what is cut raises
                seen += chunk
        receiver.gate.set()
        await daemon.start()
        again, _ = await next_of(receiver, secret, "activity.deleted")
        assert (again.message_id, again.body) == (hanging.message_id, hanging.body)
        assert secret not in daemon.log.read_text()


async def test_a_kill_while_the_receiver_answers_costs_nothing_and_the_id_stays(make_house: MakeHouse) -> None:
    daemon = await make_house(notifications__allow_private="true", jobs__lease_seconds="3")
    async with receiving() as receiver:
        secret = await added(daemon, receiver, "--topic", "athlete.connected")
        receiver.gate.clear()
        await daemon.import_athletes()
        first = await receiver.next()
        await daemon.stop(signal.SIGKILL)
        receiver.gate.set()
        await daemon.start()
        second = await receiver.next()
        assert second.verified(secret) == first.verified(secret)
        assert second.message_id == first.message_id

        async def is_delivered() -> bool:
            return bool(await daemon.value("SELECT 1 FROM jobs WHERE kind = 'deliver' AND state = 'done'"))

        await eventually(is_delivered)


async def test_that_an_athlete_leaves_by_hand_is_told_before_he_is_erased(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2, notifications__allow_private="true")
    first, second = await daemon.import_athletes()
    token = await daemon.new_token("operate")
    async with receiving() as receiver:
        secret = await added(daemon, receiver, "--topic", "athlete.disconnected")

        headers = {"Authorization": f"Bearer {token}"}
        async with daemon.sandbox.session.delete(f"{daemon.url}/athletes/{first}", headers=headers) as answer:
            assert answer.status == 202
        _, told = await next_of(receiver, secret, "athlete.disconnected")
        assert told["data"]["athlete_id"] == first
        status, _, complaints = await daemon.command("athletes", "erase", str(second), "--yes")
        assert status == 0, complaints
        _, told = await next_of(receiver, secret, "athlete.disconnected")
        assert told["data"]["athlete_id"] == second

        async def is_empty() -> bool:
            return bool(await daemon.value("SELECT count(*) FROM athletes") == 0)

        await eventually(is_empty)
        assert await daemon.value("SELECT count(*) FROM jobs WHERE kind = 'deliver'") == 0


async def test_the_command_line_keeps_endpoints_and_says_what_is_wrong(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(notifications__allow_private="true")
    async with receiving() as receiver:
        secret = await added(daemon, receiver, "--description", "the club's bot", "--topic", "activity.processed")
        (row,) = json.loads((await daemon.command("notifications", "list", "--json"))[1])
        number = str(row["id"])
        assert (row["origin"], row["description"]) == (receiver.url.removesuffix("/hook"), "the club's bot")

        async def switched(word: str) -> tuple[str, str, list[str]]:
            assert (await daemon.command("notifications", word, number))[0] == 0
            (row,) = json.loads((await daemon.command("notifications", "list", "--json"))[1])
            return row["state"], row["description"], row["topics"]

        assert await switched("disable") == ("disabled", "the club's bot", ["activity.processed"])
        assert await switched("enable") == ("active", "the club's bot", ["activity.processed"])
        _, renewed, _ = await daemon.command("notifications", "rotate", number)
        receiver.statuses = [503]
        status, _, complaints = await daemon.command("notifications", "test", number)
        assert (status, complaints.strip()) == (1, "the ping has not arrived: it answered 503")
        received = await receiver.next()
        assert received.verified(secret) == received.verified(renewed.strip())
        assert (await daemon.command("notifications", "remove", number))[0] == 0
        for word in ("test", "enable", "disable"):
            status, _, complaints = await daemon.command("notifications", word, number)
            assert (status, "notifications list" in complaints) == (1, True)

    address = tmp_path / "address"
    address.write_text("http://example.org/hook", encoding="utf-8")
    status, _, complaints = await daemon.command("notifications", "add", str(address))
    assert (status, "must begin with https://" in complaints) == (2, True)

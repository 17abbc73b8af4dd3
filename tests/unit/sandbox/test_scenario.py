"""A scenario is checked as a whole, played by the clock, and what was done by hand can be played again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from sandbox.deeds import DEEDS
from sandbox.options import parse_options
from sandbox.scenario import BadScenario, read_scenario
from sandbox.server import build
from sandbox.stage import Stage
from sandbox.strava import FakeStrava
from tests.support.forked import ROOT
from tests.support.sandbox import running_sandbox
from tests.support.served_sandbox import Callback, Serve, Served

FIRST = 4294967297


def lines(*steps: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(step) + b"\n" for step in steps)


async def play(served: Served, scenario: bytes, speed: float = 1000.0) -> dict[str, Any]:
    """Play a scenario to its end and return its progress."""
    async with served.client.post(f"/sandbox/scenario?speed={speed}", data=scenario) as answer:
        assert answer.status == 202, await answer.text()
    async with asyncio.timeout(60):
        while (progress := await served.control("GET", "/scenario"))["state"] == "playing":
            await asyncio.sleep(0.01)
    shown: dict[str, Any] = progress
    return shown


async def recorded(served: Served) -> list[dict[str, Any]]:
    async with served.client.get("/sandbox/recording") as answer:
        assert answer.content_type == "application/x-ndjson"
        return [orjson.loads(line) for line in (await answer.read()).splitlines()]


async def test_every_deed_can_stand_in_a_scenario(serve: Serve, callback: Callback) -> None:
    served = await serve("--callback", callback.url)
    scenario = lines(
        {"at": 0, "do": "settings", "overall_limits": [300, 3000]},
        {"at": 1, "do": "make", "as": "ride", "kind": "ride", "duration": 600, "athlete_id": FIRST},
        {"at": 1, "do": "make", "as": "copy", "template": "ride", "event": False},
        {"at": 2, "do": "edit", "activity_id": "ride", "name": "Renamed"},
        {"at": 3, "do": "hide", "activity_id": "ride"},
        {"at": 4, "do": "delete", "activity_id": "ride"},
        {"at": 5, "do": "event", "body": {"object_id": "copy", "forged": True}},
        {"at": 6, "do": "fault", "as": "trouble", "kind": "html"},
        {"at": 7, "do": "clear_faults", "fault_id": "trouble"},
        {"at": 8, "do": "tokens", "athlete_id": FIRST, "expires_in": 30},
        {"at": 9, "do": "foreign_use", "requests": 12},
        {"at": 10, "do": "revoke", "athlete_id": FIRST},
        {"at": 11, "do": "authorize", "athlete_id": FIRST, "scope": "read"},
        {"at": 12, "do": "wellness", "athlete_id": FIRST, "on": "2026-03-01", "values": {"restingHR": 61}},
        {"at": 13, "do": "intervals_key", "athlete_id": FIRST, "renew": True},
        {"at": 14, "do": "intervals_event", "body": {"forged": True}},
    )
    assert {step["do"] for step in map(orjson.loads, scenario.splitlines())} == set(DEEDS)
    progress = await play(served, scenario)
    assert (progress["state"], progress["done"], progress["failures"]) == ("done", 16, [])
    await served.control("GET", "/events?settled=60")
    (copy,) = served.strava.world
    heard = [event.get("aspect_type", "forged") for event in callback.events()]
    assert sorted(heard) == ["create", "delete", "forged", "update", "update", "update"]
    assert next(event for event in callback.events() if "forged" in event)["object_id"] == copy.id
    assert served.grant.scope == "read"
    assert served.strava.quota.headers(served.strava.clock.now())["X-Ratelimit-Usage"] == "12,12"
    assert (await served.get("/athlete"))[2]["X-Ratelimit-Limit"] == "300,3000"


async def test_a_session_that_was_recorded_does_the_same_in_another_world(serve: Serve) -> None:
    original, other = await serve(), await serve("--athletes", "2", "--history-days", "9")
    made = await original.control("POST", "/activities", kind="run", duration=300, start_at=1_750_000_000)
    gone = await original.control("POST", "/activities", kind="manual", **{"as": "gone"})
    await original.control("PATCH", f"/activities/{made['id']}", name="Kept")
    await original.control("DELETE", "/activities/gone")
    copy = await original.control("POST", "/activities", template=str(made["id"]))
    fault = await original.control("POST", "/faults", kind="html", endpoint="zones")
    await original.control("POST", "/faults", kind="error_503", endpoint="athlete", count=1)
    await original.control("DELETE", f"/faults/{fault['id']}")
    await original.control("POST", "/faults", kind="foreign_use", requests=3)
    await original.control("POST", "/events", body={"object_id": gone["id"]})
    await original.control("PATCH", "/settings", lost_event_rate=0.5)
    steps = await recorded(original)
    assert [step["do"] for step in steps] == [
        "make", "make", "edit", "delete", "make", "fault", "fault", "clear_faults", "foreign_use", "event",
        "settings",
    ]  # fmt: skip
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert not [made_id for made_id in (made["id"], gone["id"], copy["id"]) if str(made_id) in str(steps)]

    before = {activity.id for activity in other.strava.world}
    await play(other, lines(*steps))
    first, again = (activity for activity in other.strava.world if activity.id not in before)
    assert first.detail()["name"] == "Kept"
    wanted = original.strava.world.find(made["id"])
    assert wanted is not None
    assert first.streams()["heartrate"] == wanted.streams()["heartrate"] == again.streams()["heartrate"]
    assert [switch.kind for switch in other.strava.switches] == ["error_503"]
    assert other.strava.quirks == original.strava.quirks
    assert [{**step, "at": 0} for step in await recorded(other)] == [{**step, "at": 0} for step in steps]


async def test_what_was_refused_is_not_recorded(serve: Serve) -> None:
    served = await serve()
    for path, body in (("/activities", {"duration": 1}), ("/athletes/7/revoke", {}), ("/scenario", {"at": 0})):
        async with served.client.post(f"/sandbox{path}", json=body) as answer:
            assert answer.status >= 400
    assert await recorded(served) == []


@pytest.mark.parametrize("name", ["nothing", "²", "9" * 5_000, "%20"])
async def test_what_nothing_is_called_is_not_found(serve: Serve, name: str) -> None:
    served = await serve()
    for method, path in (
        ("PATCH", f"/activities/{name}"),
        ("DELETE", f"/faults/{name}"),
        ("POST", f"/tokens/{name}"),
    ):
        async with served.client.request(method, f"/sandbox{path}") as answer:
            assert answer.status == 404
    assert (await served.control("GET", "/counts"))["failures"] == 0


MISTAKES = [
    (b"{", "not JSON"),
    (b"[]", "JSON object"),
    (b'{"do": "make"}', "at is needed"),
    (b'{"at": "soon", "do": "make"}', "at is needed"),
    (b'{"at": true, "do": "make"}', "at is needed"),
    (b'{"at": 4, "do": "make"}', "at must not fall"),
    (b'{"at": 9}', "do is needed"),
    (b'{"at": 9, "do": "dance"}', "do must be one of make, edit"),
    (b'{"at": 9, "do": "make", "lenght": 4}', "unknown: lenght"),
    (b'{"at": 9, "do": "make", "duration": "long"}', "duration must be of type int"),
    (b'{"at": 9, "do": "make", "as": ""}', "as must be a name"),
    (b'{"at": 9, "do": "make", "as": "12"}', "as must be a name"),
    (b'{"at": 9, "do": "make", "athlete_id": 7}', "no athlete 7"),
    (b'{"at": 9, "do": "make", "template": "nowhere.fit"}', "nothing before is called 'nowhere.fit'"),
    (b'{"at": 9, "do": "edit", "activity_id": "later"}', "nothing before is called 'later'"),
    (b'{"at": 9, "do": "delete"}', "activity_id is needed"),
    (b'{"at": 9, "do": "revoke"}', "athlete_id is needed"),
    (b'{"at": 9, "do": "fault", "rate": 2}', "rate must be"),
    (b'{"at": 9, "do": "settings", "clock_offset": "x"}', "clock_offset must be"),
    (b'{"at": 9, "do": "authorize", "athlete_id": 4294967297, "scope": "everything"}', "no scope everything"),
]


@pytest.mark.parametrize(("line", "sentence"), MISTAKES)
async def test_a_mistake_in_any_line_is_told_with_its_number_and_nothing_is_done(
    serve: Serve, line: bytes, sentence: str
) -> None:
    served = await serve()
    good = lines({"at": 5, "do": "make", "kind": "manual", "as": "first"})
    scenario = b"# a comment\n\n" + good + line + b"\n" + lines({"at": 9, "do": "make", "as": "later"})
    async with served.client.post("/sandbox/scenario", data=scenario) as answer:
        assert answer.status == 400
        told = (await answer.json())["error"]
    assert told.startswith("line 4: ")
    assert sentence in told
    assert list(served.strava.world) == []
    assert (await served.control("GET", "/scenario"))["state"] == "none"


async def test_all_mistakes_of_a_scenario_are_told_at_once(serve: Serve) -> None:
    served = await serve()
    with pytest.raises(BadScenario) as caught:
        read_scenario("\n".join(line.decode() for line, _ in MISTAKES), Stage(served.strava, DEEDS))
    told = str(caught.value).splitlines()
    # "at" falls only where something came before it: that line is good here.
    assert len(told) == len(MISTAKES) - 1
    assert [line.split(":")[0] for line in told] == [
        f"line {number}" for number in range(1, len(MISTAKES) + 1) if number != 6
    ]


async def test_a_deed_that_fails_is_told_and_the_rest_is_played(serve: Serve) -> None:
    served = await serve()
    scenario = lines(
        {"at": 0, "do": "make", "kind": "manual", "as": "one"},
        {"at": 0, "do": "delete", "activity_id": "one"},
        {"at": 0, "do": "edit", "activity_id": "one", "name": "too late"},
        {"at": 0, "do": "make", "kind": "manual", "as": "two"},
    )
    progress = await play(served, scenario)
    assert (progress["done"], progress["failed"]) == (3, 1)
    (failure,) = progress["failures"]
    assert (failure["line"], failure["error"]) == (3, "no activity one")


async def test_steps_wait_for_their_time_and_the_speed_scales_it(serve: Serve) -> None:
    served = await serve()
    scenario = lines({"at": 0, "do": "make", "kind": "manual"}, {"at": 600, "do": "make", "kind": "manual"})
    async with served.client.post("/sandbox/scenario?speed=2", data=scenario) as answer:
        assert (await answer.json())["next"] == {"line": 1, "at": 0.0, "do": "make"}
    await asyncio.sleep(0.05)
    progress = await served.control("GET", "/scenario")
    assert (progress["state"], progress["done"], progress["speed"]) == ("playing", 1, 2.0)
    assert progress["next"] == {"line": 2, "at": 600.0, "do": "make"}
    assert 0.05 < progress["at"] < 60
    async with served.client.post("/sandbox/scenario", data=scenario) as answer:
        assert answer.status == 400
        assert "is playing" in (await answer.json())["error"]
    assert (await served.control("DELETE", "/scenario"))["state"] == "stopped"
    assert (await play(served, scenario, speed=100_000))["done"] == 2


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast"])
async def test_a_senseless_speed_is_refused(serve: Serve, speed: str) -> None:
    served = await serve()
    async with served.client.post(f"/sandbox/scenario?speed={speed}", data=b"") as answer:
        assert answer.status == 400


async def test_a_scenario_from_a_file_plays_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    file.write_bytes(lines({"at": 60, "do": "make", "kind": "manual", "name": "From the file"}))
    async with running_sandbox("--scenario", str(file), "--scenario-speed", "10000") as sandbox:
        async with asyncio.timeout(60):
            while (await sandbox.control("GET", "/scenario"))["state"] != "done":
                await asyncio.sleep(0.02)
        bearer = {"Authorization": f"Bearer {(await sandbox.athletes())[0]['access_token']}"}
        async with sandbox.session.get(f"{sandbox.api_url}/athlete/activities", headers=bearer) as answer:
            assert [item["name"] for item in await answer.json()] == ["From the file"]


@pytest.mark.parametrize(
    "flags", [["--scenario", "/no/such/file"], ["--scenario-speed", "0"], ["--scenario-speed", "nan"]]
)
def test_a_scenario_that_cannot_be_played_is_a_senseless_command_line(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_options(flags)
    assert "--scenario" in capsys.readouterr().err


async def test_a_file_that_is_no_text_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"\xff\xfe")
    app = build(FakeStrava(parse_options(["--athletes", "0", "--scenario", str(file)])))
    runner = web.AppRunner(app)
    with pytest.raises(BadScenario, match="utf-8"):
        await runner.setup()
    await runner.cleanup()


def test_a_file_with_mistakes_ends_the_start_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    file.write_text('{"at": 0, "do": "make"}\n{"at": 0, "do": "dance"}\n')
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--history-days", "0", "--scenario", str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "line 2: do must be one of" in ended.stderr
    assert "Traceback" not in ended.stderr

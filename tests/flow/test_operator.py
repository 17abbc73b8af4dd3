"""What the operator meets: settings, commands beside a running daemon and without one, readiness, systemd."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.web.endpoints import Model
from daemon.web.models.backfill import Histories
from daemon.web.models.quota import Quota
from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually
from tests.support.forked import ROOT
from tests.support.ports import free_port
from tests.support.trouble import DEATHS, bury_jobs


async def test_a_typo_in_the_settings_names_key_and_line_and_ends_with_status_2(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False, quota__read_quater_limit="600")
    for command in (("run",), ("config", "check"), ("status",), ("athletes", "list")):
        status, output, complaints = await daemon.command(*command)
        assert status == 2, command
        assert output == ""
        line = daemon.config.read_text().splitlines().index("read_quater_limit = 600") + 1
        assert f"config.toml:{line}: quota.read_quater_limit" in complaints
        assert "read_quarter_limit" in complaints  # what was meant


async def said_by(daemon: Daemon, command: tuple[str, ...]) -> str:
    """Run a command that succeeds; `status` measures health once: again, where a busy machine answered too late."""
    said: list[tuple[int, str, str]] = []

    async def counts() -> bool:
        said.append(await daemon.command(*command))
        return said[-1][0] == 0 or command[0] != "status"

    await eventually(counts)
    status, output, complaints = said[-1]
    assert status == 0, (command, complaints)
    return output


async def test_every_command_works_without_a_daemon_and_beside_one(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=3, started=False)
    commands = (
        ("athletes", "list", "--json"),
        ("activities", "list", "--json"),
        ("status", "--json"),
        ("migrate", "--json"),
        ("config", "check", "--json"),
        ("jobs", "dead", "--json"),
        ("quota", "--json"),
        ("scheduler", "jobs", "--json"),
        ("backfill", "--json"),
        ("keys", "rotate", "--yes", "--json"),
    )
    assert len(await daemon.import_athletes()) == 3
    for command in commands:
        status, output, complaints = await daemon.command(*command)
        assert status == (1 if command[0] == "status" else 0), (command, complaints)  # no daemon: status says so
        json.loads(output)
    await daemon.start()
    same_over_http: dict[str, type[Model]] = {"quota": Quota, "backfill": Histories}
    for command in commands:
        output = await said_by(daemon, command)
        json.loads(output)
        if command[0] in same_over_http:
            same_over_http[command[0]].model_validate_json(output)
    report = json.loads(await said_by(daemon, ("status", "--json")))
    assert report["daemon"]["running"] is True
    assert report["athletes"] == {"active": 3}
    assert {row["meter"] for row in report["quota"]} == {"overall", "read"}


async def test_an_import_with_one_wrong_line_imports_nothing_and_names_the_line(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False)
    file = daemon.directory / "team.jsonl"
    good = {"athlete_id": 1, "refresh_token": "canary-of-an-import", "scope": "read,activity:read_all"}
    file.write_text("\n".join([json.dumps(good), '{"athlete_id": 2}', "{", json.dumps(good | {"ftp": "strong"})]))
    status, _, complaints = await daemon.command("athletes", "import", str(file))
    assert status == 2
    for expected in (
        "team.jsonl:2: refresh_token",
        "team.jsonl:2: scope",
        "team.jsonl:3: not JSON",
        "team.jsonl:4: ftp",
    ):
        assert expected in complaints
    assert "canary" not in complaints
    assert json.loads((await daemon.command("athletes", "list", "--json"))[1]) == []


async def test_dead_jobs_are_retried_by_kind_or_dropped_by_a_command(make_house: MakeHouse) -> None:
    daemon = await make_house()
    *others, last = await bury_jobs(daemon, await daemon.import_athletes())
    status, output, _ = await daemon.command("jobs", "drop", str(last))
    assert (status, output) == (0, f"job {last} (recompute_load) is dropped; it had died of: {DEATHS[-1][1]}\n")
    status, _, complaints = await daemon.command("jobs", "drop", str(last))
    assert (status, "is not dead" in complaints) == (1, True)
    status, output, _ = await daemon.command("jobs", "retry", "--kind", "look_at_activity")
    assert (status, output) == (0, "3 jobs of look_at_activity are queued again\n")
    status, _, complaints = await daemon.command("jobs", "retry", str(others[0]), "--kind", "sync_athlete")
    assert (status, "by its number, or a kind" in complaints) == (2, True)
    assert await daemon.value("SELECT count(*) FROM jobs WHERE state = 'dead' AND kind = 'sync_athlete'") == 1


async def test_health_answers_and_readiness_is_refused_without_durability(make_house: MakeHouse) -> None:
    daemon = await make_house()
    assert await daemon.get("/healthz") == (200, {"status": "alive"})
    bodies: list[Any] = []

    async def is_well() -> bool:  # a beat that the database answered too late is followed by another
        status, body = await daemon.get("/health")
        bodies.append(body)
        return status == 200

    await eventually(is_well)
    body = bodies[-1]
    assert {"database", "durability", "inbox", "queue", "dead_jobs", "quota", "event_loop"} <= {
        check["name"] for check in body["checks"]
    }
    assert all(check["advice"] and check["since"] and check["threshold"] for check in body["checks"])

    async with daemon.look_inside() as connection:
        await connection.execute("ALTER SYSTEM SET full_page_writes = off")
        await connection.execute("SELECT pg_reload_conf()")

    async def is_refused() -> bool:
        status, body = await daemon.get("/readyz")
        return status == 503 and "full_page_writes" in body["reasons"][0]

    await eventually(is_refused)
    assert (await daemon.get("/health"))[0] == 503


async def test_systemd_hears_ready_status_watchdog_and_stopping(make_house: MakeHouse, tmp_path: Path) -> None:
    daemon = await make_house(started=False)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        daemon.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "10000000"}
        await daemon.start()
        heard: list[str] = []
        while not {"READY=1", "WATCHDOG=1"} <= set(heard):
            heard += (await asyncio.to_thread(manager.recv, 4096)).decode().splitlines()
        assert any(line.startswith("STATUS=") for line in heard)
        assert await daemon.stop(signal.SIGINT) == 0  # Ctrl-C
        while "STOPPING=1" not in heard:
            heard += (await asyncio.to_thread(manager.recv, 4096)).decode().splitlines()


async def test_a_second_daemon_on_the_same_port_says_what_is_wrong(make_house: MakeHouse) -> None:
    daemon = await make_house()
    status, _, complaints = await daemon.command("run")
    assert status == 1
    assert "is another daemon running?" in complaints


@pytest.mark.skipif(
    not (ROOT.parent / "shared" / "data" / "rides").is_dir(), reason="the folder of real rides is absent"
)
async def test_the_demo_holds_real_rides_against_their_devices(tmp_path: Path) -> None:
    rides = ROOT.parent / "shared" / "data" / "rides"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daemon", "demo", "--rides", str(rides), "--directory", str(tmp_path),
        "--port", str(free_port()), cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    async with asyncio.timeout(120):
        output = (await process.communicate())[0].decode()
    assert process.returncode == 0
    lines = {
        line.split()[0]: line
        for line in output.splitlines()
        if line and line.split()[0].endswith((".fit", ".json"))
    }
    table = {name: next(row for row in output.splitlines() if row.startswith(name)).split() for name in lines}
    for name, device in (("ride-edge810-vector.fit", 301), ("ride-karoo-2025.fit", 195)):
        normalized = float(table[name][3])
        assert abs(normalized / device - 1) < 0.005, name
    assert abs(float(table["ride-edge810-vector.fit"][7]) / 118.7 - 1) < 0.01
    assert 30 < float(table["run-fr955-stryd.fit"][-2]) < 90
    assert "14 of 1816" in output
    assert "Impossible values of power" in output


async def test_the_demo_ends_cleanly_on_ctrl_c_and_starts_again(tmp_path: Path) -> None:
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "daemon", "demo", "--directory", str(tmp_path), "--port", str(free_port()),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(120):
            while b" load " not in await process.stdout.readline():
                assert process.returncode is None
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            rest = (await process.communicate())[0]
        assert process.returncode == 0
        assert b"0 over the limit" in rest

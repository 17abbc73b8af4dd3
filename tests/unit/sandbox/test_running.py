"""`python -m sandbox` starts fast, says where, survives nonsense and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.options import Limits, parse_options
from tests.support.forked import ROOT
from tests.support.sandbox import Sandbox, running_sandbox


def exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def send_noise(sandbox: Sandbox) -> None:
    """Send bytes that are no HTTP."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    for noise in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(noise)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_a_sandbox_of_ones_own_serves_counts_and_is_gone_afterwards() -> None:
    async with running_sandbox("--seed", "5", athletes=2) as sandbox:
        athletes = await sandbox.athletes()
        assert len(athletes) == 2
        made = await sandbox.make_activity(kind="run", duration=300, athlete_id=athletes[1]["id"])
        bearer = {"Authorization": f"Bearer {athletes[1]['access_token']}"}
        async with sandbox.session.get(f"{sandbox.api_url}/activities/{made}", headers=bearer) as answer:
            assert (answer.status, (await answer.json())["id"]) == (200, made)
        form = {
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "grant_type": "refresh_token",
            "refresh_token": athletes[1]["refresh_token"],
        }
        async with sandbox.session.post(f"{sandbox.oauth_url}/token", data=form) as answer:
            assert answer.status == 200
        await sandbox.fault("error_503", endpoint="activity", count=1)
        async with sandbox.session.get(f"{sandbox.api_url}/activities/{made}", headers=bearer) as answer:
            assert answer.status == 503
        await sandbox.clear_faults()
        assert await sandbox.edit_activity(made, name="Renamed") == {"title": "Renamed"}
        await sandbox.delete_activity(made)
        await sandbox.age_tokens(athletes[0]["id"], expires_in=5)
        await sandbox.revoke(athletes[0]["id"])
        assert (await sandbox.authorize(athletes[0]["id"], scope="read"))["scope"] == "read"
        await sandbox.send_event({"any": "thing"})
        assert {event["outcome"] for event in await sandbox.events(settled=60)} == {"unsubscribed"}
        await sandbox.settings(short_pages=True)
        assert await sandbox.rides() == []
        counts = await sandbox.counts()
        assert counts["endpoints"] == {"activity": 2, "token": 1}
        assert [entry["status"] for entry in await sandbox.requests()] == [200, 200, 503]
        await send_noise(sandbox)
        assert (await sandbox.counts())["failures"] == 0
        process_id = sandbox.process_id
    assert not exists(process_id)


async def test_a_failing_test_takes_its_sandbox_with_it() -> None:
    process_ids: list[int] = []
    with pytest.raises(RuntimeError, match="the test failed"):
        async with running_sandbox() as sandbox:
            process_ids.append(sandbox.process_id)
            raise RuntimeError("the test failed")
    assert not exists(process_ids[0])


async def test_athletes_with_a_history_have_trained_when_it_is_up() -> None:
    async with running_sandbox(athletes=5, history_days=28) as sandbox:
        trained = 0
        for athlete in await sandbox.athletes():  # one of them may be on holiday these weeks, whatever the date
            bearer = {"Authorization": f"Bearer {athlete['access_token']}"}
            async with sandbox.session.get(f"{sandbox.api_url}/athlete/activities", headers=bearer) as answer:
                trained += len(await answer.json())
        assert trained >= 25


def test_it_ends_cleanly_on_a_signal_in_the_middle_of_its_life() -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--athletes", "1", "--every", "0.05"]
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"sandbox listening on http://127.0.0.1:")
            process.send_signal(number)
            rest, errors = process.communicate(timeout=10)
        assert (process.returncode, rest, errors) == (0, b"", b"")


@pytest.mark.parametrize(
    "flags",
    [
        ["--rides", "/no/such/folder"],
        ["--overall-limits", "many"],
        ["--quarter-seconds", "0"],
        ["--quarter-seconds", "10", "--day-seconds", "5"],
    ],
)
def test_a_senseless_command_line_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(flags)
    assert "error:" in capsys.readouterr().err


def test_flags_arrive_in_the_options(tmp_path: Path) -> None:
    options = parse_options(["--read-limits", "100,1000", "--rides", str(tmp_path), "--every", "2.5"])
    assert (options.read_limits, options.rides, options.every) == (Limits(100, 1000), tmp_path, 2.5)
    assert options.overall_limits == Limits(600, 30_000)

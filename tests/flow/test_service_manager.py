"""The daemon under a service manager: sockets that outlive it, readiness, the watchdog, settings read again."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import socket
import sys
from pathlib import Path

import aiohttp

from tests.flow.conftest import MakeHouse
from tests.support.daemon import SUBSCRIPTION_ID, eventually
from tests.support.embedded import kill_server
from tests.support.forked import ROOT
from tests.support.manager import Manager, managing
from tests.support.ports import free_port

SENDERS = 8
STRANGER = 404_404


def event_of_a_stranger(number: int) -> bytes:
    return json.dumps(
        {
            "object_type": "activity",
            "object_id": number,
            "aspect_type": "create",
            "owner_id": STRANGER,
            "subscription_id": SUBSCRIPTION_ID,
            "event_time": 1_700_000_000,
            "updates": {},
        }
    ).encode()


class Senders:
    """Send events without a pause, each over a connection of its own, as a proxy does by default; on 503 again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        self._enough = asyncio.Event()
        self.answers: list[int] = []
        self.failures: list[str] = []
        self.longest_seconds = 0.0

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=60)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(SENDERS):
                group.create_task(self._send(session))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        clock = asyncio.get_running_loop().time
        while not self._enough.is_set():
            event = event_of_a_stranger(next(self._numbers))
            status = 503
            while status == 503:
                began = clock()
                try:
                    async with session.post(self._url, data=event) as response:
                        status = response.status
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    self.failures.append(f"{type(error).__name__}: {error}")
                    break
                finally:
                    self.longest_seconds = max(self.longest_seconds, clock() - began)
            else:
                self.answers.append(status)

    async def have_sent(self, more: int) -> None:
        """Wait until so many more were answered."""
        goal = len(self.answers) + more

        async def sent() -> bool:
            return len(self.answers) + len(self.failures) >= goal

        await eventually(sent)

    def stop(self) -> None:
        self._enough.set()


async def test_no_event_is_refused_or_lost_while_the_daemon_is_restarted_under_load(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(started=False)
    clock = asyncio.get_running_loop().time
    stops: list[float] = []
    async with managing(daemon, tmp_path, ("127.0.0.1", daemon.port)) as manager:
        senders = Senders(daemon.webhook_url)
        await manager.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(senders.run())
            await senders.have_sent(50)
            for _ in range(2):
                began = clock()
                assert await manager.stop() == 0
                stops.append(clock() - began)
                await manager.start()
                await senders.have_sent(50)
            senders.stop()
        stored = await daemon.value("SELECT count(*) FROM events")
    sent, failed = len(senders.answers), len(senders.failures)
    print(
        f"\n{sent} events over 2 restarts: {failed} refused, {sent - stored} lost,"
        f" the longest waited {senders.longest_seconds:.2f} s; stops took {', '.join(f'{s:.2f} s' for s in stops)}"
    )
    assert senders.failures == []
    assert set(senders.answers) == {200}
    assert daemon.log_lines("webhook.refused") == []  # 503 was at most for a machine that was busy for too long
    assert stored == sent


async def test_sockets_that_are_passed_win_over_the_settings_address(make_house: MakeHouse, tmp_path: Path) -> None:
    daemon = await make_house(started=False)
    held = [("127.0.0.1", free_port()), ("::1", free_port())]
    async with managing(daemon, tmp_path, *held) as manager:
        await manager.start()
        session = daemon.sandbox.session
        for host in (f"127.0.0.1:{held[0][1]}", f"[::1]:{held[1][1]}"):
            async with session.get(f"http://{host}/healthz") as response:
                assert response.status == 200
        assert (await daemon.get("/healthz"))[0] == 0
    (line,) = daemon.log_lines("sockets.inherited")
    assert line["addresses"] == [f"http://127.0.0.1:{held[0][1]}", f"http://[::1]:{held[1][1]}"]
    assert line["instead_of"] == f"127.0.0.1:{daemon.port}"


async def test_what_is_passed_and_does_not_listen_is_refused_with_advice(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(started=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.activated", str(deaf.fileno()), "run",
            "--config", str(daemon.config), stderr=asyncio.subprocess.PIPE, cwd=ROOT, pass_fds=[deaf.fileno()],
        )  # fmt: skip
        _, complaint = await process.communicate()
    assert process.returncode == 1
    assert "domestique.socket needs ListenStream=" in complaint.decode()
    assert "Traceback" not in complaint.decode()


async def test_the_manager_hears_when_the_daemon_is_ready_how_it_does_and_that_it_stops(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(started=False)
    async with managing(daemon, tmp_path) as manager:
        await manager.start({"WATCHDOG_USEC": "3000000"})
        await manager.hears(lambda: manager.count("WATCHDOG=1") >= 3)
        assert await daemon.post_event(event_of_a_stranger(1)) == 200
        await manager.hears(lambda: "events/min" in manager.status())
        assert "jobs due" in manager.status()
        assert "of 600 this quarter" in manager.status()
        assert manager.count("STOPPING=1") == 0

        assert await manager.stop() == 0
        manager.listen()
        assert manager.count("STOPPING=1") == 1


async def test_a_database_that_is_restarted_starves_no_watchdog(make_house: MakeHouse, tmp_path: Path) -> None:
    daemon = await make_house(started=False)
    async with managing(daemon, tmp_path) as manager:
        await manager.start({"WATCHDOG_USEC": "3000000"})
        await manager.hears(lambda: manager.count("WATCHDOG=1") >= 1)
        assert kill_server(daemon.directory)

        fed = manager.count("WATCHDOG=1")
        await manager.hears(lambda: manager.count("WATCHDOG=1") >= fed + 5)

        async def is_ready() -> bool:
            return (await daemon.get("/readyz"))[0] == 200

        await eventually(is_ready)
    assert daemon.log_lines("watchdog.starved") == []


async def test_settings_read_again_apply_what_may_change_and_name_what_needs_a_restart(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(athletes=1, started=False)
    (athlete_id,) = await daemon.import_athletes()
    async with managing(daemon, tmp_path) as manager:
        await manager.start()
        text = daemon.config.read_text()
        daemon.config.write_text(
            text.replace("[web]", "[web]\nhost = '127.0.0.2'")
            + "\n[logs]\nlevel = 'debug'\n\n[webhook]\nowner_looks_per_hour = 1\n\n[retention]\nstreams_days = 30\n"
        )
        await reloaded(manager)

        (line,) = daemon.log_lines("settings.reloaded")
        assert set(line["applied"]) == {
            "webhook.owner_looks_per_hour: 60 → 1", "logs.level: info → debug", "retention.streams_days: 7 → 30",
        }  # fmt: skip
        assert line["needs_restart"] == ["web.host"]
        async with daemon.sandbox.session.get(f"{daemon.url}/") as first_page:
            assert "Recordings are kept for 30 days." in await first_page.text()
        first = next(number for number, said in enumerate(manager.heard) if said == "RELOADING=1")
        assert manager.heard[first + 1].removeprefix("MONOTONIC_USEC=").isdecimal()
        for activity_id in (1, 2, 3):  # two of them within one hour, whenever it ends
            event = json.loads(event_of_a_stranger(activity_id)) | {"owner_id": athlete_id}
            assert await daemon.post_event(json.dumps(event).encode()) == 200

        async def is_over_budget() -> bool:
            return bool(daemon.log_lines("webhook.budget_exceeded"))

        await eventually(is_over_budget)

        # A slip in the file changes nothing, and says where it is.
        daemon.config.write_text(daemon.config.read_text().replace("owner_looks_per_hour = 1", "owner_looks = 9"))
        await reloaded(manager)

        (refused,) = daemon.log_lines("settings.refused")
        number = daemon.config.read_text().splitlines().index("owner_looks = 9") + 1
        (problem,) = refused["problems"]
        assert problem.startswith(f"{daemon.config}:{number}: webhook.owner_looks is unknown")
        assert (await daemon.get("/readyz"))[0] == 200


async def reloaded(manager: Manager) -> None:
    """Have the settings read again, and wait for the end of that."""
    ready = manager.count("READY=1")
    assert manager.process is not None
    manager.process.send_signal(signal.SIGHUP)
    await manager.hears(lambda: manager.count("READY=1") > ready)

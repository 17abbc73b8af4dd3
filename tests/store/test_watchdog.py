"""The watchdog on a real database: fed through a restart of the server, starved by a pool that only we can mend."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.clock import SystemClock
from daemon.core import liveliness
from daemon.core.quota import Lengths
from daemon.loops import pulse as pulse_loop
from daemon.loops import watchdog as watchdog_loop
from daemon.loops.pulse import Pulse
from daemon.loops.staleness import FleetStaleness
from daemon.loops.supervisor import Supervisor
from daemon.loops.watchdog import Watchdog
from daemon.store.database import Database
from tests.support.daemon import eventually
from tests.support.relay import relayed

CLIENT_ID = 12345
POOL_SIZE = 2
Heard = Callable[[], list[str]]


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """What the manager was told since the last time; it waits a third of a second for the watchdog."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setattr(pulse_loop, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(watchdog_loop, "ANSWER_SECONDS", 5.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(str(tmp_path / "notify"))

        def said() -> list[str]:
            lines: list[str] = []
            while True:
                try:
                    lines += bound.recv(65_536).decode().splitlines()
                except BlockingIOError:
                    return lines

        yield said


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator[Supervisor]:
    """A pulse and a watchdog at work on this database."""
    clock, lengths = SystemClock(), Lengths(900, 86400)
    fleet = FleetStaleness(database, CLIENT_ID, clock)
    async with Supervisor() as supervisor:
        pulse = Pulse(database, CLIENT_ID, lengths, lambda: None, fleet, clock)
        await pulse.beat()
        supervisor.start("pulse", pulse.run())
        supervisor.start("watchdog", Watchdog(pulse, supervisor, database, clock).run())
        yield supervisor


def says(heard: Heard, line: str) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return any(line in told for told in heard())

    return said


async def test_a_daemon_that_is_well_is_fed_and_tells_what_goes_on(database: Database, heard: Heard) -> None:
    async with watched(database):
        await eventually(says(heard, "STATUS=failing: durability"))
        await eventually(says(heard, "WATCHDOG=1"))
        await eventually(says(heard, "WATCHDOG=1"))


async def test_a_server_that_is_away_starves_nobody_until_patience_ends(
    arguments: dict[str, Any], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        relayed(arguments) as relay,
        Database(relay.arguments, POOL_SIZE) as database,
        watched(database),
    ):
        await relay.cut()
        await eventually(says(heard, "STATUS=failing: database"))
        await eventually(says(heard, "WATCHDOG=1"))
        with capture_logs() as logs:
            monkeypatch.setattr(liveliness, "SILENT_SERVER_SECONDS", 0.0)
            await eventually(says(heard, "STATUS=about to be restarted: the database has not answered for"))
            assert "WATCHDOG=1" not in heard()

            await relay.mend()
            monkeypatch.setattr(liveliness, "SILENT_SERVER_SECONDS", 300.0)
            await eventually(lambda: told(logs, "watchdog.fed_again"))
    assert [line["event"] for line in logs if line["event"].startswith("watchdog.")] == [
        "watchdog.starved",
        "watchdog.fed_again",
    ]


async def told(logs: list[Any], event: str) -> bool:
    return any(line["event"] == event for line in logs)


async def test_a_pool_that_gets_nothing_from_a_server_that_answers_others_starves(
    arguments: dict[str, Any], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveliness, "IGNORED_POOL_SECONDS", 0.05)
    async with Database(arguments, POOL_SIZE) as database, watched(database):
        await eventually(says(heard, "WATCHDOG=1"))
        async with AsyncExitStack() as held:
            for _ in range(POOL_SIZE):
                await held.enter_async_context(database.connection())
            await eventually(says(heard, "about to be restarted: the database answers, but for"))
        await eventually(says(heard, "WATCHDOG=1"))


async def test_a_lost_root_task_starves(database: Database, heard: Heard) -> None:
    async def ends() -> None:
        return

    async with watched(database) as supervisor:
        await eventually(says(heard, "WATCHDOG=1"))
        supervisor.start("short", ends())
        await eventually(says(heard, "STATUS=about to be restarted: a root task has ended"))
        assert "WATCHDOG=1" not in heard()

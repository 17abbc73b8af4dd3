"""A sandbox and a daemon over real sockets, for each test anew."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from daemon.core.schedule import TIMERS, WAITED_OUT, next_due
from daemon.store import timers
from daemon.store.database import Connection
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate
from daemon.store.timers import Next
from tests.support.daemon import Daemon, callback_url, intervals_flags
from tests.support.embedded import connected
from tests.support.ports import free_port
from tests.support.sandbox import running_sandbox

AHEAD: Final = WAITED_OUT - timedelta(hours=1)  # a daemon plans anew what it would have to wait longer for

MakeHouse = Callable[..., Awaitable[Daemon]]


@pytest_asyncio.fixture(scope="session")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A server's directory as a daemon's first start leaves it: every test needs one, and making it takes long."""
    directory = tmp_path_factory.mktemp("prepared")
    async with EmbeddedServer(directory) as server, connected(server) as connection:
        await migrate(connection)
        await no_timer_is_due(connection)
    yield directory
    shutil.rmtree(directory)


async def no_timer_is_due(connection: Connection) -> None:
    """Plan every timer hours ahead: no test that counts calls shall meet one that happens to be due."""
    later = datetime.now(UTC) + AHEAD
    due_ats = {timer.job: next_due(timer.timing, UTC, later) for timer in TIMERS.values()}
    await timers.plant(connection, {job: Next(due_at, due_at) for job, due_at in due_ats.items()})


@pytest_asyncio.fixture
async def make_house(tmp_path: Path, prepared: Path) -> AsyncIterator[MakeHouse]:
    """Start a sandbox with flags and write a daemon's settings for it; `started` unless told otherwise."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    async with AsyncExitStack() as stack:

        async def make(*flags: str, athletes: int = 1, started: bool = True, **overrides: Any) -> Daemon:
            port = free_port()
            sandbox = await stack.enter_async_context(
                running_sandbox(
                    "--callback",
                    callback_url(port),
                    "--retry-seconds",
                    "0.5",
                    *intervals_flags(port),
                    *flags,
                    athletes=athletes,
                )
            )
            daemon = Daemon(tmp_path, sandbox, port, **overrides)

            async def end() -> None:
                if daemon.process is not None:
                    if daemon.process.returncode is None:
                        await daemon.news_are_as_described()
                    await daemon.stop(signal.SIGTERM)

            stack.push_async_callback(end)
            if started:
                await daemon.start()
            return daemon

        yield make

"""A start that finds much undone is ready before it has queued it."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from daemon.store.embedded import EmbeddedServer
from tests.support.daemon import Daemon, callback_url, eventually
from tests.support.embedded import connected
from tests.support.ports import free_port
from tests.support.relay import relayed
from tests.support.sandbox import running_sandbox
from tests.support.schedule import connect_athletes


async def test_a_daemon_is_ready_while_what_it_found_undone_still_waits_for_the_database(
    tmp_path: Path, prepared: Path
) -> None:
    shutil.copytree(prepared, tmp_path / "server")
    port = free_port()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(tmp_path / "server"))
        line = await stack.enter_async_context(relayed(server.connect_arguments()))
        how = line.arguments
        address = f"postgresql://{how['user']}:{how['password']}@{how['host']}:{how['port']}/{how['database']}"
        sandbox = await stack.enter_async_context(running_sandbox("--callback", callback_url(port), athletes=1))
        directory = tmp_path / "daemon"
        directory.mkdir()
        daemon = Daemon(directory, sandbox, port, database__url=f'"{address}"', backfill__days="30")
        daemon.server = how
        looker = await stack.enter_async_context(connected(server))
        await connect_athletes(looker, [1])
        holder = await stack.enter_async_context(connected(server))

        stack.push_async_callback(daemon.stop)
        async with holder.transaction():
            await holder.execute("LOCK TABLE backfills IN SHARE MODE")  # reading is free, beginning one is not
            await daemon.start()
            assert daemon.log_lines("daemon.started")
            assert await looker.fetchval("SELECT count(*) FROM backfills") == 0

        async def is_queued() -> bool:
            return bool(daemon.log_lines("arrears.queued"))

        await eventually(is_queued)
        assert await looker.fetchval("SELECT count(*) FROM backfills") == 1

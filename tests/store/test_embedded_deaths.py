"""The embedded PostgreSQL: what survives whose death."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from daemon.core.errors import Permanent
from daemon.store import embedded
from daemon.store.embedded import EmbeddedServer
from daemon.store.processes import named_in
from tests.support.embedded import (
    add_ride,
    changed,
    connected,
    holder,
    kill_server,
    postgres_processes,
    postmaster,
    rides,
    until,
    until_restarted,
    watched,
)


async def test_a_killed_owner_takes_the_server_along_and_the_next_one_finds_what_was_committed(
    directory: Path,
) -> None:
    async with holder(directory) as held:
        assert await held.said() == {"owner": True}
        async with connected(EmbeddedServer(directory)) as connection:
            name = await add_ride(connection)
            await held.kill()
            await until(lambda: postgres_processes(directory) == [])

    async with EmbeddedServer(directory) as server:
        assert name in await rides(server)


async def test_a_new_owner_waits_for_the_killed_owners_server_to_finish(directory: Path) -> None:
    async with holder(directory) as held:
        await held.said()
        old = postmaster(directory)
        os.kill(old, signal.SIGSTOP)  # a shutdown that takes its time
        await held.kill()

        starting = asyncio.create_task(EmbeddedServer(directory).__aenter__())
        await asyncio.sleep(0.3)
        assert not starting.done()
        assert postmaster(directory) == old
        os.kill(old, signal.SIGCONT)

        server = await starting
        assert "first" in await rides(server)
        await server.__aexit__()


async def test_an_old_server_that_does_not_stop_is_killed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (polite, _), (firm, _), (kill, _) = embedded._STOPS
    async with holder(directory) as held:
        await held.said()
        old = postmaster(directory)
        os.kill(old, signal.SIGSTOP)
        await held.kill()

        server = EmbeddedServer(directory)
        with monkeypatch.context() as hasty:  # in asking alone: what is killed may take long to vanish
            hasty.setattr(embedded, "_STOPS", ((polite, 0.1), (firm, 0.1), (kill, 20.0)))
            await server.__aenter__()
        try:
            assert "first" in await rides(server)
            assert postmaster(directory) != old
        finally:
            await server.__aexit__()


async def test_a_killed_postmaster_is_replaced(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching, connected(server) as connection:
        name = await add_ride(connection)
        # A backend that computes does not notice that its postmaster is gone, and keeps the shared memory.
        busy = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 10000000000)"))
        await asyncio.sleep(0.1)
        old = postmaster(directory)
        os.kill(old, signal.SIGKILL)

        assert name in await until_restarted(directory, server, old)
        assert not watching.done()
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await busy


async def test_when_every_process_of_postgresql_is_killed_it_recovers(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        async with connected(server) as connection:
            name = await add_ride(connection)
            old = postmaster(directory)
            assert kill_server(directory)

        assert name in await until_restarted(directory, server, old)
        assert not watching.done()


async def test_a_server_that_is_killed_again_while_it_starts_is_still_replaced(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        for _ in range(3):
            await until(lambda: kill_server(directory))

        old = named_in(directory / "postgresql" / "data" / "postmaster.pid")
        assert "first" in await until_restarted(directory, server, old)
        assert not watching.done()


async def test_a_server_killed_the_moment_it_answers_is_still_replaced(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        for _ in range(3):
            old = postmaster(directory)
            os.kill(old, signal.SIGKILL)
            assert "first" in await until_restarted(directory, server, old)

        assert not watching.done()


async def test_a_server_that_ends_again_and_again_is_given_up_with_its_log(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_RESTARTS", 2)
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        with changed(directory / "postgresql" / "data" / "postgresql.conf", b"max_connections = none\n"):
            os.kill(postmaster(directory), signal.SIGKILL)

            with pytest.raises(Permanent, match="ended 3 times within 60 s") as caught:
                await asyncio.wait_for(watching, 60)

    assert 'invalid value for parameter "max_connections"' in str(caught.value)


async def test_an_owner_killed_while_it_makes_the_data_directory_leaves_nothing_half(new_directory: Path) -> None:
    async with holder(new_directory) as held:
        await until(lambda: any(new_directory.glob("postgresql.unfinished-*/data/global")))
        await held.kill()
    assert not (new_directory / "postgresql").exists()

    async with EmbeddedServer(new_directory) as server, connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert sorted(path.name for path in new_directory.iterdir()) == ["postgresql", "postgresql.lock"]


async def test_a_stranger_with_the_old_servers_number_does_not_keep_us_from_starting(directory: Path) -> None:
    # As after a reboot, or in a container that was started again.
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        data = directory / "postgresql" / "data"
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n0\n5432\n/\n\n\nready\n")
        (directory / "postgresql" / "socket" / ".s.PGSQL.5432.lock").write_text(
            f"{stranger.pid}\n{data}\n0\n5432\n/\n"
        )

        async with EmbeddedServer(directory) as server:
            assert "first" in await rides(server)
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_an_interrupted_start_leaves_no_process_and_no_lock(directory: Path) -> None:
    entering = asyncio.create_task(EmbeddedServer(directory).__aenter__())
    await until(lambda: bool(postgres_processes(directory)))
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert postgres_processes(directory) == []
    async with EmbeddedServer(directory) as server:
        assert server.owner

"""Words for tests of the embedded server: who runs, what it holds, another process that holds it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg

from daemon.store import embedded
from daemon.store.embedded import EmbeddedServer
from daemon.store.processes import living_in

PROJECT = Path(__file__).resolve().parents[2]
UNREADY: Final = embedded._UNREADY  # what a server raises that was just killed, or is not up yet


@asynccontextmanager
async def connected(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(**server.connect_arguments())
    try:
        yield connection
    finally:
        # Not close(): it waits for an answer, which a killed server does not give.
        connection.terminate()


async def rides(server: EmbeddedServer) -> set[str]:
    async with connected(server) as connection:
        return {row["name"] for row in await connection.fetch("SELECT name FROM rides")}


async def add_ride(connection: asyncpg.Connection) -> str:
    name = secrets.token_hex(4)
    await connection.execute("INSERT INTO rides VALUES ($1)", name)
    return name


def postgres_processes(directory: Path) -> list[int]:
    return living_in(directory / "postgresql" / "data", "postgres")


def kill_server(directory: Path) -> bool:
    """Kill every process of the server; some end by themselves meanwhile. Returns whether there was one."""
    found = postgres_processes(directory)
    for process_id in found:
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    return bool(found)


def postmaster(directory: Path) -> int:
    return int((directory / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def until_restarted(directory: Path, server: EmbeddedServer, old: int) -> set[str]:
    """Wait for a new postmaster that answers."""
    async with asyncio.timeout(60):
        while True:
            try:
                names = await rides(server)
                if postmaster(directory) != old:
                    return names
            except (OSError, ValueError, IndexError, *UNREADY):
                pass
            await asyncio.sleep(0.02)


class Holder:
    """Another process that holds a server, and what it said first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self) -> dict[str, object]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    async def end(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        await self.process.wait()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def holder(directory: Path, *options: str) -> AsyncIterator[Holder]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.embedded_owner", str(directory), *options,
        cwd=PROJECT, stdin=pipe, stdout=pipe,
    )  # fmt: skip
    held = Holder(process)
    try:
        yield held
    finally:
        await held.end()


@asynccontextmanager
async def watched(server: EmbeddedServer) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(server.watch())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def changed(file: Path, content: bytes) -> Iterator[None]:
    """Let a file hold something else for a while."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)

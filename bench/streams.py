"""What open live pages cost: a thousand streams, idle and told something, in CPU time and memory of the server.

python -m bench.streams
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from daemon import logs
from daemon.clock import SystemClock
from daemon.core.news import Topic
from daemon.loops.news import MOST_PER_ATHLETE, Feed
from daemon.store import athletes, outbox, web_sessions
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate
from daemon.store.web_sessions import Owner
from daemon.web.admin import Guard
from daemon.web.doors import Doors
from daemon.web.live import LivePages
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions

STREAMS = 1_000
ATHLETES = -(-STREAMS // MOST_PER_ATHLETE)
IDLE_SECONDS = 60.0
NEWS = 2_000


def cookie(athlete_id: int) -> str:
    return f"key-of-{athlete_id}"


async def serve(arguments: dict[str, object], pipe: Pipe) -> None:
    """Serve live pages until the pipe is closed."""
    clock = SystemClock()
    async with Database(arguments, pool_size=4) as database:
        feed, sessions = Feed(database), Sessions(database, clock)
        guard = Guard(database, clock, sessions)
        app = application(Doors(guard, sessions).routes(LivePages(feed, sessions, guard, clock).endpoints()))
        app.on_shutdown.append(feed.end)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(feed.run())
            async with serving(app, "127.0.0.1", 0) as address:
                pipe.send(address)
                await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)
            reading.cancel()


def server(arguments: dict[str, object], pipe: Pipe) -> None:
    logs.configure("warning", "json")
    uvloop.run(serve(arguments, pipe))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return (
        int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    )


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open every stream and read its first event."""
    parts = urlsplit(address)
    async with AsyncExitStack() as stack:
        readers = []
        for number in range(STREAMS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            stack.callback(writer.close)
            name = f"domestique-athlete={cookie(1 + number % ATHLETES)}"
            writer.write(f"GET /me/live HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {name}\r\n\r\n".encode())
            head = await reader.readuntil(b"event: ready")
            assert head.startswith(b"HTTP/1.1 200"), head
            readers.append(reader)
        yield readers


async def heard(reader: asyncio.StreamReader, count: int) -> None:
    for _ in range(count):
        await reader.readuntil(b"event: loads.recomputed")


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with EmbeddedServer(Path(directory)) as postgres:
            arguments = dict(postgres.connect_arguments())
            async with Database(arguments, pool_size=2) as database, database.connection() as connection:
                await migrate(connection)
                now = SystemClock().now()
                for athlete_id in range(1, ATHLETES + 1):
                    await athletes.upsert(connection, athlete_id, name=None, sex=None, scope=["read"])
                    key = hashlib.sha256(cookie(athlete_id).encode()).digest()
                    owner = Owner(athlete_id, None)
                    await web_sessions.open_session(connection, key, owner, now, now + timedelta(days=1))
                context = get_context("spawn")
                ours, theirs = context.Pipe()
                process = context.Process(target=server, args=(arguments, theirs), daemon=True)
                process.start()
                address = await asyncio.to_thread(ours.recv)
                assert process.pid is not None
                await measure(process.pid, address, database)
                ours.send("end")
                await asyncio.to_thread(process.join, 30)


async def measure(pid: int, address: str, database: Database) -> None:
    before_mb = resident_mb(pid)
    async with opened(address) as readers:
        each_kb = (resident_mb(pid) - before_mb) * 1024 / STREAMS
        print(f"{STREAMS} streams: {each_kb:.1f} kB each ({before_mb:.0f} MB without)")
        began = cpu_seconds(pid)
        await asyncio.sleep(IDLE_SECONDS)
        percent = 100 * (cpu_seconds(pid) - began) / IDLE_SECONDS
        print(f"idle: {percent:.2f} % of a core, with a ping every 15 s and a look at each session every 30 s")
        began = cpu_seconds(pid)
        per_athlete = NEWS // ATHLETES
        for _ in range(per_athlete):
            async with database.transaction() as connection:
                for athlete_id in range(1, ATHLETES + 1):
                    await outbox.write(connection, Topic.LOADS_RECOMPUTED, athlete_id, {"changed": 1})
            async with asyncio.TaskGroup() as tasks:
                for reader in readers:
                    tasks.create_task(heard(reader, 1))
        told = per_athlete * STREAMS
        print(f"told: {1e6 * (cpu_seconds(pid) - began) / told:.0f} µs of CPU for each event on each stream")


if __name__ == "__main__":
    logs.configure("warning", "json")
    uvloop.run(main())

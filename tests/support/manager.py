"""A service manager for a test: holds its sockets, hears what it says, starts and stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.daemon import Daemon, eventually
from tests.support.forked import ROOT

PATIENCE_SECONDS = 90.0


class Manager:
    """Runs one daemon on its settings; `heard` are its assignments in order."""

    def __init__(self, daemon: Daemon, notify: socket.socket, sockets: list[socket.socket]) -> None:
        self.heard: list[str] = []
        self.process: asyncio.subprocess.Process | None = None
        self._daemon = daemon
        self._notify = notify
        self._sockets = sockets

    def listen(self) -> None:
        """Take what has come on the notify socket."""
        while True:
            try:
                self.heard += self._notify.recv(65_536).decode().splitlines()
            except BlockingIOError:
                return

    async def start(self, more: Mapping[str, str] | None = None) -> None:
        """Start the daemon and wait until it says that it is ready."""
        before = self.count("READY=1")
        descriptors = [held.fileno() for held in self._sockets]
        arguments = ["-m", "daemon", "run", "--config", str(self._daemon.config)]
        if descriptors:
            arguments = ["-m", "tests.support.activated", ",".join(map(str, descriptors)), *arguments[2:]]
        environment = {**os.environ, "NOTIFY_SOCKET": str(self._notify.getsockname()), **(more or {})}
        with self._daemon.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stderr=log, cwd=ROOT, env=environment, pass_fds=descriptors
            )
        await self.hears(lambda: self.count("READY=1") > before)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    def count(self, assignment: str) -> int:
        """Return how often this was said."""
        return self.heard.count(assignment)

    def status(self) -> str:
        """Return the newest STATUS."""
        return next(
            (line.removeprefix("STATUS=") for line in reversed(self.heard) if line.startswith("STATUS=")), ""
        )

    async def hears(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds of what was heard, while the daemon lives."""

        async def heard() -> bool:
            self.listen()
            ended = self.process is not None and self.process.returncode is not None
            assert not ended or holds(), f"the daemon ended: {self._daemon.log.read_text()[-2000:]}"
            return holds()

        await eventually(heard, PATIENCE_SECONDS)


@asynccontextmanager
async def managing(daemon: Daemon, directory: Path, *addresses: tuple[str, int]) -> AsyncIterator[Manager]:
    """Hold a socket for each address, and a notify socket in the directory; the daemon is ended at the end."""
    sockets = [_listening(host, port) for host, port in addresses]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notify:
        notify.bind(str(directory / "notify"))
        manager = Manager(daemon, notify, sockets)
        try:
            yield manager
        finally:
            if manager.process is not None:
                await manager.stop()
            for held in sockets:
                held.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    held.bind((host, port))
    held.listen(4096)
    return held

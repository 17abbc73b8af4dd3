"""A line to PostgreSQL that can be cut and mended: what a restart or a broken network is to a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.support.ports import free_port


class Relay:
    """Passes bytes between a port of loopback and the server's socket."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._path = f"{arguments['host']}/.s.PGSQL.{arguments['port']}"
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def arguments(self) -> dict[str, Any]:
        """Give what reaches the same database by this line."""
        return {**self._arguments, "host": "127.0.0.1", "port": self._port}

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.001)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, far_writer))
                group.create_task(self._copy(far_reader, writer))
        finally:
            self._writers -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        except OSError:  # cut
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def relayed(arguments: Mapping[str, Any]) -> AsyncIterator[Relay]:
    """Lay a line to the database that the arguments name."""
    relay = Relay(arguments)
    await relay.mend()
    try:
        yield relay
    finally:
        await relay.cut()

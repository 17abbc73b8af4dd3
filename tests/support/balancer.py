"""What stands before several daemons: passes each connection to the next one that takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Balancer:
    """Passes connections on, in turn; one that cannot be reached is passed over."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._turn = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._reach()
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            writer.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._ports:
            self._turn += 1
            try:
                return await asyncio.open_connection("127.0.0.1", self._ports[self._turn % len(self._ports)])
            except OSError:
                continue
        raise ConnectionError("nobody takes it")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    except OSError:  # whoever was killed
        pass
    finally:
        writer.close()


@asynccontextmanager
async def balanced(port: int, ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """Listen on a port of loopback and pass on to others."""
    balancer = Balancer(ports)
    async with await asyncio.start_server(balancer.serve, "127.0.0.1", port):
        yield balancer

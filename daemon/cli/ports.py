"""Find a port to listen on."""

from __future__ import annotations

import asyncio


async def free_port(wished: int) -> int:
    """Return `wished` if it is free on the loopback interface, 0 if not; a `wished` of 0 finds any free one."""
    try:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", wished)
    except OSError:
        return 0
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port

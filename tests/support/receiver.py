"""Somebody's server that is sent webhooks: answers as told, and verifies what comes with the official package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """Return the payload; raises where the signature, or its age, is wrong."""
        payload: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return payload


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered: `statuses` of the next answers, then 204."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)  # of every answer
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # closed: answers wait
    elsewhere: int = 0  # requests to where a redirect would lead

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        one = Received(headers, await request.read())
        self.received.append(one)
        self.arrived.put_nowait(one)
        await self.gate.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204, headers=self.headers)

    async def take_elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    async def next(self, seconds: float = 60) -> Received:
        """Return what comes next."""
        async with asyncio.timeout(seconds):
            return await self.arrived.get()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Serve on a free port of loopback."""
    receiver = Receiver()
    receiver.gate.set()
    app = web.Application()
    app.add_routes([web.post("/hook", receiver.take), web.route("*", "/elsewhere", receiver.take_elsewhere)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        receiver.headers["Location"] = receiver.url.replace("/hook", "/elsewhere")
        yield receiver
    finally:
        receiver.gate.set()
        await runner.cleanup()

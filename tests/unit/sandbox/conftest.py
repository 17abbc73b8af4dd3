"""Fixtures of the sandbox's own tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.options import parse_options
from sandbox.server import build
from sandbox.strava import FakeStrava
from tests.support.served_sandbox import Callback, Serve, Served


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(*flags: str) -> Served:
            # A quarter as long as a day: no test meets a boundary by accident. A busy machine may answer late.
            plain = ("--athletes", "1", "--history-days", "0", "--quarter-seconds", "86400")
            options = parse_options([*plain, "--answer-seconds", "30", *flags])
            strava = FakeStrava(options)
            strava.populate()
            client = await stack.enter_async_context(TestClient(TestServer(build(strava))))
            return Served(strava, client)

        yield start


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    heard = Callback()
    heard.gate.set()
    app = web.Application()
    app.router.add_post("/hook", heard.receive)
    app.router.add_get("/hook", heard.shake)
    async with TestServer(app) as server:
        heard.url = str(server.make_url("/hook"))
        yield heard
        heard.gate.set()

"""A sandbox inside the test's own process, and a callback that hears its events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestClient

from sandbox.strava import FakeStrava
from sandbox.tokens import Grant

Client = TestClient[web.Request, web.Application]


@dataclass(slots=True)
class Served:
    """A sandbox that answers, its parts open to the test."""

    strava: FakeStrava
    client: Client

    @property
    def athlete_id(self) -> int:
        return next(iter(self.strava.world.athletes))

    @property
    def grant(self) -> Grant:
        grant = self.strava.tokens.of(self.athlete_id)
        assert grant is not None
        return grant

    async def get(self, path: str, token: str | None = None) -> tuple[int, Any, Mapping[str, str]]:
        """GET an API path as the first athlete; returns status, decoded body and headers."""
        bearer = {"Authorization": f"Bearer {token or self.grant.access_token}"}
        async with self.client.get(f"/api/v3{path}", headers=bearer) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json" and raw
            return answer.status, orjson.loads(raw) if is_json else raw, answer.headers

    async def control(self, method: str, path: str, **body: Any) -> Any:
        async with self.client.request(method, f"/sandbox{path}", json=body) as answer:
            decoded = await answer.json()
            assert answer.status < 400, decoded
            return decoded

    async def refresh(self, refresh_token: str) -> tuple[int, Any, Mapping[str, str]]:
        form = {
            "client_id": "12345",
            "client_secret": "sandbox-secret",
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        async with self.client.post("/oauth/token", data=form) as answer:
            return answer.status, await answer.json(), answer.headers


@dataclass(slots=True)
class Callback:
    """A webhook receiver that answers as it is told and keeps what it heard."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)  # of the next answers; then 200
    echo: bool = True
    heard: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # closed: answers wait

    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(raw) for raw in self.heard]

    async def receive(self, request: web.Request) -> web.Response:
        self.heard.append(await request.read())
        self.headers.append(dict(request.headers))
        status = self.statuses.pop(0) if self.statuses else 200
        await self.gate.wait()
        return web.Response(status=status)

    async def shake(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if self.statuses else 200
        challenge = request.query["hub.challenge"] if self.echo else "something else"
        return web.json_response({"hub.challenge": challenge}, status=status)


Serve = Callable[..., Awaitable[Served]]

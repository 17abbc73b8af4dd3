"""Strava's token rules on loopback: a refresh rotates both tokens, and the old ones are dead at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from daemon.clock import Clock

Hook = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    pass


class TokenServer:
    """One athlete's authorization. The hooks run after a rotation, after a refusal, and at each call."""

    def __init__(self, athlete_id: int, clock: Clock) -> None:
        self.athlete_id = athlete_id
        self.url = ""
        self.refresh_token = "refresh-0"
        self.access_token = "access-0"
        self.rotations = 0
        self.refusals = 0
        self.calls = 0
        self.deny_access_tokens = False  # issued, and yet refused
        self.spreads_slowly = False  # a new token is refused at its first use
        self.answer_without = ""  # a field of the token answer
        self.revoked: list[str] = []  # refresh tokens that ended the authorization
        self._known = {self.access_token}
        self.life_seconds = 21_600
        self.after_rotation: Hook = _nothing
        self.after_refusal: Hook = _nothing
        self.at_call: Hook = _nothing
        self._clock = clock

    def kill(self) -> None:
        """Take the authorization back."""
        self.refresh_token = self.access_token = "nobody knows"

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["grant_type"] != "refresh_token" or form["refresh_token"] != self.refresh_token:
            self.refusals += 1
            await self.after_refusal()
            return _refused(400, "RefreshToken", "refresh_token")
        self.rotations += 1
        self.refresh_token = f"refresh-{self.rotations}"
        self.access_token = f"access-{self.rotations}"
        answer = {
            "token_type": "Bearer",
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": int((self._clock.now() + timedelta(seconds=self.life_seconds)).timestamp()),
            "expires_in": self.life_seconds,
        }
        answer.pop(self.answer_without, None)
        await self.after_rotation()
        return web.json_response(answer)

    async def revoke(self, request: web.Request) -> web.Response:
        token = str((await request.post())["token"])
        if token != self.refresh_token:
            return _refused(400, "RefreshToken", "refresh_token")
        self.revoked.append(token)
        self.kill()
        return web.json_response({})

    async def athlete(self, request: web.Request) -> web.Response:
        self.calls += 1
        await self.at_call()
        is_known = not self.spreads_slowly or self.access_token in self._known
        self._known.add(self.access_token)
        is_ours = request.headers["Authorization"] == f"Bearer {self.access_token}"
        if self.deny_access_tokens or not is_known or not is_ours:
            return _refused(401, "Athlete", "access_token")
        return web.json_response({"id": self.athlete_id})


def _refused(status: int, resource: str, field: str) -> web.Response:
    error = {"resource": resource, "field": field, "code": "invalid"}
    return web.json_response({"message": "Bad Request", "errors": [error]}, status=status)


@asynccontextmanager
async def token_server(athlete_id: int, clock: Clock) -> AsyncIterator[TokenServer]:
    """Serve on a free port."""
    server = TokenServer(athlete_id, clock)
    application = web.Application()
    application.add_routes(
        [
            web.post("/token", server.token),
            web.post("/revoke", server.revoke),
            web.get("/athlete", server.athlete),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()

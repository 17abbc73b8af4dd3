"""The pages by which athletes come and go, served as the daemon serves them, with the sandbox for Strava."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from daemon.config.settings import Strava
from daemon.web.admin import Guard
from daemon.web.connect import ConnectPages
from daemon.web.doors import Doors
from daemon.web.leaving import LeavingPages
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.admin import make_tokens
from tests.support.consenting import Visitor
from tests.support.ports import free_port
from tests.support.workshop import Workshop

VIEWED = "/athlete/leave"  # a page for those who are signed in


class FrontDoor:
    """The pages, served; `woken` counts how often the worker was told of a job."""

    def __init__(self, shop: Workshop, stack: AsyncExitStack, address: str) -> None:
        self.shop = shop
        self.address = address
        self.woken = 0
        self._stack = stack

    def wake(self) -> None:
        self.woken += 1

    async def visitor(self) -> Visitor:
        visitor = Visitor(self.address)
        self._stack.push_async_callback(visitor.session.close)
        return visitor

    async def athletes(self) -> list[int]:
        rows = await self.shop.rows("SELECT athlete_id FROM athletes ORDER BY athlete_id")
        return [row["athlete_id"] for row in rows]


@asynccontextmanager
async def standing(shop: Workshop) -> AsyncIterator[FrontDoor]:
    """Serve the pages of one test, with a token of each scope."""
    port = free_port()
    async with AsyncExitStack() as stack:
        door = FrontDoor(shop, stack, f"http://127.0.0.1:{port}")
        sessions = Sessions(shop.rooms.database, shop.rooms.clock)
        guard = Guard(shop.rooms.database, shop.rooms.clock, sessions)
        leaving = LeavingPages(shop.rooms, sessions, door.wake)
        routes = [
            *ConnectPages(
                shop.rooms, sessions, strava_settings(shop, door.address), 30, lambda: 7.0, door.wake
            ).routes(),
            *leaving.routes(),
            *Doors(guard, sessions).routes(leaving.endpoints()),
        ]
        await make_tokens(shop.rooms.database)
        await stack.enter_async_context(serving(application(routes), "127.0.0.1", port))
        yield door


def strava_settings(shop: Workshop, callback_url: str) -> Strava:
    sandbox = shop.sandbox
    return Strava.model_validate(
        {
            "api_url": sandbox.api_url,
            "oauth_url": sandbox.oauth_url,
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "verify_token": "verify-token",
            "webhook_secret": "webhook-secret-of-these-tests",
            "callback_url": callback_url,
        }
    )


async def is_signed_in(visitor: Visitor) -> bool:
    return (await visitor.get(VIEWED)).status == 200


def csrf_of(text: str) -> str:
    (token,) = re.findall(r'<meta name="csrf" content="([0-9a-f]{64})">', text)
    return str(token)

"""The HTTP server: routes, errors as problems or as a page, on a port of its own or on sockets that it was handed.

There is no access log: it would print the webhook's secret path, and the codes of athletes who connect.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.log import server_logger

from daemon.core.attempts import THIS_MACHINE
from daemon.core.errors import Permanent
from daemon.core.listening import bracketed, origin
from daemon.web.pages.assets import Assets
from daemon.web.pages.rendering import page, set_up
from daemon.web.problems import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    BROKEN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    described,
)
from daemon.web.throttle import believe

log = structlog.get_logger()

SHUTDOWN_SECONDS: Final = 1.7  # Strava is answered within 1.5 s; with the worker's drain it makes less than five
LAST_WORDS_SECONDS: Final = 0.2
# Listening anew sets the length of the queue, also of a socket that we were handed.
BACKLOG: Final = 4096
LOST: Final = {
    404: "There is no such page here.",
    405: "This address does not take that.",
    500: "Something broke here; the log says more.",
}
LARGEST_BODY: Final = 64 * 1024  # of what is not read in pieces
# What a handler, or the server itself, may say by status alone.
PROBLEMS: Final = {
    404: (NOT_FOUND, "`/openapi.json` lists every address"),
    405: (METHOD_NOT_ALLOWED, "the header Allow says which methods it takes"),
    413: (BODY_TOO_LARGE, f"send at most {LARGEST_BODY} bytes at once"),
}


def application(routes: Iterable[web.RouteDef], proxies: Iterable[str] = THIS_MACHINE) -> web.Application:
    """Return the application that serves these routes, and the files that its pages load.

    `proxies` are networks whose X-Forwarded-For is believed.
    """
    assets = Assets()
    app = web.Application(middlewares=[_plain_errors], client_max_size=LARGEST_BODY)
    set_up(app, assets)
    believe(app, proxies)
    app.add_routes([*assets.routes(), *routes])
    return app


@web.middleware
async def _plain_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # a redirect
            response = web.Response(status=error.status, headers={"Location": error.headers["Location"]})
        else:
            response = _error(request, error.status, error.reason.lower())
            response.headers.update(_allow(error))
    except Exception:
        log.exception("request.broke", method=request.method)
        response = _error(request, 500, "the log says more")
    if not response.prepared:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _error(request: web.Request, status: int, reason: str) -> web.StreamResponse:
    """Answer a browser with a page, all others with a problem."""
    if "text/html" in request.headers.get("Accept", ""):
        return page(request, "lost.html", status, sentence=LOST.get(status, reason))
    known = PROBLEMS.get(status)
    if known is not None:
        return described(*known)
    return described(BROKEN if status >= 500 else replace(BAD_REQUEST, status=status), reason)


def _allow(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, sockets: Sequence[socket.socket] = ()
) -> AsyncIterator[str]:
    """Serve until the context is left; yields the address. Raises Permanent where the port cannot be had.

    Sockets that already listen win over host and port. They are closed here at the end, and go on listening where
    somebody else holds them too.
    """
    leaving = asyncio.Event()

    async def say_goodbye(_: web.Request, response: web.StreamResponse) -> None:
        if leaving.is_set():  # or the next request on this connection would be cut off
            response.headers["Connection"] = "close"
            response.force_close()

    app.on_response_prepare.append(say_goodbye)
    server_logger.addFilter(_tell_malformed)  # the same one twice is one
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, host, port, sockets)
        addresses = [origin(*found[:2]) for found in runner.addresses]
        if sockets:
            log.info("sockets.inherited", addresses=addresses, instead_of=f"{bracketed(host)}:{port}")
        yield addresses[0]
    finally:
        leaving.set()
        for site in runner.sites:
            await site.stop()
        await _hear_out(runner)
        await runner.cleanup()


def _tell_malformed(record: logging.LogRecord) -> bool:
    """Tell what is no HTTP in a line of our own: the server's has a traceback, and quotes what was sent."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BadHttpMessage):
        log.warning("request.malformed", reason=type(error).__name__)
        return False
    # A damaged body, as the server meets it once more after our answer: it reads to the end what nobody has.
    return not isinstance(error, web.RequestPayloadError)


async def _listen(runner: web.AppRunner, host: str, port: int, sockets: Sequence[socket.socket]) -> None:
    for held in sockets:
        await web.SockSite(runner, held, backlog=BACKLOG).start()
    if sockets:
        return
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        raise Permanent(
            f"cannot listen on {bracketed(host)}:{port} ({error.strerror}): is another daemon running?"
            " See web.host and web.port."
        ) from error


async def _hear_out(runner: web.AppRunner) -> None:
    """Let whoever was accepted a moment ago say what he wants: an idle connection is closed without an answer."""
    assert runner.server is not None
    rounds = 10
    for _ in range(rounds):
        if not runner.server.connections:
            return
        await asyncio.sleep(LAST_WORDS_SECONDS / rounds)

"""HTTP answers in Strava's dress, and the ways in which an answer can fail on its road.

Refuses to choose: routes and switches do.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import orjson
from aiohttp import web

from sandbox.faults import JSON_TYPE, Refusal
from sandbox.switches import with_wrong_types


class ConnectionCut(Exception):
    """The connection was cut on purpose; nobody hears an answer."""


def answer(value: Any, status: int = 200, tail: bytes = b"") -> web.Response:
    """Answer with JSON."""
    return web.Response(status=status, body=orjson.dumps(value) + tail, headers={"Content-Type": JSON_TYPE})


def refusal_answer(refusal: Refusal) -> web.Response:
    """Answer with a refusal, byte for byte."""
    return web.Response(status=refusal.status, body=refusal.body, headers={"Content-Type": refusal.content_type})


def slowed(seconds: float) -> web.Response:
    """Answer with a 429 that says for how long, as Strava never does and Intervals.icu may."""
    refused = answer({"status": 429, "error": "Too Many Requests"}, 429)
    refused.headers["Retry-After"] = str(round(seconds))
    return refused


def cut(request: web.Request) -> None:
    """Reset the connection, so that the other side sees an error at once. Raises ConnectionCut."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        # With no time to linger the kernel sends a reset where it would say goodbye.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    raise ConnectionCut


async def truncated(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half of it and close."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    headers = {**whole.headers, "Content-Length": str(len(body))}
    half = web.StreamResponse(status=whole.status, headers=headers)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def mistyped(whole: web.Response) -> web.Response:
    """Return the same answer with every value of a wrong type; pages and redirections have no types."""
    if whole.content_type != "application/json":
        return whole
    body = whole.body if isinstance(whole.body, bytes) else b""
    return answer(with_wrong_types(orjson.loads(body)) if body else None, whole.status)

"""Reads the bodies that strangers send, in bounded pieces."""

from __future__ import annotations

from aiohttp import web


class TooLarge(Exception):
    """The body is larger than what is taken."""


async def read_bounded(request: web.Request, most_bytes: int) -> bytes:
    """Return the body; neither a false length nor a compressed bomb gets past the limit. Raises TooLarge."""
    if (request.content_length or 0) > most_bytes:
        raise TooLarge
    body = bytearray()
    async for piece in request.content.iter_chunked(16 * 1024):
        body += piece
        if len(body) > most_bytes:
            raise TooLarge
    return bytes(body)

"""Reads the bodies that strangers send, in bounded pieces, and as what they are to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from daemon.web.endpoints import adapter
from daemon.web.problems import BAD_BODY, BODY_TOO_LARGE, BODY_TOO_SLOW, Problem, Refused

LARGEST_BODY: Final = 1024 * 1024
READ_WITHIN_SECONDS: Final = 15.0
PROBLEMS: Final[tuple[Problem, ...]] = (BAD_BODY, BODY_TOO_LARGE, BODY_TOO_SLOW)  # what reading one may end with


class TooLarge(Exception):
    """The body is larger than what is taken."""


class BrokenOff(Exception):
    """The sender hung up before the end, or what he sent does not decode; the text says which."""


async def read_bounded(request: web.Request, most_bytes: int) -> bytes:
    """Return the body; neither a false length nor a compressed bomb gets past the limit.

    Raises TooLarge, BrokenOff.
    """
    if (request.content_length or 0) > most_bytes:
        raise TooLarge
    body = bytearray()
    with _faults_as_broken_off():
        async for piece in request.content.iter_chunked(16 * 1024):
            body += piece
            if len(body) > most_bytes:
                raise TooLarge
    return bytes(body)


@contextmanager
def _faults_as_broken_off() -> Iterator[None]:
    """Turn what reading a body may raise by a sender's fault into BrokenOff."""
    try:
        yield
    except ConnectionError as error:
        raise BrokenOff("the body broke off") from error
    except web.RequestPayloadError as error:
        raise BrokenOff("the body is damaged: it does not decode as its headers say") from error


async def content_of(request: web.Request) -> Any:
    """Return the decoded body, whatever JSON it is. Raises Refused."""
    try:
        return orjson.loads(await whole_body(request))
    except orjson.JSONDecodeError as error:
        raise Refused(BAD_BODY, f"not JSON: {error.msg}, at line {error.lineno} column {error.colno}") from error


async def body_of(request: web.Request, kind: Any, example: str) -> Any:
    """Return the body as `kind`; raises Refused with the place that is wrong, and `example` of what is right."""
    body = await whole_body(request)
    try:
        return adapter(kind).validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        wrong = f"{place}: {first['msg']}" if place else first["msg"]
        raise Refused(BAD_BODY, f"{wrong}; send such as {example}") from error


async def whole_body(
    request: web.Request, most_bytes: int = LARGEST_BODY, within_seconds: float = READ_WITHIN_SECONDS
) -> bytes:
    """Return the body as it came; raises Refused with the limit that it exceeds."""
    try:
        async with asyncio.timeout(within_seconds):
            return await read_bounded(request, most_bytes)
    except TooLarge as error:
        raise Refused(BODY_TOO_LARGE, f"send at most {most_bytes} bytes at once") from error
    except BrokenOff as error:
        raise Refused(BAD_BODY, f"{error}; send it again") from error
    except TimeoutError as error:
        raise Refused(BODY_TOO_SLOW, f"send it within {within_seconds:.0f} s") from error


async def form_of(request: web.Request) -> Mapping[str, Any]:
    """Return the fields of a form, none where it is not one; raises Refused."""
    try:
        with _faults_as_broken_off():
            return await request.post()
    except BrokenOff as error:
        raise Refused(BAD_BODY, f"{error}; send it again") from error
    except (ValueError, LookupError):  # bytes that are no text, or a charset that nobody knows
        return {}

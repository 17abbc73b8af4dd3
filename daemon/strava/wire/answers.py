"""Deciphers an answer: data of the type that its request promised, or a typed error.

It refuses to know about quota (see `rates`) and to retry.
"""

from __future__ import annotations

from typing import TypeVar

from daemon.core.errors import Retryable
from daemon.strava.wire.faults import fault_error
from daemon.strava.wire.fields import NoJsonError
from daemon.strava.wire.requests import Request

T = TypeVar("T")


def decipher(request: Request[T], status: int, body: bytes) -> T:
    """Return what the request promised, or raise one of the errors in `daemon.core.errors`."""
    if not 200 <= status < 300:
        raise fault_error(request.kind, status, body)
    try:
        return request.read(body)
    except NoJsonError as error:
        raise Retryable(f"Strava answered {status} with no JSON to {request.kind}") from error

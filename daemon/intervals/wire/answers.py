"""Deciphers an answer: data of the type that its request promised, or a typed error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from daemon.core.errors import DomestiqueError, Permanent, QuotaSpent, Retryable, Revoked
from daemon.intervals.wire.records import NoJsonError
from daemon.intervals.wire.requests import Request

T = TypeVar("T")

WAIT_SECONDS: Final = 60.0  # where we are not told how long
LONGEST_WAIT_SECONDS: Final = 3600.0


def decipher(request: Request[T], status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> T:
    """Return what the request promised; raises Revoked where the key is dead, QuotaSpent where we are to wait.

    `headers` must be found whatever their case.
    """
    if status != 200:
        raise _fault(request.kind, status, headers, now)
    try:
        return request.read(body)
    except NoJsonError as error:
        raise Retryable(f"Intervals.icu answered {status} with no JSON to {request.kind}") from error


def _fault(kind: str, status: int, headers: Mapping[str, str], now: datetime) -> DomestiqueError:
    told = f"Intervals.icu answered {status} to {kind}"
    if status == 429:
        return QuotaSpent("Intervals.icu asks us to wait", _wait_until(headers, now))
    if status == 401:
        return Revoked("Intervals.icu refused the key (401): give a new one")
    # A page in HTML is a gateway's: it says nothing about the key.
    if status == 403 and "html" not in headers.get("Content-Type", "").lower():
        return Revoked(
            "Intervals.icu refused the key (403): a personal API key must be given as one, not as a bearer token,"
            " and a token needs the scope WELLNESS:READ"
        )
    if status in {403, 408} or status >= 500:
        return Retryable(told, _wait_until(headers, now) if "Retry-After" in headers else None)
    return Permanent(f"{told}: check intervals.api_url")


def _wait_until(headers: Mapping[str, str], now: datetime) -> datetime:
    """Read `Retry-After`, in seconds or as a date; never longer than an hour."""
    text = headers.get("Retry-After", "").strip()
    seconds = WAIT_SECONDS
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            at = parsedate_to_datetime(text)
            seconds = (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp() - now.timestamp()
        except ValueError:
            pass
    return now + timedelta(seconds=min(max(seconds, 1.0), LONGEST_WAIT_SECONDS))

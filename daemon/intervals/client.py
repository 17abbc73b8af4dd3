"""Talks to Intervals.icu: paces, sends once, returns what the wire reads.

No limit is published. So requests go out one by one at a fixed pace, and after a 429 nothing is sent before the
instant that it names. Refuses to follow redirects and to retry: every delay belongs to the queue.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Final, TypeVar

import aiohttp
import structlog
from aiolimiter import AsyncLimiter

from daemon.clock import Clock
from daemon.core.errors import Permanent, QuotaSpent, Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.core.wellness import Values
from daemon.intervals import wire

log = structlog.get_logger(__name__)
T = TypeVar("T")

LARGEST_ANSWER_BYTES: Final = 8 * 2**20  # a year of whole records is less than one


class IntervalsClient:
    """Reads one athlete's wellness at a time, with his own key; the session's timeout bounds each call.

    Raises the errors of `wire.decipher`, and Retryable where no whole answer came.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        requests_per_second: float,
        clock: Clock,
        instruments: Instruments = SILENT,
    ) -> None:
        self._session = session
        self._api_url = api_url
        # One at a time, so that no burst is ever faster than the pace.
        self._pace = AsyncLimiter(1, 1.0 / requests_per_second)
        self._clock = clock
        self._instruments = instruments
        self._quiet_until: datetime | None = None

    async def wellness(self, credential: wire.Credential, oldest_on: date, newest_on: date) -> dict[date, Values]:
        """Return what is known of the days from one to another, both included."""
        return await self._call(wire.wellness(oldest_on, newest_on), credential)

    async def athlete(self, credential: wire.Credential) -> str:
        """Return how Intervals.icu calls the athlete to whom the key belongs."""
        return await self._call(wire.athlete(), credential)

    async def _call(self, request: wire.Request[T], credential: wire.Credential) -> T:
        await self._pace.acquire()
        # Looked at after the wait: somebody before us may have been told to be quiet.
        if self._quiet_until is not None and self._clock.now() < self._quiet_until:
            raise QuotaSpent("Intervals.icu asks us to wait", self._quiet_until)
        began, answered = asyncio.get_running_loop().time(), None
        try:
            async with self._session.get(
                f"{self._api_url}/{request.url}",
                params=dict(request.params),
                headers={"Authorization": wire.authorization(credential).get_secret_value()},
                allow_redirects=False,
            ) as response:
                status, headers, body = response.status, response.headers, await _whole_body(response)
            answered = status
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Permanent("no address to send to: check intervals.api_url") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable(
                f"no whole answer of Intervals.icu to {request.kind} ({type(error).__name__})"
            ) from error
        finally:
            seconds = asyncio.get_running_loop().time() - began
            self._instruments.call_ended("intervals", request.kind, answered, seconds)
        log.debug("intervals.answered", kind=request.kind, status=status, bytes=len(body))
        try:
            return wire.decipher(request, status, headers, body, self._clock.now())
        except QuotaSpent as refusal:
            self._quiet_until = refusal.until
            raise


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise Permanent(f"the answer of Intervals.icu is larger than {LARGEST_ANSWER_BYTES} bytes")
    return bytes(body)

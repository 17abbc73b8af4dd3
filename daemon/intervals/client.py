"""Talks to Intervals.icu: paces, sends once, returns what the wire reads.

No limit is published. So requests go out one by one at a fixed pace, and after a 429 nothing is sent before the
instant that it names. Nor is anything sent for a while after some calls in a row brought no answer. Refuses to
follow redirects and to retry: every delay belongs to the queue.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Final, TypeVar

import aiohttp
import structlog
from aiolimiter import AsyncLimiter

from daemon.clock import Clock
from daemon.core import outages
from daemon.core.errors import Permanent, QuotaSpent, Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.core.wellness import Values
from daemon.intervals import wire

log = structlog.get_logger(__name__)
T = TypeVar("T")

LARGEST_ANSWER_BYTES: Final = 8 * 2**20  # a year of whole records is less than one


class IntervalsClient:
    """Reads one athlete's wellness at a time, with his own key; the session's timeout bounds each call.

    Raises the errors of `wire.decipher`, Retryable where no whole answer came, and QuotaSpent while it `is_quiet`.
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
        self._quiet: tuple[str, datetime] | None = None  # why, and until when
        self._unanswered = 0  # calls in a row

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is sent just now."""
        return self._quiet is not None and self._clock.now() < self._quiet[1]

    async def wellness(self, credential: wire.Credential, oldest_on: date, newest_on: date) -> dict[date, Values]:
        """Return what is known of the days from one to another, both included."""
        return await self._call(wire.wellness(oldest_on, newest_on), credential)

    async def athlete(self, credential: wire.Credential) -> str:
        """Return how Intervals.icu calls the athlete to whom the key belongs."""
        return await self._call(wire.athlete(), credential)

    async def _call(self, request: wire.Request[T], credential: wire.Credential) -> T:
        self._check_quiet()  # before the wait, so that who may not send does not take others' turns,
        await self._pace.acquire()
        self._check_quiet()  # and after it: somebody before us may have been told to be quiet
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
            self._count_unanswered()
            raise Retryable(
                f"no whole answer of Intervals.icu to {request.kind} ({type(error).__name__})"
            ) from error
        finally:
            seconds = asyncio.get_running_loop().time() - began
            self._instruments.call_ended("intervals", request.kind, answered, seconds)
        self._unanswered = 0
        log.debug("intervals.answered", kind=request.kind, status=status, bytes=len(body))
        try:
            return wire.decipher(request, status, headers, body, self._clock.now())
        except QuotaSpent as refusal:
            self._be_quiet("Intervals.icu asks us to wait", refusal.until)
            raise

    def _check_quiet(self) -> None:
        if self._quiet is not None and self.is_quiet:
            raise QuotaSpent(*self._quiet)

    def _count_unanswered(self) -> None:
        self._unanswered += 1
        if pause := outages.quiet_for(self._unanswered):
            self._be_quiet("Intervals.icu does not answer", self._clock.now() + pause)
            log.warning("intervals.unanswered", calls=self._unanswered, seconds=pause.total_seconds())

    def _be_quiet(self, reason: str, until: datetime) -> None:
        if self._quiet is None or until > self._quiet[1]:  # what was asked for is not shortened
            self._quiet = reason, until


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise Permanent(f"the answer of Intervals.icu is larger than {LARGEST_ANSWER_BYTES} bytes")
    return bytes(body)

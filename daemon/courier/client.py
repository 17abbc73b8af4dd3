"""Sends one webhook to an address that somebody has typed in, and returns what came of it.

Refuses: redirects, proxies of the environment, cookies, machines that are not the internet's (judged on the very
address that the socket is opened to), to read an answer's body, and to wait longer than fifteen seconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import aiohttp
import structlog

from daemon import __version__
from daemon.core.addresses import NotAllowed, check, check_reached
from daemon.core.deliveries import Answer

log = structlog.get_logger()

TOTAL_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 4  # to one endpoint, unless it is slow or failing: then one
WAIT_SECONDS: Final = 1.0


class Busy(Exception):
    """This endpoint has as many under way as it may have."""


class _Forbidden(OSError):
    """The socket would have led where nothing may be sent."""


class Courier:
    """Sends webhooks, a few at a time to each endpoint: one that hangs must not keep the others waiting.

    Take a `place` first, before the work of opening and signing, and `send` while it is held.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None
        self._places: defaultdict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST_AT_ONCE))
        self._under_way: Counter[int] = Counter()  # places held; the semaphore does not tell how many
        self._slow: set[int] = set()  # whose last answer took long, or does by now

    async def __aenter__(self) -> Self:
        """Open the client."""
        connector = aiohttp.TCPConnector(
            socket_factory=self._socket,
            force_close=True,  # a kept connection may be closed already, and a POST is not sent twice unseen
            limit=0,  # places are bounded here
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": f"Domestique/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def send(self, endpoint_id: int, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST once; whatever comes of it is an Answer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        late = loop.call_later(SLOW_SECONDS, self._slow.add, endpoint_id)  # known before it has timed out
        try:
            answer = await self._post(url, body, headers)
        finally:
            late.cancel()
        if (took_seconds := loop.time() - began) <= SLOW_SECONDS:
            self._slow.discard(endpoint_id)
        log.debug("webhook.sent", endpoint_id=endpoint_id, status=answer.status, seconds=round(took_seconds, 3))
        return answer

    @asynccontextmanager
    async def place(self, endpoint_id: int, *, is_failing: bool) -> AsyncIterator[None]:
        """Hold one of the endpoint's places: four, or one that is not waited for where it is slow or failing.

        Raises Busy where there is none.
        """
        places = self._places[endpoint_id]
        self._check(endpoint_id, is_failing=is_failing)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await places.acquire()
        except TimeoutError as error:
            raise Busy from error
        try:
            self._check(endpoint_id, is_failing=is_failing)  # once more: it may have become slow while we waited
            self._under_way[endpoint_id] += 1
            try:
                yield
            finally:
                self._under_way[endpoint_id] -= 1
        finally:
            places.release()

    def _check(self, endpoint_id: int, *, is_failing: bool) -> None:
        if (is_failing or endpoint_id in self._slow) and self._under_way[endpoint_id] > 0:
            raise Busy

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        assert self._session is not None
        try:
            check(url, allow_private=self._allow_private)  # the setting may be another than when it was given
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer = Answer(response.status, retry_after=response.headers.get("Retry-After"))
                response.close()  # its body says nothing that we act on: it is neither read nor logged
                return answer
        except (NotAllowed, aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _fault(error))

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Open a socket to an address, once it is known to be allowed: no name can lead elsewhere after that."""
        family, kind, protocol, _, address = info
        try:
            check_reached(str(address[0]).partition("%")[0], allow_private=self._allow_private)
        except NotAllowed as error:
            raise _Forbidden(str(error)) from error
        return socket.socket(family=family, type=kind, proto=protocol)


def _fault(error: Exception) -> str:
    """Say what went wrong in our own words: aiohttp's may hold the whole address."""
    match error:
        case NotAllowed():
            return str(error)
        case TimeoutError():
            return f"no answer within {TOTAL_SECONDS:.0f} s"
        case aiohttp.ClientConnectorError():
            return _no_connection(error)
        case _:
            return f"the connection broke ({type(error).__name__})"


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known to DNS"
        case aiohttp.ClientConnectorError(os_error=_Forbidden() as forbidden):
            return str(forbidden)
        case _:
            return f"could not connect ({error.os_error.strerror or type(error.os_error).__name__})"

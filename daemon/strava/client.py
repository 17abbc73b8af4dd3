"""Talks to Strava: asks for a permit, sends, hands the answer back to the permit, returns what the wire reads.

It refuses to send without a permit, to send anything twice on one permit, to follow redirects, and to wait
longer than a few seconds: every longer delay belongs to the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

import aiohttp
import stamina
import structlog
from pydantic import SecretStr

from daemon.core.admission import Admission, Answered
from daemon.core.errors import DomestiqueError, Permanent, Retryable, Revoked
from daemon.core.instruments import SILENT, Instruments, Refresh
from daemon.core.quota import CONNECT_SECONDS
from daemon.strava import wire

T = TypeVar("T")
RawAnswer: TypeAlias = tuple[int, bytes]

log = structlog.get_logger(__name__)


# Counted after decompression. Ten streams of a 48-hour ride at 1 Hz, the longest we take, are some 10 MB.
LARGEST_ANSWER_BYTES = 32 * 2**20


class ConnectionBroken(Retryable):
    """The connection failed before a whole answer came; the request may have been carried out."""


class NeverSent(ConnectionBroken):
    """No connection came about: Strava cannot have seen the request."""


class _TooLargeError(Exception):
    pass


class _NotSentAgainError(aiohttp.ClientConnectionError):
    pass


# Two retries, none begun later than five seconds after the first try.
_RETRIES = stamina.AsyncRetryingCaller(attempts=3, timeout=5.0, wait_initial=0.2, wait_max=1.0, wait_jitter=0.3)
# Strava may not know a fresh authorization code for its first two seconds.
_CODE_RETRIES = stamina.AsyncRetryingCaller(
    attempts=3, timeout=5.0, wait_initial=1.0, wait_max=1.5, wait_jitter=0.0
)


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending an idempotent request again, unseen, when its connection breaks.

    aiohttp does so for ClientOSError and ServerDisconnectedError (client.py, `retry_persistent_connection`), and
    its only switch is a private attribute. An error of another type is not retried. Strava would count the
    second request and our ledger would not.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NotSentAgainError(type(error).__name__) from error


def open_session(timeout_seconds: float = 20.0) -> aiohttp.ClientSession:
    """Open the session that all clients share; `timeout_seconds` bounds one send with its whole answer.

    The caller closes it. Cookies are dropped: one athlete's must not travel with another's token.
    """
    return aiohttp.ClientSession(
        headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "domestique"},
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The gate bounds how many are under way: no permit may die waiting for a place in a pool.
        connector=aiohttp.TCPConnector(limit=0),
        middlewares=(_send_once,),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """Where requests go, on which session, and who is told how each ended."""

    session: aiohttp.ClientSession
    base_url: str
    instruments: Instruments


class StravaClient:
    """Reads athletes' data; every send, a retry too, takes its own permit from the admission that is passed.

    Raises what the permit raises (QuotaSpent, AppInactive) and the errors of `wire.decipher`.
    """

    def __init__(self, session: aiohttp.ClientSession, api_url: str, instruments: Instruments = SILENT) -> None:
        self._line = _Line(session, api_url, instruments)

    async def activity(self, access_token: SecretStr, activity_id: int, admission: Admission) -> wire.Activity:
        """Return one activity; raises NotFound."""
        return await self._call(wire.activity(activity_id), access_token, admission)

    async def streams(self, access_token: SecretStr, activity_id: int, admission: Admission) -> bytes:
        """Return the body for `wire.parse_streams`, unparsed; raises NotFound, as manual activities have none."""
        return await self._call(wire.streams(activity_id), access_token, admission)

    async def activities(
        self,
        access_token: SecretStr,
        admission: Admission,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        page: int = 1,
        per_page: int = wire.LARGEST_PAGE,
    ) -> list[wire.Activity]:
        """Return one page in Strava's order, which is not promised; only an empty page is the last."""
        request = wire.activities(before, after, page, per_page)
        return await self._call(request, access_token, admission)

    async def athlete(self, access_token: SecretStr, admission: Admission) -> wire.Athlete:
        """Return the athlete to whom the token belongs."""
        return await self._call(wire.athlete(), access_token, admission)

    async def zones(self, access_token: SecretStr, admission: Admission) -> wire.Zones:
        """Return the athlete's zones; raises ScopeMissing without profile:read_all."""
        return await self._call(wire.zones(), access_token, admission)

    async def _call(self, request: wire.Request[T], access_token: SecretStr, admission: Admission) -> T:
        # Reading is safe to repeat, so any broken connection may be tried again.
        status, body = await _RETRIES(
            ConnectionBroken, _send, self._line, wire.authorized(request, access_token), admission
        )
        return wire.decipher(request, status, body)


class OAuthClient:
    """Gets, renews and ends authorizations. These calls show no meters and count toward no quota."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        oauth_url: str,
        credentials: wire.AppCredentials,
        instruments: Instruments = SILENT,
    ) -> None:
        self._line = _Line(session, oauth_url, instruments)
        self._credentials = credentials

    async def exchange(self, code: SecretStr) -> wire.TokenAnswer:
        """Trade an authorization code for tokens; raises wire.CodeRefused when Strava never comes to know it."""
        request = wire.exchange_code(self._credentials, code)
        return await _CODE_RETRIES(wire.CodeRefused, _send_unmetered, self._line, request)

    async def refresh(self, refresh_token: SecretStr) -> wire.TokenAnswer:
        """Trade a refresh token for new tokens; raises Revoked.

        After any other error the old token may be dead and the new one lost: a refresh that may have arrived is
        never sent again from here.
        """
        outcome: Refresh = "failed"
        try:
            answer = await _send_unmetered(self._line, wire.refresh_token(self._credentials, refresh_token))
            outcome = "refreshed"
        except Revoked:
            outcome = "refused"
            raise
        finally:
            self._line.instruments.token_refreshed(outcome)
        return answer

    async def revoke(self, token: SecretStr) -> None:
        """End the authorization behind an access or refresh token; one that has ended before is no error."""
        try:
            await _send_unmetered(self._line, wire.revoke(self._credentials, token))
        except Revoked:
            log.debug("strava.revoked_before")


class SubscriptionClient:
    """Keeps the app's one push subscription.

    Outside the quota: the answers show empty meters of their own (recorded `0,0` of `600,30000`).
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        credentials: wire.AppCredentials,
        instruments: Instruments = SILENT,
    ) -> None:
        self._line = _Line(session, api_url, instruments)
        self._credentials = credentials

    async def view(self) -> list[wire.Subscription]:
        """Return the subscription, if there is one."""
        return await _send_unmetered(self._line, wire.view_subscriptions(self._credentials))

    async def create(self, callback_url: SecretStr, verify_token: SecretStr) -> wire.Subscription:
        """Subscribe. Strava calls our webhook before it answers: the receiver must already listen."""
        request = wire.create_subscription(self._credentials, callback_url, verify_token)
        return await _send_unmetered(self._line, request)

    async def delete(self, subscription_id: int) -> None:
        """End the subscription; raises NotFound."""
        request = wire.delete_subscription(self._credentials, subscription_id)
        await _send_unmetered(self._line, request)


class _Unmetered:
    """An Admission, and its own Permit, for calls that count toward no quota."""

    async def permit(self) -> _Unmetered:
        return self

    async def answered(self, answer: Answered) -> None:
        pass

    async def lost(self) -> None:
        pass


async def _send_unmetered(line: _Line, request: wire.Request[T]) -> T:
    """Send what must not arrive twice: tried again only where it cannot have arrived."""
    status, body = await _RETRIES(NeverSent, _send, line, request, _Unmetered())
    return wire.decipher(request, status, body)


async def _send(line: _Line, request: wire.Request[T], admission: Admission) -> RawAnswer:
    """Send once, on one permit, and return status and body; raises ConnectionBroken or NeverSent."""
    permit = await admission.permit()
    began = asyncio.get_running_loop().time()
    status = 0
    shown: Mapping[str, str] | None = None
    try:
        async with line.session.request(
            request.method,
            f"{line.base_url.rstrip('/')}/{request.url}",
            params=wire.bare(request.params) or None,
            headers=wire.bare(request.headers),
            data=None if request.data is None else wire.bare(request.data),
            allow_redirects=False,
        ) as response:
            status, shown = response.status, response.headers
            body = await _whole_body(response)
    except (aiohttp.ClientError, OSError, _TooLargeError) as error:
        # The headers came, so Strava has counted it; the permit may raise QuotaSpent, which says more than we can.
        translated = _translated(error, request)
        line.instruments.call_ended("strava", request.kind, None, asyncio.get_running_loop().time() - began)
        if shown is not None:
            await permit.answered(wire.answered(status, shown, b""))
        elif not isinstance(translated, NeverSent):
            await permit.lost()
        # aiohttp's messages may hold the whole address: with a secret in the query the cause is not passed on.
        raise translated from (None if request.has_secret_query else error)
    seconds = asyncio.get_running_loop().time() - began
    line.instruments.call_ended("strava", request.kind, status, seconds)
    log.debug("strava.answered", kind=request.kind, status=status, seconds=round(seconds, 3), bytes=len(body))
    await permit.answered(wire.answered(status, shown, body))
    return status, body


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise _TooLargeError
    return bytes(body)


def _translated(error: Exception, request: wire.Request[T]) -> DomestiqueError:
    name = type(error.__cause__ if isinstance(error, _NotSentAgainError) else error).__name__
    if isinstance(error, _TooLargeError):
        return Permanent(f"Strava's answer to {request.kind} is larger than {LARGEST_ANSWER_BYTES} bytes")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return Permanent(f"no address to send {request.kind} to: check strava.api_url and strava.oauth_url")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NeverSent(f"could not connect to Strava for {request.kind} ({name})")
    return ConnectionBroken(f"the connection to Strava broke during {request.kind} ({name})")

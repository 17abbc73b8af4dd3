"""Access tokens on demand: refreshed by one process at a time, stored before use, renewed after a 401.

A refresh may rotate the refresh token, and the old one is dead at once. So the lock that makes us the only
refresher is held on a connection of its own, the start of a refresh is remembered before the token leaves the
house, and what comes back is stored even if we are being shut down; where the athlete was erased meanwhile, to take
leave with. This module refuses to erase anybody: a dead token rests the athlete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog
from pydantic import SecretStr

from daemon.clock import Clock
from daemon.core.errors import AccessTokenRejected, Retryable, Revoked
from daemon.core.news import Topic
from daemon.core.settle import describe
from daemon.store import athletes, credentials, farewells, outbox
from daemon.store.database import Connection, Database, Gone
from daemon.strava.wire import TokenAnswer, TokenUnusable
from daemon.vault import farewell
from daemon.vault.cipher import Cipher

log = structlog.get_logger()
T = TypeVar("T")

MARGIN: Final = timedelta(minutes=5)  # a token must outlive the longest call
STORE_FOR_SECONDS: Final = 60.0
SPREAD_SECONDS: Final = 2.0  # until all of Strava knows a new token: a new code takes as long
SETTLE_DELAYS_SECONDS: Final = (0.5, 1.5, 3.0)  # until a refresh elsewhere must have been stored


class Issuer(Protocol):
    """Where tokens come from, and where they are given back."""

    async def exchange(self, code: SecretStr) -> TokenAnswer:
        """Trade the code that a consent gave."""

    async def refresh(self, refresh_token: SecretStr) -> TokenAnswer:
        """Trade a refresh token; raises Revoked where it is dead, TokenUnusable where what came is damaged."""

    async def revoke(self, token: SecretStr) -> None:
        """End an authorization; one that has ended is no error."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token in the clear, and the version of the credentials that it came from."""

    secret: SecretStr
    version: int


class Vault:
    """Gives every caller a token that works, or Revoked."""

    def __init__(self, database: Database, issuer: Issuer, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._issuer = issuer
        self._cipher = cipher
        self._clock = clock
        self._exchanges: set[asyncio.Task[AccessToken]] = set()

    async def call(self, athlete_id: int, send: Callable[[SecretStr], Awaitable[T]]) -> T:
        """Call `send` with a token; after a 401 with a new one, and where that is refused as well: Revoked."""
        token = await self._token(athlete_id)
        try:
            return await send(token.secret)
        except AccessTokenRejected:
            token = await self._refreshed(athlete_id, token.version)
        try:
            return await _send_new(token, send)
        except AccessTokenRejected as error:
            reason = "Strava refused a token that it had just issued"
            await self._rest(athlete_id, reason, token.version)
            raise Revoked(reason) from error

    async def prove(self, athlete_id: int, send: Callable[[SecretStr], Awaitable[T]]) -> bool:
        """Find out whether the athlete still allows us: refresh, then `send` with the new token.

        Where Strava refuses either, the athlete rests as *deauthorized*, and False is returned.
        """
        async with self._database.connection() as connection:
            sealed = await credentials.read(connection, athlete_id)
        if sealed is None:
            return False
        version = sealed.version
        try:
            token = await self._refreshed(athlete_id, version)
            version = token.version
            await _send_new(token, send)
        except (Revoked, AccessTokenRejected):
            await self._rest(athlete_id, "the athlete took the authorization back", version, deauthorized=True)
            return False
        return True

    async def exchange(self, code: SecretStr) -> TokenAnswer:
        """Trade the code that an athlete's consent gave for his tokens, which nobody has stored yet."""
        return await self._issuer.exchange(code)

    async def revoke(self, athlete_id: int) -> None:
        """End an athlete's authorization at Strava; what is stored stays. No tokens: nothing to end.

        As the only one who may refresh: a token that is replaced at this moment would end nothing.
        """
        async with credentials.refreshing(self._database, athlete_id) as lock:
            sealed = await credentials.read(lock, athlete_id)
            if sealed is not None:
                await self.revoke_sealed(athlete_id, sealed.refresh_token)

    async def revoke_sealed(self, athlete_id: int, refresh_token: bytes) -> None:
        """End the authorization behind a sealed refresh token that is stored no more."""
        await self._issuer.revoke(self._cipher.open(athlete_id, "refresh_token", refresh_token))

    async def finish(self, within_seconds: float) -> None:
        """Wait for refreshes under way, whose callers may have gone; before session and pool are closed."""
        if not self._exchanges:
            return
        _, late = await asyncio.wait(self._exchanges, timeout=within_seconds)
        if late:
            log.error("token.refresh_abandoned", refreshes=len(late), waited_seconds=within_seconds)

    async def _token(self, athlete_id: int) -> AccessToken:
        async with self._database.connection() as connection:
            sealed = await credentials.read(connection, athlete_id)
        if sealed is None:
            raise await self._not_connected(athlete_id)
        if self._lasts(sealed):
            return self._opened(athlete_id, sealed)
        return await self._refreshed(athlete_id, sealed.version)

    def _lasts(self, sealed: credentials.Sealed) -> bool:
        return sealed.expires_at is not None and sealed.expires_at - self._clock.now() > MARGIN

    def _opened(self, athlete_id: int, sealed: credentials.Sealed) -> AccessToken:
        assert sealed.access_token is not None  # a CHECK couples it to expires_at
        return AccessToken(self._cipher.open(athlete_id, "access_token", sealed.access_token), sealed.version)

    async def _refreshed(self, athlete_id: int, stale_version: int) -> AccessToken:
        """Return a token newer than `stale_version`, refreshed here or by whoever held the lock before."""
        async with credentials.refreshing(self._database, athlete_id) as lock:
            sealed = await credentials.read(lock, athlete_id)
            if sealed is None:
                raise await self._not_connected(athlete_id)
            if sealed.version != stale_version and self._lasts(sealed):
                return self._opened(athlete_id, sealed)
            refresh_token = self._cipher.open(athlete_id, "refresh_token", sealed.refresh_token)
            # On the lock's own connection: if that is gone, so is the lock, and nothing is sent.
            if not await credentials.begin_refresh(lock, athlete_id, sealed.version):
                raise _reconnected(athlete_id)
            exchange = asyncio.ensure_future(self._exchange(athlete_id, sealed, refresh_token))
            self._exchanges.add(exchange)
            exchange.add_done_callback(self._exchanges.discard)
            return await _unbroken(exchange)

    async def _exchange(self, athlete_id: int, sealed: credentials.Sealed, refresh_token: SecretStr) -> AccessToken:
        try:
            answer = await self._issuer.refresh(refresh_token)
        except Revoked:
            return await self._refused(athlete_id, sealed)
        except TokenUnusable as error:
            if error.refresh_token is not None:
                await self._store(athlete_id, sealed.version, error.refresh_token)
            raise
        version = await self._store(
            athlete_id, sealed.version, answer.refresh_token, answer.access_token, answer.expires_at
        )
        log.info("token.refreshed", athlete_id=athlete_id, expires_at=answer.expires_at)
        return AccessToken(answer.access_token, version)

    async def _store(
        self,
        athlete_id: int,
        version: int,
        refresh_token: SecretStr,
        access_token: SecretStr | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        """Store what came back, whatever it takes: the old refresh token is dead already.

        Raises Gone where the athlete was erased meanwhile, and leaves the token to his farewell.
        """
        sealed_refresh = self._cipher.seal(athlete_id, "refresh_token", refresh_token)
        sealed_access = self._cipher.seal(athlete_id, "access_token", access_token) if access_token else None
        new_version: int | None = None
        is_erased = False
        give_up_at = self._clock.elapsed_seconds() + STORE_FOR_SECONDS
        while True:
            try:
                async with self._database.transaction() as connection:
                    await athletes.lock(connection, athlete_id)
                    new_version = await credentials.finish_refresh(
                        connection,
                        athlete_id,
                        version,
                        refresh_token=sealed_refresh,
                        access_token=sealed_access,
                        expires_at=expires_at,
                    )
                    if new_version is None:
                        is_erased = await self._take_leave(connection, athlete_id, sealed_refresh)
                    elif await athletes.wake(connection, athlete_id):  # what Strava renews, it authorizes
                        await outbox.write(connection, Topic.ATHLETE_CONNECTED, athlete_id, {"is_new": False})
                break
            except Retryable as error:
                if self._clock.elapsed_seconds() > give_up_at:
                    raise
                log.warning("token.store_failed", athlete_id=athlete_id, reason=str(error))
                await asyncio.sleep(0.5)
        if is_erased:
            log.warning("athlete.revocation_put_off", athlete_id=athlete_id, reason="a refresh was under way")
            raise Gone("the athlete was erased during a refresh")  # his id would stay with the job
        if new_version is None:
            raise _reconnected(athlete_id)
        return new_version

    async def _take_leave(self, connection: Connection, athlete_id: int, refresh_token: bytes) -> bool:
        """Keep an erased athlete's new token until Strava is told; False where he has others: he reconnected."""
        if await credentials.read(connection, athlete_id) is not None:
            return False
        # No row of his is held, so nobody waits in a circle: who is just connecting again is waited for, or waits.
        await farewells.lock(connection, athlete_id)
        if await credentials.read(connection, athlete_id) is not None:
            return False
        # The farewell that the erasure left, if any, holds the token that is dead by now.
        await farewell.leave(connection, athlete_id, refresh_token, self._clock.now())
        return True

    async def _refused(self, athlete_id: int, sealed: credentials.Sealed) -> AccessToken:
        """Believe a refusal only if nobody else's refresh turns up meanwhile."""
        # Nothing to wait for where no other refresh was under way.
        delays_seconds = (0.0, *SETTLE_DELAYS_SECONDS) if sealed.refresh_began_at is not None else (0.0,)
        for delay_seconds in delays_seconds:
            await asyncio.sleep(delay_seconds)
            async with self._database.connection() as connection:
                again = await credentials.read(connection, athlete_id)
            if again is not None and again.version != sealed.version and self._lasts(again):
                return self._opened(athlete_id, again)
        reason = "Strava refused the refresh token"
        if sealed.refresh_began_at is not None:
            reason += f"; a refresh had been cut off at {sealed.refresh_began_at:%Y-%m-%d %H:%M:%S} UTC"
        await self._rest(athlete_id, reason, sealed.version)
        raise Revoked(reason)

    async def _not_connected(self, athlete_id: int) -> Revoked:
        """Rest an athlete without credentials, whose jobs would come back at once for ever."""
        reason = f"athlete {athlete_id} is not connected"
        async with self._database.transaction() as connection:
            await _put_to_rest(connection, athlete_id, reason, 0, deauthorized=False)
        return Revoked(reason)

    async def _rest(self, athlete_id: int, reason: str, version: int, *, deauthorized: bool = False) -> None:
        """Rest the athlete; raises Retryable where a reconnect came in between."""
        async with self._database.transaction() as connection:
            rested = await _put_to_rest(connection, athlete_id, reason, version, deauthorized=deauthorized)
            await credentials.drop_refresh_mark(connection, athlete_id, version)
        if not rested:
            raise _reconnected(athlete_id)
        log.warning("athlete.authorization_lost", athlete_id=athlete_id, reason=reason)


async def _put_to_rest(
    connection: Connection, athlete_id: int, reason: str, version: int, *, deauthorized: bool
) -> bool:
    """Rest an athlete if those credentials are still the stored ones; the first time it is news."""
    await athletes.lock(connection, athlete_id)
    before = await athletes.get(connection, athlete_id)
    rested = await athletes.rest(connection, athlete_id, reason, version, deauthorized=deauthorized)
    if rested and before is not None:
        if deauthorized and before["deauthorized_at"] is None:
            await outbox.write(connection, Topic.ATHLETE_DISCONNECTED, athlete_id, {})
        elif before["state"] == "active":
            await outbox.write(connection, Topic.ATHLETE_NEEDS_AUTHORIZATION, athlete_id, {"reason": reason})
    return rested


async def _send_new(token: AccessToken, send: Callable[[SecretStr], Awaitable[T]]) -> T:
    """Call `send` with a token that was just issued, once more where some of Strava does not know it yet."""
    with suppress(AccessTokenRejected):
        return await send(token.secret)
    await asyncio.sleep(SPREAD_SECONDS)
    return await send(token.secret)


def _reconnected(athlete_id: int) -> Retryable:
    return Retryable(f"athlete {athlete_id} reconnected meanwhile")


async def store_tokens(
    connection: Connection,
    cipher: Cipher,
    athlete_id: int,
    refresh_token: SecretStr,
    access_token: SecretStr | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Seal and store tokens from an import or a consent, in the caller's transaction.

    An access token without `expires_at` is left out: the first call then refreshes.
    """
    sealed_access = None
    if access_token is not None and expires_at is not None:
        sealed_access = cipher.seal(athlete_id, "access_token", access_token)
    await credentials.put(
        connection,
        athlete_id,
        cipher.seal(athlete_id, "refresh_token", refresh_token),
        sealed_access,
        expires_at if sealed_access is not None else None,
    )


async def _unbroken(task: asyncio.Task[T]) -> T:
    """Wait for `task` even if the caller is cancelled, even twice; the cancellation is then passed on."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("token.not_refreshed", reason=describe(error))
        raise

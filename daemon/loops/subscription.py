"""The app's one push subscription: looked at every hour, made where it shall be kept, explained where it fails.

The commands use the same object beside a running daemon. What is found goes into the app's row, for health and for
the proof that webhooks reach us.

Refuses to replace a subscription that leads elsewhere unless a person says so: two installations of one app would
take it from each other every hour.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

import aiohttp
import structlog
from pydantic import SecretStr

from daemon.clock import Clock
from daemon.config import Strava
from daemon.core.errors import DomestiqueError, NotFound, Permanent, Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.core.subscription import Finding, State, Wanted, judge
from daemon.store import apps
from daemon.store.database import Database
from daemon.strava.callback import shake
from daemon.strava.client import SubscriptionClient
from daemon.strava.wire import AppCredentials, CallbackRefused, Subscription, SubscriptionExists

log = structlog.get_logger()

EVERY_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 300.0  # after a look that did not find what it should
SPREAD: Final = 0.1  # several daemons need not ask in the same second


class Keeper:
    """Looks, creates and deletes, and remembers what it found."""

    def __init__(
        self,
        database: Database,
        session: aiohttp.ClientSession,
        strava: Strava,
        clock: Clock,
        instruments: Instruments = SILENT,
    ) -> None:
        self._database = database
        self._session = session
        self._settings = strava
        self._wanted = Wanted(strava.callback_url, strava.webhook_secret.get_secret_value())
        credentials = AppCredentials(strava.client_id, strava.client_secret)
        self._strava = SubscriptionClient(session, strava.api_url, credentials, instruments)
        self._clock = clock
        self._told: Finding | None = None

    async def run(self) -> None:
        """Look at once and every hour, sooner after a look that failed, until cancelled."""
        while True:
            try:
                finding = await (self.ensure() if self._settings.keep_subscription else self.look())
            except Retryable as error:
                log.warning("subscription.not_recorded", reason=str(error))
                wait_seconds = AGAIN_SECONDS
            else:
                self._tell(finding)
                wait_seconds = EVERY_SECONDS if finding.state is State.VERIFIED else AGAIN_SECONDS
            await asyncio.sleep(wait_seconds * random.uniform(1 - SPREAD, 1))

    async def look(self) -> Finding:
        """Ask Strava what there is, and remember it."""
        return await self._found(await self.examine())

    async def examine(self) -> Finding:
        """Ask Strava what there is, and change nothing: for who looks with settings that are not the daemon's."""
        try:
            seen = await self._strava.view()
        except DomestiqueError as error:
            return Finding(State.UNKNOWN, None, f"Strava could not be asked: {error}")
        async with self._database.connection() as connection:
            known_id = await apps.subscription_id(connection, self._settings.client_id)
        return judge([(one.subscription_id, _bare(one)) for one in seen], self._wanted, known_id)

    async def ensure(self, *, replace: bool = False) -> Finding:
        """Look, and make a subscription where there is none; `replace` also one that leads elsewhere."""
        finding = await self.look()
        if finding.state is State.ELSEWHERE and replace and finding.subscription_id is not None:
            await self._delete(finding.subscription_id)
            finding = await self._found(Finding(State.GONE, None, "the subscription that led elsewhere is deleted"))
        if finding.state is not State.GONE:
            return finding
        try:
            return await self.create()
        except SubscriptionExists:  # another daemon was quicker
            return await self.look()
        except DomestiqueError as error:
            detail = f"there is no subscription, and none was made: {error}"
            return await self._found(Finding(State.GONE, None, detail))

    async def create(self) -> Finding:
        """Make the subscription; the receiver must listen. Raises Permanent or Retryable with what to do."""
        wanted = self._wanted
        if not wanted.base_url:
            raise Permanent("set strava.callback_url first: the address at which Strava reaches this installation")
        try:
            made = await self._strava.create(SecretStr(wanted.callback_url), self._settings.verify_token)
        except CallbackRefused as error:
            seen = await shake(self._session, wanted, self._settings.verify_token)
            raise Permanent(f"{error}. {seen}") from error
        log.info("subscription.created", subscription_id=made.subscription_id, callback=wanted.shown)
        return await self._found(Finding(State.VERIFIED, made.subscription_id, f"Strava pushes to {wanted.shown}"))

    async def delete(self, *, elsewhere: bool = False) -> int:
        """End the subscription and return its number; one that leads elsewhere only where `elsewhere` says so.

        Raises NotFound where there is none, Permanent where it is not ours.
        """
        finding = await self.look()
        if finding.state is State.UNKNOWN:
            raise Retryable(finding.detail)
        if finding.subscription_id is None:
            raise NotFound("there is no subscription to delete")
        if finding.state is State.ELSEWHERE and not elsewhere:
            raise Permanent(
                f"{finding.detail}. Where no other installation needs it, `subscription delete --elsewhere` ends it"
            )
        await self._delete(finding.subscription_id)
        await self._found(Finding(State.GONE, None, "the subscription was deleted by the operator"))
        return finding.subscription_id

    async def _delete(self, subscription_id: int) -> None:
        try:
            await self._strava.delete(subscription_id)
        except Permanent:  # somebody else was quicker, or it is a true refusal
            if any(one.subscription_id == subscription_id for one in await self._strava.view()):
                raise
        log.info("subscription.deleted", subscription_id=subscription_id)

    async def _found(self, finding: Finding) -> Finding:
        """Remember a finding as of now: what it vouches for begins after the answer, not before the question."""
        async with self._database.connection() as connection:
            await apps.record_finding(connection, self._settings.client_id, finding, self._clock.now())
        return finding

    def _tell(self, finding: Finding) -> None:
        if finding != self._told:
            write = log.info if finding.state is State.VERIFIED else log.warning
            write(
                "subscription.checked",
                state=finding.state.value,
                subscription_id=finding.subscription_id,
                detail=finding.detail,
            )
        self._told = finding


def _bare(subscription: Subscription) -> str | None:
    return subscription.callback_url.get_secret_value() if subscription.callback_url is not None else None

"""Webhook delivery: a subscription, its handshake, and events with three attempts in all.

Every event is a delivery of its own: nothing keeps their order, as at Strava. Refuses to decide what is worth
an event.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from sandbox.clock import Clock
from sandbox.faults import CALLBACK_NOT_200, NOT_VERIFIABLE, Refused
from sandbox.mishaps import NONE, Mishap
from sandbox.shapes import iso

ATTEMPTS = 3
AT_ONCE = 64
KEPT_DELIVERIES = 100_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where events go; an app has one at most."""

    id: int
    application_id: int
    callback_url: str
    created_at: float

    def shape(self) -> dict[str, Any]:
        """Return the subscription as Strava's API shows it."""
        return {
            "id": self.id,
            "resource_state": 2,
            "application_id": self.application_id,
            "callback_url": self.callback_url,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.created_at),
        }


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way; `outcome` is pending, acknowledged, given_up, lost or unsubscribed."""

    id: int
    body: bytes
    outcome: str = "pending"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Return the delivery as `GET /sandbox/events` shows it; a body that is no JSON is shown as text."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            body = self.body.decode("utf-8", "replace")
        return {"id": self.id, "body": body, "outcome": self.outcome, "attempts": self.attempts}


@dataclass(frozen=True, slots=True)
class Manner:
    """How an event is sent: how often the same body, and how late."""

    repeat: int = 1
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Wait:
    """What a delivery waits for: its delay, and being overtaken, the latter so long at most."""

    delay_seconds: float
    overtaken: asyncio.Event | None = None
    at_most_seconds: float = 0.0

    async def over(self) -> None:
        """Wait."""
        await asyncio.sleep(self.delay_seconds)
        if self.overtaken is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.overtaken.wait(), self.at_most_seconds)


def _let_pass(waiting: Sequence[asyncio.Event]) -> None:
    for overtaken in waiting:
        overtaken.set()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an attempt waits for its 200, and what lies between two attempts."""

    answer_seconds: float
    retry_seconds: float


class Push:
    """Sends events; `open` before use, `close` at the end."""

    def __init__(self, clock: Clock, pace: Pace, sign_key: str | None) -> None:
        self.subscription: Subscription | None = None
        self._clock = clock
        self._pace = pace
        self._sign_key = sign_key
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._deliveries: deque[Delivery] = deque(maxlen=KEPT_DELIVERIES)
        self._last_id = 0
        # One per event that waits until a later one has gone before it.
        self._overtakable: list[asyncio.Event] = []

    async def open(self) -> None:
        """Open the HTTP client."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Drop what is still under way and close the client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def verify(self, callback_url: str, verify_token: str, challenge: str) -> None:
        """Shake hands with a callback. Raises Refused with Strava's own words where it fails."""
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._client().get(
                callback_url, params=query, timeout=self._timeout(), allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise Refused(CALLBACK_NOT_200)
                echoed = orjson.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Refused(NOT_VERIFIABLE) from error
        if not isinstance(echoed, dict) or echoed.get("hub.challenge") != challenge:
            raise Refused(NOT_VERIFIABLE)

    def send(self, body: bytes, manner: Manner, mishap: Mishap = NONE) -> list[Delivery]:
        """Start the deliveries of one event and return them at once; lost ones never leave."""
        leaves = self.subscription is not None and not mishap.lost
        passed, self._overtakable = (self._overtakable, []) if leaves else ([], self._overtakable)
        delays = [manner.delay_seconds + mishap.late_seconds] * manner.repeat
        if mishap.repeated_after is not None:
            delays.append(delays[0] + mishap.repeated_after)
        started = []
        for delay_seconds in delays:
            self._last_id += 1
            delivery = Delivery(id=self._last_id, body=body)
            self._deliveries.append(delivery)
            started.append(delivery)
            if mishap.lost:
                delivery.outcome = "lost"
            elif self.subscription is None:
                delivery.outcome = "unsubscribed"
            else:
                self._start(self._deliver(delivery, self.subscription, self._waits(delay_seconds, mishap), passed))
        return started

    def _start(self, delivering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _waits(self, delay_seconds: float, mishap: Mishap) -> Wait:
        if mishap.waits_at_most is None:
            return Wait(delay_seconds)
        overtaken = asyncio.Event()
        self._overtakable.append(overtaken)
        return Wait(delay_seconds, overtaken, mishap.waits_at_most)

    async def settle(self, seconds: float) -> bool:
        """Wait until nothing is under way; False where that took longer."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        return not self._tasks

    def report(self, newer_than: int) -> list[dict[str, Any]]:
        """Return the deliveries with a higher id, oldest first."""
        return [delivery.report() for delivery in self._deliveries if delivery.id > newer_than]

    async def _deliver(
        self, delivery: Delivery, to: Subscription, wait: Wait, passed: Sequence[asyncio.Event]
    ) -> None:
        await wait.over()
        for attempt in range(1, ATTEMPTS + 1):
            result = await self._attempt(delivery.body, to.callback_url)
            delivery.attempts.append({"at": self._clock.now(), "result": result})
            _let_pass(passed)
            if result == 200:
                delivery.outcome = "acknowledged"
                return
            if attempt < ATTEMPTS:
                await asyncio.sleep(self._pace.retry_seconds)
        delivery.outcome = "given_up"

    async def _attempt(self, body: bytes, callback_url: str) -> int | str:
        headers = {"Content-Type": "application/json", **self._signature(body)}
        # The two seconds begin when a connection is free, not while events queue for one here.
        async with self._places:
            try:
                async with self._client().post(
                    callback_url, data=body, headers=headers, timeout=self._timeout(), allow_redirects=False
                ) as answer:
                    return answer.status
            except TimeoutError:
                return "timeout"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return type(error).__name__

    def _signature(self, body: bytes) -> dict[str, str]:
        if self._sign_key is None:
            return {}
        at = int(self._clock.now())
        digest = hmac.new(self._sign_key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Strava-Signature": f"t={at},v1={digest}"}

    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self._pace.answer_seconds)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("push was not opened")
        return self._session

"""Deliver one piece of news to one endpoint: signed, and tried again for a day.

At least once: a daemon that is killed after the receiver has answered sends the same message again, under the same
id. It has no serial key, so that no athlete's work waits for a stranger's server, and couriers of its own claim it.
"""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any, Final

import structlog

from daemon.core import deliveries
from daemon.core.admission import Lane
from daemon.core.deliveries import Answer, GiveUp, Message
from daemon.core.errors import Permanent, QuotaSpent, Retryable
from daemon.courier.client import Busy, Courier
from daemon.jobs.rooms import Rooms
from daemon.store import jobs, webhook_endpoints
from daemon.store.jobs import Job, NewJob
from daemon.store.webhook_endpoints import Endpoint
from daemon.vault import webhook_secrets
from daemon.vault.cipher import Cipher

log = structlog.get_logger()

KIND: Final = deliveries.KIND


def new(endpoint_id: int, message: Message, now: datetime) -> NewJob:
    """Make the job; `athlete_id` in its data lets an erasure find it.

    It stands behind everything else in the queue: who claims it claims nothing else, and who does not need not read
    over it.
    """
    return NewJob(
        kind=KIND,
        lane=Lane.BACKFILL,
        dedup_key=f"{KIND}:{endpoint_id}:{message.message_id}",
        run_at=now,
        payload={
            "endpoint_id": endpoint_id,
            "athlete_id": message.data.get("athlete_id"),
            "message_id": message.message_id,
            "type": message.type,
            "occurred_at": message.occurred_at,
            "data": message.data,
            jobs.MOST_ATTEMPTS: deliveries.ATTEMPTS,
        },
        asks_strava=False,
    )


def message_of(payload: Any) -> Message:
    """Return the message that a job carries."""
    occurred_at = datetime.fromisoformat(payload["occurred_at"])
    return Message(payload["message_id"], payload["type"], occurred_at, payload["data"])


async def run(job: Job, rooms: Rooms) -> None:
    """Send once, and settle by what came of it."""
    endpoint_id, message = int(job.payload["endpoint_id"]), message_of(job.payload)
    async with rooms.database.connection() as connection:
        endpoint = await webhook_endpoints.find(connection, endpoint_id)
    if endpoint is None or endpoint.state != webhook_endpoints.ACTIVE:
        why = "the endpoint was removed" if endpoint is None else "the endpoint is disabled"
        async with rooms.database.transaction() as connection:
            await jobs.complete(connection, job, f"dropped: {why}")
        log.info("delivery.dropped", endpoint_id=endpoint_id, topic=message.type, reason=why)
        return
    try:
        answer = await send(rooms.courier, rooms.cipher, endpoint, message, rooms.clock.now())
    except Busy as error:
        until = deliveries.put_off(job.queued_at, endpoint.failing_since, rooms.clock.now(), random.random())
        raise QuotaSpent("the endpoint has enough under way", until) from error
    await _settle(job, rooms, endpoint_id, message, answer)


async def send(courier: Courier, cipher: Cipher, endpoint: Endpoint, message: Message, now: datetime) -> Answer:
    """Send a message once, signed for this endpoint; raises Busy, and Permanent where no key opens its secret."""
    async with courier.place(endpoint.endpoint_id, is_failing=endpoint.failing_since is not None):
        opened = webhook_secrets.open_endpoint(cipher, endpoint, now)
        headers = deliveries.headers(message, opened.secrets, now)
        return await courier.send(endpoint.endpoint_id, opened.url, message.body, headers)


async def _settle(job: Job, rooms: Rooms, endpoint_id: int, message: Message, answer: Answer) -> None:
    now = rooms.clock.now()
    if answer.is_accepted:
        async with rooms.database.transaction() as connection:
            await webhook_endpoints.record_success(connection, endpoint_id, now)
            await jobs.complete(connection, job, f"delivered: {answer.status}")
        log.info("delivery.made", endpoint_id=endpoint_id, topic=message.type, attempts=job.attempts)
        return
    if answer.is_gone:
        async with rooms.database.transaction() as connection:
            await webhook_endpoints.disable(connection, endpoint_id, "it answered 410: it wants no more")
            await jobs.complete(connection, job, "the endpoint answered 410 and was disabled")
        log.warning("notification.disabled", endpoint_id=endpoint_id, reason="it answered 410")
        return
    async with rooms.database.transaction() as connection:
        failing_since = await webhook_endpoints.record_failure(connection, endpoint_id, answer.sentence, now)
        if is_hopeless := deliveries.is_hopeless(failing_since, now):
            reason = f"nothing has arrived since {failing_since:%Y-%m-%d %H:%M} UTC; at last, {answer.sentence}"
            is_hopeless = await webhook_endpoints.disable(connection, endpoint_id, reason)
    if is_hopeless:
        log.error("notification.disabled", endpoint_id=endpoint_id, reason=answer.sentence)
    decision = deliveries.next_attempt(answer, job.attempts, now, random.random())
    if isinstance(decision, GiveUp):
        raise Permanent(decision.reason)
    raise Retryable(decision.reason, decision.at)

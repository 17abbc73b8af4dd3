"""Endpoints of outgoing webhooks, as an operator keeps them: over HTTP and on the command line the same.

Secrets are made here and shown once; addresses are never shown again, since many carry a secret of the receiver's.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from daemon.core import deliveries
from daemon.core.addresses import NotAllowed, check
from daemon.core.deliveries import Answer, Message, Ping
from daemon.core.news import Topic
from daemon.courier.client import Busy, Courier
from daemon.jobs import deliver
from daemon.store import webhook_endpoints
from daemon.store.database import Connection
from daemon.store.webhook_endpoints import Endpoint, Sealed
from daemon.vault import webhook_secrets
from daemon.vault.cipher import Cipher

MOST_ENDPOINTS: Final = 50
LONGEST_DESCRIPTION: Final = 200


class UnknownEndpoint(Exception):
    """There is no such endpoint."""


class Unacceptable(Exception):
    """What was given cannot be stored; says why and what can."""


class Unsaid(Enum):
    """Stands where None says something of its own."""

    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator gives of a new endpoint; `topics` None: every topic, also later ones."""

    url: str
    description: str
    topics: Sequence[Topic] | None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """What of an endpoint shall be otherwise: what is None, of topics UNSAID, stays as it is stored."""

    url: str | None = None
    description: str | None = None
    topics: Sequence[Topic] | Unsaid | None = Unsaid.UNSAID
    is_active: bool | None = None


async def add(connection: Connection, cipher: Cipher, wish: Wish, *, allow_private: bool) -> tuple[Endpoint, str]:
    """Store a new endpoint in the caller's transaction; returns it with its secret. Raises Unacceptable."""
    if await webhook_endpoints.count(connection) >= MOST_ENDPOINTS:
        raise Unacceptable(f"there are {MOST_ENDPOINTS} endpoints already: remove one first")
    endpoint_id = await webhook_endpoints.next_id(connection)
    origin, url = _address(cipher, endpoint_id, wish.url, allow_private=allow_private)
    sealed = Sealed(origin, url, _description(wish.description), _topics(wish.topics))
    secret = secrets.token_bytes(deliveries.SECRET_BYTES)
    stored = await webhook_endpoints.insert(
        connection, endpoint_id, sealed, webhook_secrets.seal_secret(cipher, endpoint_id, secret)
    )
    if not wish.is_active:
        await webhook_endpoints.disable_by_hand(connection, endpoint_id)
        stored = await _held(connection, endpoint_id)
    return stored, deliveries.written(secret)


async def change(
    connection: Connection, cipher: Cipher, endpoint_id: int, wanted: Change, *, allow_private: bool
) -> Endpoint:
    """Replace what was given, in the caller's transaction; raises UnknownEndpoint and Unacceptable."""
    before = await _held(connection, endpoint_id)
    origin, url = before.origin, before.url
    if wanted.url is not None:
        origin, url = _address(cipher, endpoint_id, wanted.url, allow_private=allow_private)
    description = before.description if wanted.description is None else _description(wanted.description)
    topics = before.topics if isinstance(wanted.topics, Unsaid) else _topics(wanted.topics)
    await webhook_endpoints.change(connection, endpoint_id, Sealed(origin, url, description, topics))
    if wanted.is_active:
        await webhook_endpoints.activate(connection, endpoint_id)
    elif wanted.is_active is not None:
        await webhook_endpoints.disable_by_hand(connection, endpoint_id)
    return await _held(connection, endpoint_id)


async def rotate(
    connection: Connection, cipher: Cipher, endpoint_id: int, grace: timedelta, now: datetime
) -> tuple[Endpoint, str]:
    """Make a new secret in the caller's transaction; the one before signs too for as long as `grace`."""
    before = await _held(connection, endpoint_id)
    secret = secrets.token_bytes(deliveries.SECRET_BYTES)
    sealed = webhook_secrets.seal_secret(cipher, endpoint_id, secret)
    await webhook_endpoints.rotate(connection, before, sealed, now + grace if grace else None)
    return await _held(connection, endpoint_id), deliveries.written(secret)


async def remove(connection: Connection, endpoint_id: int) -> None:
    """Forget an endpoint; what waits for it is dropped when its turn comes. Raises UnknownEndpoint."""
    if not await webhook_endpoints.remove(connection, endpoint_id):
        raise _unknown(endpoint_id)


async def find(connection: Connection, endpoint_id: int) -> Endpoint:
    """Return an endpoint; raises UnknownEndpoint."""
    endpoint = await webhook_endpoints.find(connection, endpoint_id)
    if endpoint is None:
        raise _unknown(endpoint_id)
    return endpoint


async def ping(courier: Courier, cipher: Cipher, endpoint: Endpoint, now: datetime) -> Answer:
    """Send a signed message of the type `ping` now, once, also to a disabled endpoint; nothing is kept of it."""
    message = Message("msg_" + secrets.token_hex(16), deliveries.PING, now, asdict(Ping(endpoint.endpoint_id)))
    try:
        return await deliver.send(courier, cipher, endpoint, message, now)
    except Busy:
        return Answer(None, "it has as many deliveries under way as it may have: try again shortly")


async def _held(connection: Connection, endpoint_id: int) -> Endpoint:
    endpoint = await webhook_endpoints.hold(connection, endpoint_id)
    if endpoint is None:
        raise _unknown(endpoint_id)
    return endpoint


def _address(cipher: Cipher, endpoint_id: int, url: str, *, allow_private: bool) -> tuple[str, bytes]:
    try:
        return check(url, allow_private=allow_private), webhook_secrets.seal_url(cipher, endpoint_id, url)
    except NotAllowed as error:
        raise Unacceptable(str(error)) from error


def _description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or "\x00" in text:
        raise Unacceptable(f"a description has at most {LONGEST_DESCRIPTION} characters, without NUL")
    return text


def _topics(topics: Sequence[Topic] | None) -> list[str] | None:
    if topics is not None and not topics:
        raise Unacceptable("give at least one topic, or none at all for every topic")
    return sorted({topic.value for topic in topics}) if topics is not None else None


def _unknown(endpoint_id: int) -> UnknownEndpoint:
    return UnknownEndpoint(f"there is no notification {endpoint_id}: `domestique notifications list` shows all")

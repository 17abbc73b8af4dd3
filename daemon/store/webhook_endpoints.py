"""Where webhooks are sent: addresses and secrets as sealed bytes, and how each endpoint has done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("webhook_endpoints")

ACTIVE: Final = "active"
BY_HAND: Final = "an operator disabled it"  # any other reason is one that nobody may know of yet


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row; `topics` None: every topic. `failing_since` is the first failure since anything arrived."""

    endpoint_id: int
    origin: str
    url: bytes
    description: str
    topics: tuple[str, ...] | None
    secret: bytes
    old_secret: bytes | None
    old_secret_until: datetime | None
    state: str
    state_reason: str | None
    state_since: datetime
    created_at: datetime
    succeeded_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class Listener:
    """An active endpoint as far as fanning out needs it."""

    endpoint_id: int
    topics: frozenset[str] | None
    since: datetime

    def wants(self, topic: str, written_at: datetime) -> bool:
        """Tell whether a piece of news is to be sent to it."""
        return written_at >= self.since and (self.topics is None or topic in self.topics)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What of an endpoint an operator gives, its address sealed."""

    origin: str
    url: bytes
    description: str
    topics: Sequence[str] | None


async def next_id(connection: Connection) -> int:
    """Return the number of the next endpoint: what is sealed names it."""
    number: int = await _queries.next_id(connection)
    return number


async def count(connection: Connection) -> int:
    """Return how many endpoints there are."""
    number: int = await _queries.count(connection)
    return number


async def insert(connection: Connection, endpoint_id: int, sealed: Sealed, secret: bytes) -> Endpoint:
    """Store a new endpoint."""
    row = await _queries.insert(
        connection,
        endpoint_id=endpoint_id,
        origin=sealed.origin,
        url=sealed.url,
        description=sealed.description,
        topics=_topics(sealed.topics),
        secret=secret,
    )
    return _endpoint(row)


async def find(connection: Connection, endpoint_id: int) -> Endpoint | None:
    """Return one endpoint."""
    return _found(await _queries.find(connection, endpoint_id=endpoint_id))


async def hold(connection: Connection, endpoint_id: int) -> Endpoint | None:
    """Return one endpoint and keep others from changing it until the transaction ends."""
    return _found(await _queries.hold(connection, endpoint_id=endpoint_id))


async def list_all(connection: Connection) -> list[Endpoint]:
    """Return every endpoint in the order in which they were made."""
    return [_endpoint(row) for row in await fetched(_queries.list_all(connection))]


async def list_active(connection: Connection) -> list[Listener]:
    """Return who is to be told."""
    rows = await fetched(_queries.list_active(connection))
    return [
        Listener(
            row["endpoint_id"],
            frozenset(row["topics"]) if row["topics"] is not None else None,
            row["state_since"],
        )
        for row in rows
    ]


async def change(connection: Connection, endpoint_id: int, sealed: Sealed) -> None:
    """Replace what an operator has given, of an endpoint that the caller holds."""
    await _queries.change(
        connection,
        endpoint_id=endpoint_id,
        origin=sealed.origin,
        url=sealed.url,
        description=sealed.description,
        topics=_topics(sealed.topics),
    )


async def activate(connection: Connection, endpoint_id: int) -> bool:
    """Send to an endpoint from now on; False where that is so already."""
    return await _queries.activate(connection, endpoint_id=endpoint_id) is not None


async def disable(connection: Connection, endpoint_id: int, reason: str) -> bool:
    """Send nothing more to an endpoint; False where that is so already."""
    return await _queries.disable(connection, endpoint_id=endpoint_id, reason=reason) is not None


async def disable_by_hand(connection: Connection, endpoint_id: int) -> None:
    """Send nothing more to an endpoint that the caller holds, since an operator says so."""
    await _queries.disable_by_hand(connection, endpoint_id=endpoint_id, reason=BY_HAND)


async def rotate(connection: Connection, endpoint: Endpoint, secret: bytes, old_until: datetime | None) -> None:
    """Store a new secret; the one before stays in force until `old_until`, None: it ends at once."""
    await _queries.rotate(
        connection,
        endpoint_id=endpoint.endpoint_id,
        secret=secret,
        old_secret=endpoint.secret if old_until is not None else None,
        old_secret_until=old_until,
    )


async def record_success(connection: Connection, endpoint_id: int, now: datetime) -> None:
    """Keep that something arrived."""
    await _queries.record_success(connection, endpoint_id=endpoint_id, now=now)


async def record_failure(connection: Connection, endpoint_id: int, failure: str, now: datetime) -> datetime | None:
    """Keep that something did not arrive; returns since when nothing has, None where the endpoint is gone."""
    row = await _queries.record_failure(connection, endpoint_id=endpoint_id, failure=failure, now=now)
    return row["failing_since"] if row is not None else None


async def remove(connection: Connection, endpoint_id: int) -> bool:
    """Forget an endpoint; False where there is none."""
    return await _queries.remove(connection, endpoint_id=endpoint_id) is not None


def _topics(topics: Sequence[str] | None) -> list[str] | None:
    return sorted(topics) if topics is not None else None


def _found(row: Any) -> Endpoint | None:
    return _endpoint(row) if row is not None else None


def _endpoint(row: Any) -> Endpoint:
    columns = dict(row)
    return Endpoint(**{**columns, "topics": tuple(columns["topics"]) if columns["topics"] is not None else None})

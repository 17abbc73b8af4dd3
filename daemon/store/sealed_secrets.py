"""Where sealed secrets are stored, all of them, for the change of keys. What is inside, only the vault knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("sealed_secrets")


class Place(StrEnum):
    """The columns that hold secrets, as people call them."""

    REFRESH_TOKENS = "refresh token of athlete"
    ACCESS_TOKENS = "access token of athlete"
    INTERVALS = "key of Intervals.icu of athlete"
    WEBHOOK_ADDRESSES = "address of notification"
    WEBHOOK_SECRETS = "secret of notification"
    OLD_WEBHOOK_SECRETS = "old secret of notification"
    FAREWELL_TOKENS = "token to take leave with of athlete"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """One secret as it is stored; `row_id` is its athlete, or its endpoint."""

    row_id: int
    sealed: bytes


async def page(connection: Connection, place: Place, after: int, most: int) -> list[SealedSecret]:
    """Return up to `most` secrets of a place, in the order of their rows."""
    rows = await fetched(_queries.page(connection, place=place.value, after=after, most=most))
    return [SealedSecret(**row) for row in rows]


async def exchange(connection: Connection, place: Place, secret: SealedSecret, sealed: bytes) -> bool:
    """Store what was sealed anew; False where the row holds another secret by now."""
    change = {"row_id": secret.row_id, "old": secret.sealed, "new": sealed}
    row: object = None
    match place:
        case Place.REFRESH_TOKENS:
            row = await _queries.exchange_refresh_token(connection, **change)
        case Place.ACCESS_TOKENS:
            row = await _queries.exchange_access_token(connection, **change)
        case Place.INTERVALS:
            row = await _queries.exchange_intervals_secret(connection, **change)
        case Place.WEBHOOK_ADDRESSES:
            row = await _queries.exchange_webhook_address(connection, **change)
        case Place.WEBHOOK_SECRETS:
            row = await _queries.exchange_webhook_secret(connection, **change)
        case Place.OLD_WEBHOOK_SECRETS:
            row = await _queries.exchange_old_webhook_secret(connection, **change)
        case Place.FAREWELL_TOKENS:
            row = await _queries.exchange_farewell_token(connection, **change)
    return row is not None


async def count(connection: Connection) -> int:
    """Return how many secrets are stored."""
    found: int = await _queries.count(connection)
    return found

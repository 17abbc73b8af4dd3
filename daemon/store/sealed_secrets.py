"""Where sealed secrets are stored, all of them, for the change of keys. What is inside, only the vault knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("sealed_secrets")


class Place(StrEnum):
    """The columns that hold secrets, as people call them."""

    REFRESH_TOKENS = "refresh token"
    ACCESS_TOKENS = "access token"
    INTERVALS = "key of Intervals.icu"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """One secret as it is stored; `row_id` is its athlete."""

    row_id: int
    sealed: bytes


async def page(connection: Connection, place: Place, after: int, most: int) -> list[SealedSecret]:
    """Return up to `most` secrets of a place, in the order of their rows."""
    rows = await fetched(_queries.page(connection, place=place.value, after=after, most=most))
    return [SealedSecret(**row) for row in rows]


async def exchange(connection: Connection, place: Place, secret: SealedSecret, sealed: bytes) -> bool:
    """Store what was sealed anew; False where the row holds another secret by now."""
    change = {"row_id": secret.row_id, "old": secret.sealed, "new": sealed}
    match place:
        case Place.REFRESH_TOKENS:
            return await _queries.exchange_refresh_token(connection, **change) is not None
        case Place.ACCESS_TOKENS:
            return await _queries.exchange_access_token(connection, **change) is not None
        case Place.INTERVALS:
            return await _queries.exchange_intervals_secret(connection, **change) is not None


async def count(connection: Connection) -> int:
    """Return how many secrets are stored."""
    found: int = await _queries.count(connection)
    return found

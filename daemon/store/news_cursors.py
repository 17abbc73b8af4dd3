"""How far readers that all daemons share have read the outbox: one row each, held by one daemon at a time."""

from __future__ import annotations

from typing import Final

from daemon.store.database import Connection, named_queries
from daemon.store.outbox import Position

_queries: Final = named_queries("news_cursors")


async def open_cursor(connection: Connection, reader: str) -> None:
    """Begin at the end, unless the cursor is there already."""
    await _queries.open(connection, reader=reader)


async def is_behind(connection: Connection, reader: str) -> bool:
    """Return whether there is news after the cursor, and an endpoint that may want it."""
    behind: bool = await _queries.is_behind(connection, reader=reader)
    return behind


async def take(connection: Connection, reader: str) -> Position | None:
    """Return where the cursor stands and hold it; None while another daemon does."""
    row = await _queries.take(connection, reader=reader)
    return Position(row["transaction_id"], row["news_id"]) if row is not None else None


async def advance(connection: Connection, reader: str, position: Position) -> None:
    """Move the cursor that the caller holds."""
    await _queries.advance(
        connection, reader=reader, transaction_id=position.transaction_id, news_id=position.news_id
    )

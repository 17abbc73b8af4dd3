"""News in the order of commits; written in the transaction that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from daemon.core.news import Topic
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("outbox")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has read: a transaction id and an id within it."""

    transaction_id: str = "0"
    news_id: int = 0

    def is_after(self, other: Position) -> bool:
        """Tell whether what stands here is read later."""
        return (int(self.transaction_id), self.news_id) > (int(other.transaction_id), other.news_id)


@dataclass(frozen=True, slots=True)
class News:
    """One piece of news; `position` is where the reader goes on, `topic` may be one of a newer version."""

    position: Position
    topic: str
    athlete_id: int | None
    body: Mapping[str, Any]
    written_at: datetime


async def write(connection: Connection, topic: Topic, athlete_id: int | None, body: Mapping[str, Any]) -> None:
    """Write one piece of news in the caller's transaction; of its body, what `core.news` lists is told outside."""
    await _queries.write(connection, topic=topic.value, athlete_id=athlete_id, body=dict(body))


async def end(connection: Connection) -> Position:
    """Return the position from which only later news is read."""
    return Position(await _queries.horizon(connection), 0)


async def read_after(
    connection: Connection, position: Position, most: int, athlete_id: int | None = None
) -> list[News]:
    """Read news after a position, oldest first, never skipping a slow commit; of one athlete, None: of all."""
    rows = await fetched(
        _queries.read_after(
            connection,
            transaction_id=position.transaction_id,
            news_id=position.news_id,
            most=most,
            athlete_id=athlete_id,
        )
    )
    return [_news(row) for row in rows]


def _news(row: Any) -> News:
    position = Position(row["transaction_id"], row["news_id"])
    return News(position, row["topic"], row["athlete_id"], row["body"], row["written_at"])


async def prune(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` news from before an instant; returns how many."""
    count: int = await _queries.prune(connection, before=before, most=most)
    return count


async def forget_athlete(connection: Connection, athlete_id: int) -> None:
    """Drop all news of an athlete, for his erasure."""
    await _queries.forget_athlete(connection, athlete_id=athlete_id)

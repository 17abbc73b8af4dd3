"""Everything that is held of one athlete, as entries that can be written down; secrets are left where they are.

A table with an athlete's data belongs to a family, or is named among those left out with the reason.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("exports")

PAGE: Final = 100  # activities at a time: some megabytes

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "athlete": ("athletes", "sync_states", "backfills", "intervals_credentials", "web_sessions"),
    "activities": ("activities", "activity_statistics", "activity_loads", "suspicions"),
    "streams": ("activity_streams",),
    "deleted_activities": ("tombstones",),
    "thresholds": ("thresholds",),
    "wellness": ("wellness", "wellness_modifiers"),
    "fitness": ("fitness",),
    "events": ("events",),
    "jobs": ("jobs",),
    "scheduled_looks": ("sync_asks",),
    "news": ("outbox",),
}
LEFT_OUT: Final[Mapping[str, str]] = {
    "credentials": "tokens, sealed: whoever had the export could act as this installation",
    "turns": "which of his jobs runs at this moment, and nothing of him",
    "webhook_budgets": "how many calls events have caused in an hour, and nothing of him",
    "scheduler_runs": "how far a run over everybody has come, by id",
    "farewells": "a sealed token, and only while he is no athlete here",
}


async def athlete(connection: Connection, athlete_id: int) -> dict[str, Any] | None:
    """Return who he is here; None where there is no such athlete."""
    entry: dict[str, Any] | None = await _queries.athlete(connection, athlete_id=athlete_id)
    return entry


async def activities(connection: Connection, athlete_id: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield his activities in pages, each with its statistics and its load."""
    after_id = 0
    while True:
        rows = await fetched(_queries.activities(connection, athlete_id=athlete_id, after_id=after_id, most=PAGE))
        if not rows:
            return
        yield [row["entry"] for row in rows]
        after_id = rows[-1]["entry"]["activity"]["activity_id"]


async def streams(connection: Connection, athlete_id: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the recordings that are still kept: the activity's id and the compressed body of Strava's answer."""
    after_id = 0
    while (row := await _queries.streams(connection, athlete_id=athlete_id, after_id=after_id)) is not None:
        after_id = row["activity_id"]
        yield after_id, row["body"]


async def rows(connection: Connection, athlete_id: int) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each of the other families, by name, with all its entries."""
    yield "deleted_activities", await _entries(_queries.tombstones(connection, athlete_id=athlete_id))
    yield "thresholds", await _entries(_queries.thresholds(connection, athlete_id=athlete_id))
    yield "wellness", await _entries(_queries.wellness(connection, athlete_id=athlete_id))
    yield "fitness", await _entries(_queries.fitness(connection, athlete_id=athlete_id))
    yield "events", await _entries(_queries.events(connection, owner_id=athlete_id))
    yield "jobs", await _entries(_queries.jobs(connection, athlete_id=athlete_id))
    yield "scheduled_looks", await _entries(_queries.asks(connection, athlete_id=athlete_id))
    yield "news", await _entries(_queries.news(connection, athlete_id=athlete_id))


async def _entries(found: AsyncIterator[Any]) -> list[dict[str, Any]]:
    return [row["entry"] for row in await fetched(found)]

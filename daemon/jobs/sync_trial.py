"""A sync by hand: what would be done for one athlete and why, or the sync itself and what came of it.

Independent of who asks: HTTP and the command line show the same. The work is done by the queue as any other, ahead
of all that nobody waits for; this module only queues it and waits, with a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from daemon.clock import Clock
from daemon.core import consent
from daemon.core.admission import Lane
from daemon.core.freshness import Athlete, Occasion, Policy, Proof, Sync, should_sync
from daemon.core.listing import FEW, ONE_PAGE
from daemon.jobs import sync_athlete
from daemon.store import activities, athletes, jobs, outbox, sync_states
from daemon.store.database import Connection, Database
from daemon.store.outbox import Position

LOOKBACK: Final = sync_athlete.AUDIT
LONGEST_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1  # the worker may be another process
SOON: Final = timedelta(seconds=2)
MOST_NEWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done; `obstacle` says why nothing can be, `report` holds the rest, fit for JSON."""

    obstacle: str | None
    lookback: timedelta
    report: dict[str, Any]


async def plan(connection: Connection, athlete_id: int, now: datetime, proof: Proof, policy: Policy) -> Plan | None:
    """Return what a sync would do and why, on every occasion; None for an unknown athlete. Nothing is called."""
    row, known = await athletes.get(connection, athlete_id), await sync_states.get(connection, athlete_id)
    if row is None or known is None:
        return None
    by_hand = should_sync(known, Occasion.MANUAL, now, proof, policy)
    lookback = by_hand.lookback if isinstance(by_hand, Sync) else LOOKBACK
    after_at = now - lookback - sync_athlete.OVERLAP
    span = now - after_at
    waiting = await jobs.list_open(connection, athlete_id, [sync_athlete.dedup_key(athlete_id)])
    obstacle = _obstacle(row)
    report = {
        "athlete_id": athlete_id,
        "name": row["name"],
        "obstacle": obstacle,
        "window": {"after": after_at, "days": round(span / timedelta(days=1), 1)},
        "costs": {
            "list": "1 call" if span <= ONE_PAGE else "1 call for every 200 activities and 1 for the end",
            "more_pages": f"from {FEW} activities in the window on" if span <= ONE_PAGE else None,
            "each_new_activity": "1 call: its streams, or its detail where it was entered by hand",
            "each_edit": "none, or 1 call where its streams are others now",
            "each_absent_activity": "1 call, to see whether it is gone",
        },
        "already_asked_for": bool(waiting),
        "last": _last(known),
        "occasions": {occasion.value: _answer(known, occasion, now, proof, policy) for occasion in Occasion},
    }
    return Plan(obstacle, lookback, report)


def _obstacle(row: dict[str, Any]) -> str | None:
    if row["state"] != "active":
        return f"he needs to connect again: {row['state_reason']}"
    if not consent.ACTIVITIES & set(row["scope"]):
        return "he has not granted his activities: ask for activity:read_all at the next connect"
    return None


def _last(known: Athlete) -> dict[str, datetime | None]:
    names = ("synced_at", "reached_to", "audited_at", "walked_at", "active_at", "event_at", "missed_at")
    return {name: getattr(known, name) for name in names}


def _answer(known: Athlete, occasion: Occasion, now: datetime, proof: Proof, policy: Policy) -> dict[str, Any]:
    decision = should_sync(known, occasion, now, proof, policy)
    if isinstance(decision, Sync):
        days = decision.lookback / timedelta(days=1)
        return {"sync": True, "why": decision.why, "reason": decision.reason, "days": round(days, 1)}
    return {"sync": False, "why": decision.why, "reason": decision.reason}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Whom and what is waited for, from which news on, until which elapsed time."""

    athlete_id: int
    job_id: int
    since: Position
    until: float


class SyncTrial:
    """Performs syncs by hand; `on_queued` wakes the worker, where it is ours."""

    def __init__(self, database: Database, clock: Clock, on_queued: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_queued = on_queued

    async def perform(self, athlete_id: int, lookback: timedelta, seconds: float) -> dict[str, Any] | None:
        """Sync now and report calls, activities and loads; `state` is done, or where it stands after `seconds`.

        `calls` are those that were needed; what the network made Strava be asked twice is in the quota's count. The
        athlete must be without an obstacle; None where he has left since that was looked at.
        """
        began = self._clock.elapsed_seconds()
        new = sync_athlete.new(athlete_id, lookback, Lane.INTERACTIVE, self._clock.now(), "somebody asks for it")
        async with self._database.transaction() as connection:
            since = await outbox.end(connection)
            if not await athletes.hold_known(connection, [athlete_id]):
                return None
            (job_id,) = await jobs.enqueue(connection, [new])
        self._on_queued()
        waiting = _Waiting(athlete_id, job_id, since, began + seconds)
        news = await self._news(waiting)
        report: dict[str, Any] = {"athlete_id": athlete_id, "job_id": job_id}
        if news is None:
            async with self._database.connection() as connection:
                job = await jobs.read(connection, job_id)
            report |= {"state": job["state"] if job is not None else "queued"}
            report |= {"outcome": job["outcome"] if job is not None else None}
        else:
            left = await self._looks_left(waiting, news["caused"])
            report |= {"state": "looking" if left else "done", "still_open": left}
            report |= await self._found(news)
            report["calls"] = news["calls"] + len(news["caused"]) - len(left)
        report["seconds"] = round(self._clock.elapsed_seconds() - began, 2)
        return report

    async def _news(self, waiting: _Waiting) -> dict[str, Any] | None:
        """Wait until the look at the list is settled; returns what it told, None where it died or takes longer."""
        while True:
            async with self._database.connection() as connection:
                job = await jobs.read(connection, waiting.job_id)
                news = await self._told(connection, waiting) if job is None or job["state"] == "done" else None
            is_over = self._clock.elapsed_seconds() >= waiting.until
            if news is not None or is_over or (job is not None and job["state"] == "dead"):
                return news
            await asyncio.sleep(POLL_SECONDS)

    async def _told(self, connection: Connection, waiting: _Waiting) -> dict[str, Any] | None:
        position = waiting.since
        while page := await outbox.read_after(connection, position, MOST_NEWS):
            for news in page:
                if news.topic == sync_athlete.NEWS and news.body["job_id"] == waiting.job_id:
                    return dict(news.body)
            position = page[-1].position
        return None

    async def _looks_left(self, waiting: _Waiting, caused: Collection[str]) -> list[str]:
        """Wait for the looks that followed; returns those that are put off, or not settled in time."""
        while True:
            async with self._database.connection() as connection:
                rows = await jobs.list_open(connection, waiting.athlete_id, caused)
            soon = [row for row in rows if row["run_at"] <= self._clock.now() + SOON]
            if not soon or self._clock.elapsed_seconds() >= waiting.until:
                return sorted(row["dedup_key"] for row in rows)
            await asyncio.sleep(POLL_SECONDS)

    async def _found(self, news: dict[str, Any]) -> dict[str, Any]:
        async with self._database.connection() as connection:
            shown = [
                await _shown(connection, activity_id) | {"is": "new" if activity_id in news["new"] else "edited"}
                for activity_id in (*news["new"], *news["edited"])
            ]
            gone = [
                activity_id
                for activity_id in news["suspected"]
                if await activities.tombstone(connection, activity_id) is not None
            ]
        return {
            "reached_to": news["reached_to"],
            "listed": news["listed"],
            "activities": shown,
            "deleted": gone,
            "missed_webhooks": len(news["missed"]),
        }


async def _shown(connection: Connection, activity_id: int) -> dict[str, Any]:
    row = await activities.get(connection, activity_id) or {}
    load = await activities.load(connection, activity_id) or {}
    names = ("name", "sport_type", "start_at", "streams_state")
    return {
        "activity_id": activity_id,
        **{name: row.get(name) for name in names},
        "method": load.get("method"),
        "load": load.get("utl"),
    }

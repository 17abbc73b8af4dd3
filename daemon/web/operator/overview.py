"""`/overview`: everything that the operator's page shows, in one answer; parts of it at addresses of their own.

Several pages that look every few seconds cost one reading a second: what was read is answered again for so long,
unless somebody asks anew with `Cache-Control: no-cache`, because he has just changed something. This module refuses
to change anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from daemon import __version__
from daemon.clock import Clock
from daemon.core import quota
from daemon.jobs.backlog import Backlog
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.loops.pulse import Pulse
from daemon.store import apps, athletes, events, jobs
from daemon.store.database import Connection, Database
from daemon.web.endpoints import Endpoint, Who, cached
from daemon.web.models.operator import EventRate, FleetStanding, Overview, Queue, Subscription
from daemon.web.operator import standing
from daemon.web.operator.queue import dead_page
from daemon.web.operator.troubles import read_troubles

READ_AGAIN_AFTER_SECONDS: Final = 1.0
MINUTES_SHOWN: Final = 60
DEAD_SHOWN: Final = 20
TAG: Final = "operator"


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are: the Strava app, its windows' lengths, and `schedule.timezone`."""

    client_id: int
    lengths: quota.Lengths
    timezone: str


class OverviewPages:
    """Reads the state of the house; health comes from the pulse, which measures it anyway."""

    def __init__(self, database: Database, pulse: Pulse, place: Place, backlog: Backlog, clock: Clock) -> None:
        self._database = database
        self._pulse = pulse
        self._place = place
        self._backlog = backlog
        self._clock = clock
        self._started_at = clock.now()
        self._reading = asyncio.Lock()
        self._newest: tuple[float, Overview] | None = None  # when it was read, by elapsed time

    def endpoints(self) -> list[Endpoint]:
        """Return the addresses."""
        return [
            Endpoint(
                "GET",
                "/overview",
                self.show,
                Who.READ,
                TAG,
                "Say how everything stands, as the operator's page shows it.",
                Overview,
            ),
            Endpoint(
                "GET",
                "/events/rate",
                self.rate,
                Who.READ,
                TAG,
                "Count the webhook events of the last hour by minute, and those that wait to be folded.",
                EventRate,
            ),
            Endpoint(
                "GET",
                "/subscription",
                self.subscription,
                Who.READ,
                TAG,
                "Say how the push subscription stands, as it was last seen at Strava.",
                Subscription,
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the overview."""
        is_anew = "no-cache" in request.headers.get("Cache-Control", "").lower()
        return cached(request, await self._read(is_anew=is_anew))

    async def rate(self, request: web.Request) -> web.Response:
        """Answer with the events of the last hour."""
        async with self._database.connection() as connection:
            return cached(request, await _event_rate(connection))

    async def subscription(self, request: web.Request) -> web.Response:
        """Answer with the subscription."""
        async with self._database.connection() as connection:
            return cached(request, await self._subscription(connection))

    async def _read(self, *, is_anew: bool) -> Overview:
        asked_at = self._clock.elapsed_seconds()
        async with self._reading:
            newest, now = self._newest, self._clock.elapsed_seconds()
            # Whoever asks anew is served by any reading that began after he asked.
            older_than = asked_at if is_anew else now - READ_AGAIN_AFTER_SECONDS
            if newest is not None and newest[0] > older_than:
                return newest[1]
            async with self._database.connection() as connection:
                overview = await self._read_all(connection)
            self._newest = (now, overview)
            return overview

    async def _read_all(self, connection: Connection) -> Overview:
        now, place = self._clock.now(), self._place
        report = await read_report(connection, place.client_id, place.lengths, CALLS)
        kinds = [standing.of_kind(kind, rows, now) for kind, rows in _by_kind(await jobs.summed_up(connection))]
        return Overview(
            version=__version__,
            started_at=self._started_at,
            health=standing.of_health(self._pulse),
            quota=standing.of_quota(report),
            events=await _event_rate(connection),
            queue=Queue(kinds=kinds, dead=await dead_page(connection, None, None, DEAD_SHOWN)),
            timers=await standing.of_timers(connection, place.timezone),
            athletes=await self._fleet(connection),
            subscription=await self._subscription(connection),
            backfill=standing.of_backfill(await self._backlog.read(connection)),
            troubles=await read_troubles(connection, now),
        )

    async def _fleet(self, connection: Connection) -> FleetStanding:
        counts, picture = await athletes.count_by_state(connection), self._pulse.fleet.picture
        named = [one.athlete_id for one in picture.stalest] if picture is not None else []
        return standing.of_fleet(counts, picture, await athletes.names(connection, named))

    async def _subscription(self, connection: Connection) -> Subscription:
        found = await apps.subscription(connection, self._place.client_id)
        return standing.of_subscription(found, self._pulse)


async def _event_rate(connection: Connection) -> EventRate:
    unfolded, oldest_unfolded_at = await events.unfolded(connection)
    minutes = await events.per_minute(connection, MINUTES_SHOWN)
    return EventRate.model_validate(
        {"minutes": minutes, "unfolded": unfolded, "oldest_unfolded_at": oldest_unfolded_at}
    )


def _by_kind(rows: list[dict[str, Any]]) -> list[tuple[str, dict[str, dict[str, Any]]]]:
    """Return rows by kind, and of each kind by state."""
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], {})[row["state"]] = row
    return list(kinds.items())

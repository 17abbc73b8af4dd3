"""How fresh the fleet is: for how long each athlete's news may be unseen, measured every few minutes.

Health judges by it, and the operator's page shows it.

It refuses to look at anybody: that is the timers' work.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core import fleet
from daemon.core.errors import Retryable
from daemon.core.fleet import Fleet
from daemon.core.freshness import Staleness, summed_up
from daemon.store import receivers, sync_states
from daemon.store.database import Database

log = structlog.get_logger()

EVERY_SECONDS: Final = 120.0
MOST_PER_PAGE: Final = 1_000
MOST_AT_A_STRETCH: Final = 100  # judgements before the event loop has its turn


class FleetStaleness:
    """Keeps `newest` and `picture` current; None before the first measurement."""

    def __init__(self, database: Database, client_id: int, clock: Clock) -> None:
        self._database = database
        self._client_id = client_id
        self._clock = clock
        self.newest: Staleness | None = None
        self.picture: Fleet | None = None

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            try:
                await self.measure()
            except Retryable as error:
                log.warning("staleness.not_measured", reason=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def measure(self) -> None:
        """Measure once, page by page."""
        now, spans, stalest, after = self._clock.now(), list[timedelta](), list[fleet.Unseen](), 0
        async with self._database.connection() as connection:
            proof = await receivers.proof(connection, self._client_id)
        while True:
            async with self._database.connection() as connection:
                page = await sync_states.page(connection, after, MOST_PER_PAGE)
            for begin in range(0, len(page), MOST_AT_A_STRETCH):
                stretch = page[begin : begin + MOST_AT_A_STRETCH]
                judged = [fleet.unseen(athlete, now, proof) for athlete in stretch]
                spans += [fleet.span(one, now) for one in judged]
                stalest = fleet.stalest([*stalest, *judged])
                await asyncio.sleep(0)
            if len(page) < MOST_PER_PAGE:
                break
            after = page[-1].athlete_id
        self.newest = summed_up(spans)
        self.picture = fleet.pictured(now, spans, stalest)

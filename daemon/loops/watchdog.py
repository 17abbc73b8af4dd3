"""The service manager's side of health: feeds its watchdog while that is right, and keeps STATUS true.

It runs on the event loop, so a loop that is blocked feeds nothing. This module refuses to judge.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core.errors import DomestiqueError
from daemon.core.health import Measured
from daemon.core.liveliness import Signs, Traffic, illness, status_line
from daemon.loops.pulse import Pulse
from daemon.loops.supervisor import Supervisor
from daemon.notify import notify, watchdog_seconds
from daemon.store import vitals
from daemon.store.database import Database

log = structlog.get_logger()

EVERY_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 2.0
TRAFFIC_EVERY_SECONDS: Final = 10.0


class Watchdog:
    """Run `run` for as long as the service is up, and no longer: a stop has a deadline of its own."""

    def __init__(self, pulse: Pulse, supervisor: Supervisor, database: Database, clock: Clock) -> None:
        self._pulse = pulse
        self._supervisor = supervisor
        self._database = database
        self._clock = clock
        # Not the clock's elapsed time: that goes on while the machine sleeps, and then nobody is ill.
        self._elapsed = asyncio.get_running_loop().time
        self._within_seconds = watchdog_seconds()
        self._measured: Measured | None = None
        self._measured_at = self._answered_at = self._counted_at = self._elapsed()
        self._ignored_from: float | None = None
        self._traffic: Traffic | None = None
        self._ill: str | None = None
        self._told = ""

    async def run(self) -> None:
        """Feed and tell until cancelled."""
        # Three chances within the time that the manager waits; it may be set shorter than ours.
        every = min(EVERY_SECONDS, (self._within_seconds or EVERY_SECONDS * 3) / 3)
        while True:
            await self._look()
            self._feed()
            await self._tell()
            await asyncio.sleep(every)

    async def _look(self) -> None:
        """See what the pulse found, and where it got no answer, whether others do."""
        measured = self._pulse.health.measured if self._pulse.health is not None else None
        if measured is None or measured is self._measured:
            return
        self._measured, self._measured_at = measured, self._elapsed()
        if measured.database_error is None:
            self._ignored_from = None
        elif await self._answers_others():
            self._ignored_from = self._ignored_from or self._measured_at
        else:
            self._ignored_from = None
            return
        self._answered_at = self._elapsed()

    async def _answers_others(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.connection_of_its_own():
                return True
        except (DomestiqueError, TimeoutError):
            return False

    def _feed(self) -> None:
        if self._within_seconds is None:
            return
        now = self._elapsed()
        ill = illness(
            Signs(
                unmeasured_seconds=now - self._measured_at,
                server_silent_seconds=now - self._answered_at,
                pool_ignored_seconds=now - self._ignored_from if self._ignored_from is not None else 0.0,
                tasks_ended=self._supervisor.lost_a_task,
            )
        )
        if ill is None:
            notify("WATCHDOG=1")
        if ill is not None and self._ill is None:
            log.error("watchdog.starved", reason=ill, restarted_within_seconds=self._within_seconds)
        elif ill is None and self._ill is not None:
            log.info("watchdog.fed_again", was=self._ill)
        self._ill = ill

    async def _tell(self) -> None:
        health, now = self._pulse.health, self._elapsed()
        if health is None:
            return
        if health.measured.database_error is not None:
            self._traffic = None
        elif self._traffic is None or now - self._counted_at >= TRAFFIC_EVERY_SECONDS:
            self._traffic, self._counted_at = await self._count(), now
        line = status_line(health.checks, self._traffic, health.measured.quota)
        if self._ill is not None:
            line = f"about to be restarted: {self._ill}; {line}"
        if line != self._told:
            notify(f"STATUS={line}")
            self._told = line

    async def _count(self) -> Traffic | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.connection() as connection:
                return await vitals.read_traffic(connection, self._clock.now())
        except (DomestiqueError, TimeoutError):
            return None  # health says so already

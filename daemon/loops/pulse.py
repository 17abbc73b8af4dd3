"""The pulse: measures every two seconds, judges, and keeps the verdict for whoever asks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.core import quota
from daemon.core.errors import DomestiqueError
from daemon.core.health import LATE_IN_A_ROW, STALE_AFTER, Check, Measured, Verdict, judge, overall
from daemon.core.instruments import SILENT, Instruments
from daemon.loops.staleness import FleetStaleness
from daemon.store import ledgers, vitals
from daemon.store.database import Database

log = structlog.get_logger()

EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """The last verdict; answering from it costs nothing."""

    measured: Measured
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the worst of the checks."""
        return overall(self.checks)


class Pulse:
    """Keeps `health` current; None before the first beat. `fleet` is measured by itself, and rarely."""

    def __init__(
        self,
        database: Database,
        client_id: int,
        lengths: quota.Lengths,
        shut_reason: Callable[[], quota.Wait | None],
        fleet: FleetStaleness,
        clock: Clock,
        instruments: Instruments = SILENT,
    ) -> None:
        self._database = database
        self._client_id = client_id
        self._lengths = lengths
        self._shut_reason = shut_reason
        self.fleet = fleet
        self._clock = clock
        self._instruments = instruments
        self._lags = deque((0.0,) * LATE_IN_A_ROW, maxlen=LATE_IN_A_ROW)
        self.health: Health | None = None

    def is_stale(self) -> bool:
        """Tell whether the last beat is too old to be believed."""
        return self.health is None or self._clock.now() - self.health.measured.measured_at > STALE_AFTER

    async def beat(self) -> None:
        """Measure once."""
        await self._beat()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            slept_from = self._clock.elapsed_seconds()
            await asyncio.sleep(EVERY_SECONDS)
            lag_seconds = max(0.0, self._clock.elapsed_seconds() - slept_from - EVERY_SECONDS)
            self._instruments.loop_lagged(lag_seconds)
            self._lags.append(lag_seconds)
            await self._beat()

    async def _beat(self) -> None:
        measured = replace(await self._measure(), loop_lag_seconds=min(self._lags))
        before = {check.name: check for check in self.health.checks} if self.health is not None else {}
        self.health = Health(measured, judge(measured, before))
        for check in self.health.checks:
            known = before.get(check.name)
            if (known.verdict if known is not None else Verdict.OK) is not check.verdict:
                log.warning("health.changed", check=check.name, verdict=check.verdict.value, value=check.value)

    async def _measure(self) -> Measured:
        now = self._clock.now()
        try:
            async with asyncio.timeout(EVERY_SECONDS), self._database.connection() as connection:
                found = await vitals.read(connection, self._client_id)
                entry = await ledgers.read(connection, self._client_id)
        except (DomestiqueError, TimeoutError) as error:
            return Measured(measured_at=now, database_error=str(error) or "no answer within 2 s")
        return Measured(
            measured_at=now,
            quota=quota.usage(entry.ledger, entry.read_at, self._lengths) if entry is not None else (),
            shut=self._shut_reason(),
            staleness=self.fleet.newest,
            **found,
        )

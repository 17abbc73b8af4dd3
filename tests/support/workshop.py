"""The rooms that jobs work in, furnished as the daemon's are, with a sandbox for Strava; jobs run when told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.core.admission import LANES, Lane
from daemon.core.quota import Lengths, Limits
from daemon.courier.client import Courier
from daemon.intervals.client import IntervalsClient
from daemon.jobs import sync_athlete
from daemon.jobs.kinds import KINDS
from daemon.jobs.newcomers import Newcomer, admit
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices
from daemon.science.wellness import Weights
from daemon.store import jobs, ledgers, runs
from daemon.store.database import Database
from daemon.store.jobs import NewJob
from daemon.store.runs import NewAsk, Progress
from daemon.strava.client import OAuthClient, StravaClient, open_session
from daemon.strava.wire import AppCredentials
from daemon.vault.cipher import Cipher, new_key
from daemon.vault.tokens import Vault
from tests.support.sandbox import Sandbox

PLENTY = 100_000
PLENTIFUL = ("--overall-limits", f"{PLENTY},{PLENTY}", "--read-limits", f"{PLENTY},{PLENTY}")
KNOWN = ("name", "sex", "ftp", "lthr", "max_hr", "resting_hr", "refresh_token", "access_token", "expires_at")


class Workshop:
    """Jobs of one database against one sandbox."""

    def __init__(self, rooms: Rooms, sandbox: Sandbox, cipher: Cipher, strangers: Iterator[int]) -> None:
        self.rooms = rooms
        self.sandbox = sandbox
        self._cipher = cipher
        self._strangers = strangers

    def stranger(self) -> int:
        """Return an athlete of the sandbox whom no test has used; he is not connected yet."""
        return next(self._strangers)

    async def admit(self, athlete_id: int, *, backfill_days: int = 0, scope: str | None = None) -> None:
        """Import one of the sandbox's athletes, as the command line does."""
        (row,) = [row for row in await self.sandbox.athletes() if row["id"] == athlete_id]
        known = {key: row[key] for key in KNOWN if row[key] is not None}
        newcomer = Newcomer.model_validate({"athlete_id": athlete_id, "scope": scope or row["scope"], **known})
        async with self.rooms.database.transaction() as connection:
            await admit(connection, self._cipher, newcomer, backfill_days, self.rooms.clock.now(), "a test")

    async def queue(self, *queued: NewJob) -> None:
        async with self.rooms.database.transaction() as connection:
            await jobs.enqueue(connection, queued)

    async def step(self, most: int = 1) -> int:
        """Claim and run what is due, one after the other; returns how many. Errors are the test's."""
        async with self.rooms.database.connection() as connection:
            claimed = await jobs.claim_due(connection, KINDS, LANES, LANES, lease_seconds=60, most=most)
        for job in claimed:
            await KINDS[job.kind](job, self.rooms)
        return len(claimed)

    async def work_off(self) -> None:
        """Run what is due, and what follows from it, until nothing is."""
        while await self.step():
            pass

    async def sync(
        self, athlete_id: int, lookback: timedelta = timedelta(days=14), lane: Lane = Lane.SCHEDULED
    ) -> None:
        """Look at an athlete's list, and at all that follows from it."""
        await self.queue(sync_athlete.new(athlete_id, lookback, lane, self.rooms.clock.now(), "a test"))
        await self.work_off()

    async def ask(self, athlete_id: int, lookback: timedelta, job: str = "daily_sync") -> None:
        """Let a run of a scheduled job ask for an athlete."""
        async with self.rooms.database.transaction() as connection:
            await runs.request(connection, job, "manual")
            run = await runs.take_waiting(connection, [job], lease_seconds=60)
            assert run is not None
            new = NewAsk(athlete_id, "stale", "a test", round(lookback.total_seconds()), urgency=1.0)
            await runs.advance(connection, run, Progress(athlete_id, True, 1, {}, 0, 0), [new])
            await runs.mark_asked(connection, run, {athlete_id: f"a job of {job}"})

    async def spent(self, athlete_id: int) -> Counter[str]:
        """Return how many calls for this athlete the sandbox has answered, by endpoint."""
        entries = await self.sandbox.requests(20_000)
        return Counter(entry["endpoint"] for entry in entries if entry["athlete_id"] == athlete_id)

    async def value(self, sql: str, *values: Any) -> Any:
        async with self.rooms.database.connection() as connection:
            return await connection.fetchval(sql, *values)

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.rooms.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]


@asynccontextmanager
async def furnished(
    database: Database, sandbox: Sandbox, calculator: Calculator, strangers: Iterator[int]
) -> AsyncIterator[Workshop]:
    """Furnish the rooms for one test."""
    clock, cipher = SystemClock(), Cipher((new_key(),))
    async with database.connection() as connection:
        await ledgers.open_ledger(connection, sandbox.client_id, Limits(PLENTY, PLENTY, PLENTY, PLENTY))
    async with open_session() as session, Courier(allow_private=True) as courier:
        credentials = AppCredentials(sandbox.client_id, SecretStr(sandbox.client_secret))
        rooms = Rooms(
            database=database,
            strava=StravaClient(session, sandbox.api_url),
            vault=Vault(database, OAuthClient(session, sandbox.oauth_url, credentials), cipher, clock),
            gate=Gate(database, sandbox.client_id, Lengths(), Pace(1000.0, 8), clock),
            calculator=calculator,
            clock=clock,
            streams_days=7,
            choices=Choices(GradeModel.STRAVA, Weights(), Basis.UTL),
            cipher=cipher,
            intervals=IntervalsClient(session, "http://127.0.0.1:1", 5.0, clock),  # nobody is there
            courier=courier,
        )
        yield Workshop(rooms, sandbox, cipher, strangers)

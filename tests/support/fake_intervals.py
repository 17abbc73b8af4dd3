"""A fake Intervals.icu inside the test's own process, over a real socket, and the rooms of a job that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import aiohttp
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from daemon.clock import Clock
from daemon.intervals.client import IntervalsClient
from daemon.intervals.wire import Credential
from daemon.jobs.rooms import Rooms
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices
from daemon.science.wellness import Weights
from daemon.store.database import Database
from daemon.vault.cipher import Cipher, new_key
from sandbox.options import parse_options
from sandbox.server import build
from sandbox.strava import FakeStrava
from sandbox.world import Athlete

CIPHER = Cipher([new_key()])
WEIGHTS = Weights()


class ServedIntervals:
    """The fake, its first athlete, and the address of its API."""

    def __init__(self, strava: FakeStrava, url: str, session: aiohttp.ClientSession) -> None:
        self.strava = strava
        self.intervals = strava.intervals
        self.athlete: Athlete = next(iter(strava.world.athletes.values()))
        self.url = url
        self.session = session

    @property
    def key(self) -> Credential:
        return Credential("api_key", SecretStr(self.intervals.key(self.athlete.id, "api_key")))

    def asked(self, endpoint: str = "wellness") -> int:
        """Return how many calls came, refused ones too."""
        return self.strava.journal.endpoints[endpoint]

    def fault(self, kind: str, count: int | None = None, seconds: float = 1.0, endpoint: str = "wellness") -> None:
        self.strava.switches.switch_on(
            endpoint=endpoint, kind=kind, count=count, rate=1.0, athlete_id=None, seconds=seconds
        )

    def client(self, clock: Clock) -> IntervalsClient:
        return IntervalsClient(self.session, self.url, 1000.0, clock)

    def rooms(self, database: Database, clock: Clock, client: IntervalsClient | None = None) -> Rooms:
        return cast(
            Rooms,
            SimpleNamespace(
                database=database,
                clock=clock,
                cipher=CIPHER,
                choices=Choices(GradeModel.STRAVA, WEIGHTS, Basis.UTL),
                intervals=client or self.client(clock),
            ),
        )


@asynccontextmanager
async def served_intervals(*flags: str) -> AsyncIterator[ServedIntervals]:
    """Serve a sandbox with one athlete, whose account this is."""
    strava = FakeStrava(parse_options(["--athletes", "1", "--history-days", "0", *flags]))
    strava.populate()
    async with TestServer(build(strava)) as server, aiohttp.ClientSession() as session:
        yield ServedIntervals(strava, str(server.make_url("/api/v1")), session)

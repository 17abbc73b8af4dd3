"""One calling process of `bench.quota`: it asks for activities and streams without end, behind one of the limiters.

Its plan comes as a line of JSON on stdin, a second line lets it begin, and the end of stdin ends it, so that no
caller outlives the bench. What it does goes to stdout line by line, unbuffered: kill -9 takes nothing back of that.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import structlog
import uvloop
from aiolimiter import AsyncLimiter
from pydantic import SecretStr

from daemon.clock import SystemClock
from daemon.core.admission import Admission, Answered, Lane, Permit
from daemon.core.errors import DomestiqueError, QuotaSpent
from daemon.core.quota import Lengths
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.store.database import Database
from daemon.strava.client import StravaClient, open_session

OURS, STRAVALIB, BUCKET = "domestique", "stravalib", "AsyncLimiter"
SHUT_SECONDS = 0.05  # how often a shut lane is looked at again
# Detail shows the meters, streams do not: both in one step, or either alone.
MIX = (("activity", "streams"), ("activity",), ("streams",))


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process is to do; `quarter_limit` is for the limiter that must be told, ours asks Strava."""

    limiter: str
    api_url: str
    access_token: str
    activity_ids: list[int]
    database: dict[str, Any]
    client_id: int
    quarter_seconds: int
    day_seconds: int
    quarter_limit: int
    requests_per_second: float
    side_by_side: int
    live_per_second: float
    seed: int


def tell(*words: object) -> None:
    """Write one line that survives a kill."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


@dataclass(frozen=True, slots=True)
class Told(Admission):
    """A step whose permits are told; `asked_at` is when the step was asked for, by the event loop's clock."""

    step: Admission
    number: int
    lane: Lane
    asked_at: float

    async def permit(self) -> Permit:
        """Pass a permit on; for the live lane with the seconds since the step was asked for."""
        permit = await self.step.permit()
        tell("sent", self.number)
        if self.lane is Lane.LIVE:
            tell("live", asyncio.get_running_loop().time() - self.asked_at)
        return ToldPermit(permit, self.number)


@dataclass(frozen=True, slots=True)
class ToldPermit(Permit):
    """A permit whose answer is told."""

    permit: Permit
    number: int

    async def answered(self, answer: Answered) -> None:
        """Pass the answer on."""
        try:
            await self.permit.answered(answer)
        finally:
            tell("answered", self.number)

    async def lost(self) -> None:
        """Pass on that there will be none."""
        await self.permit.lost()
        tell("answered", self.number)


class Ours:
    """Backfill without end and live work now and then, through the gate."""

    def __init__(self, plan: Plan, gate: Gate, strava: StravaClient) -> None:
        self._plan = plan
        self._gate = gate
        self._strava = strava
        self._token = SecretStr(plan.access_token)
        self._random = random.Random(plan.seed)
        self._numbers = itertools.count()

    async def backfill(self) -> None:
        """Take the next step as soon as the lane is open, for ever."""
        while True:
            while Lane.BACKFILL not in self._gate.open_lanes():  # noqa: ASYNC110  (the gate has no event for it)
                await asyncio.sleep(SHUT_SECONDS)
            await self._step(Lane.BACKFILL, self._random.choice(MIX))

    async def live(self) -> None:
        """Ask for one activity at random instants; one that comes while the lane is shut is told and dropped."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._plan.live_per_second))
            if Lane.LIVE in self._gate.open_lanes():
                await self._step(Lane.LIVE, ("activity",))
            else:
                tell("held_back")

    async def _step(self, lane: Lane, calls: tuple[str, ...]) -> None:
        number, asked_at = next(self._numbers), asyncio.get_running_loop().time()
        try:
            async with self._gate.step(lane, len(calls)) as step:
                tell("enter", number, len(calls))
                told = Told(step, number, lane, asked_at)
                for call in calls:
                    activity_id = self._random.choice(self._plan.activity_ids)
                    if call == "activity":
                        await self._strava.activity(self._token, activity_id, told)
                    else:
                        await self._strava.streams(self._token, activity_id, told)
        except QuotaSpent:
            if lane is Lane.LIVE:
                tell("held_back")
            await asyncio.sleep(SHUT_SECONDS)
        except DomestiqueError:
            await asyncio.sleep(SHUT_SECONDS)  # a fault of the sandbox's: the queue would have it again later
        finally:
            tell("exit", number)


async def through_the_gate(plan: Plan) -> None:
    """Call through our gate, with twice as many steps waiting as may run."""
    pace = Pace(plan.requests_per_second, plan.side_by_side)
    lengths = Lengths(plan.quarter_seconds, plan.day_seconds)
    async with Database(plan.database, 4) as database, open_session() as session:
        gate = Gate(database, plan.client_id, lengths, pace, SystemClock())
        ours = Ours(plan, gate, StravaClient(session, plan.api_url))
        await asyncio.to_thread(begin)
        async with asyncio.TaskGroup() as group:
            group.create_task(ours.live())
            for _ in range(2 * plan.side_by_side):
                group.create_task(ours.backfill())


async def through_a_bucket(plan: Plan) -> None:
    """Call through aiolimiter with the quarter's limit, as many at once as ours; after a refusal comes the next."""
    limiter = AsyncLimiter(plan.quarter_limit, plan.quarter_seconds)
    chance = random.Random(plan.seed)
    headers = {"Authorization": f"Bearer {plan.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call() -> None:
            while True:
                for path in paths(plan, chance):
                    async with limiter:
                        try:
                            async with session.get(plan.api_url + path) as response:
                                await response.read()
                        except aiohttp.ClientError:
                            await asyncio.sleep(SHUT_SECONDS)

        await asyncio.to_thread(begin)
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.side_by_side):
                group.create_task(call())


def through_stravalib(plan: Plan) -> None:
    """Call through stravalib and its default limiter, which is told of our short windows and nothing else."""
    import requests  # noqa: PLC0415  (a second to import, and the others need none of it)
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from stravalib import exc  # noqa: PLC0415
    from stravalib.protocol import ApiV3  # noqa: PLC0415
    from stravalib.util import limiter  # noqa: PLC0415

    site = "https://www.strava.com"

    class ToSandbox(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
            request.url = (request.url or "").replace(f"{site}/api/v3", plan.api_url, 1)
            return super().send(request, *args, **named)

    # The library's own rounding: a second less than a quarter has left, and whole seconds of a day.
    def until_quarter(now: object = None) -> int:
        return plan.quarter_seconds - 1 - int(time.time() % plan.quarter_seconds)

    def until_day(now: object = None) -> int:
        return int(plan.day_seconds - time.time() % plan.day_seconds)

    limiter.get_seconds_until_next_quarter = until_quarter
    limiter.get_seconds_until_next_day = until_day
    logging.disable(logging.CRITICAL)
    chance = random.Random(plan.seed)
    with requests.Session() as session:
        session.mount(site, ToSandbox())
        strava = ApiV3(
            plan.access_token, requests_session=session, rate_limiter=limiter.DefaultRateLimiter(),
            token_expires=int(time.time()) + 86_400, refresh_token="none",
        )  # fmt: skip
        begin()
        while True:
            for path in paths(plan, chance):
                try:
                    strava.get(path)
                except (exc.Fault, requests.RequestException, ValueError):
                    time.sleep(SHUT_SECONDS)


def paths(plan: Plan, chance: random.Random) -> list[str]:
    """Draw the next paths under the API's address, in the same mix for everybody."""
    activity_id = chance.choice(plan.activity_ids)
    streams = f"/activities/{activity_id}/streams?keys=time,heartrate,watts&key_by_type=true"
    return [f"/activities/{activity_id}" if call == "activity" else streams for call in chance.choice(MIX)]


def begin() -> None:
    """Say that all is ready and wait for the word; from then on the end of stdin ends this process."""
    tell("ready")
    if not sys.stdin.readline():
        os._exit(0)
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Read the plan and call until ended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # stdout is ours
    plan = Plan(**orjson.loads(sys.stdin.readline()))
    if plan.limiter == STRAVALIB:
        through_stravalib(plan)
    else:
        uvloop.run(through_the_gate(plan) if plan.limiter == OURS else through_a_bucket(plan))


if __name__ == "__main__":
    main()

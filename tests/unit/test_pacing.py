"""Pacing: within a lane in order of arrival, between lanes the higher first, and live past all of them."""

from __future__ import annotations

import asyncio

from daemon.core.admission import LANES, Lane
from daemon.limiter.pacing import Pace, Pacing


async def paced(pacing: Pacing, lane: Lane, gone: list[Lane]) -> None:
    await pacing.wait(lane)
    gone.append(lane)


async def test_a_live_request_passes_everybody_who_waits() -> None:
    pacing, gone = Pacing(Pace(requests_per_second=20.0, concurrency=8)), list[Lane]()
    async with asyncio.TaskGroup() as group:
        for _ in range(25):
            group.create_task(paced(pacing, Lane.BACKFILL, gone))
        while len(gone) < 14:  # the bucket is as empty as backfill may make it
            await asyncio.sleep(0)
        before = len(gone)
        await paced(pacing, Lane.LIVE, gone)
        assert gone.index(Lane.LIVE) - before <= 1
    assert len(gone) == 26


async def test_whoever_waits_in_a_higher_lane_goes_first() -> None:
    pacing, gone = Pacing(Pace(requests_per_second=50.0, concurrency=8)), list[Lane]()
    async with asyncio.TaskGroup() as group:
        for _ in range(40):
            group.create_task(paced(pacing, Lane.BACKFILL, gone))
        while not gone:
            await asyncio.sleep(0)
        for lane in (Lane.SCHEDULED, Lane.INTERACTIVE, Lane.SCHEDULED):
            group.create_task(paced(pacing, lane, gone))
    above = [lane for lane in gone if lane is not Lane.BACKFILL]
    assert above == sorted(above, key=LANES.index)
    assert gone[-1] is Lane.BACKFILL


async def test_a_slow_pace_lets_every_lane_through_in_the_end() -> None:
    pacing, gone = Pacing(Pace(requests_per_second=1.5, concurrency=1)), list[Lane]()
    async with asyncio.timeout(60):
        for lane in LANES[:2]:
            await paced(pacing, lane, gone)
    assert gone == list(LANES[:2])

"""How fast requests follow each other within a window: evenly, in lane order, with room kept for what is live."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aiolimiter import AsyncLimiter

from daemon.core.admission import Lane
from daemon.limiter.turns import Turns

LIVE_SHARE: Final = 0.3  # of the burst, which only live requests may use


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests may follow each other, and how many steps run side by side."""

    requests_per_second: float
    concurrency: int


class Pacing:
    """A bucket of about a second's worth; the lower lanes never empty it, so a live request finds some left."""

    def __init__(self, pace: Pace) -> None:
        self._seconds_each = 1.0 / pace.requests_per_second
        burst = max(2.0, pace.requests_per_second)
        self._bucket = AsyncLimiter(burst, burst * self._seconds_each)
        self._needed = min(burst, 1.0 + max(1.0, LIVE_SHARE * burst))  # free capacity before a lower lane goes
        self._turns = Turns(1)

    async def wait(self, lane: Lane) -> None:
        """Return when this request may go."""
        if lane is Lane.LIVE:
            await self._bucket.acquire()
            return
        async with self._turns.turn(lane):
            # The bucket has no way to wait for more than one request's room without taking it.
            while not self._bucket.has_capacity(self._needed):  # noqa: ASYNC110
                await asyncio.sleep(self._seconds_each / 4)
            await self._bucket.acquire()

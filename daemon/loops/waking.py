"""How whoever reads the outbox waits: until somebody says that there may be news, and not for long."""

from __future__ import annotations

import asyncio
from typing import Final

POLL_SECONDS: Final = 1.0  # for news that other daemons made
GATHER_SECONDS: Final = 0.05  # many jobs end at once: one look for all of their news


async def woken_or_due(woken: asyncio.Event) -> None:
    """Return a moment after `woken` was set, and after POLL_SECONDS in any case; whoever waits clears it."""
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
    except TimeoutError:
        pass

"""For how long a server that does not answer is left alone: pure, from how often it has failed in a row.

Refuses to tell an outage from one bad connection before the third: a call that fails is tried again by the queue.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

FAILURES: Final = 3  # in a row, of all who asked: before, nobody is kept from asking
SHORTEST: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(minutes=5)  # so that it is soon found to be back


def quiet_for(failures: int) -> timedelta:
    """Return how long nobody asks after so many failures in a row: none at first, then twice as long each time."""
    if failures < FAILURES:
        return timedelta(0)
    doublings: int = min(failures - FAILURES, 20)
    return min(SHORTEST * (1 << doublings), LONGEST)

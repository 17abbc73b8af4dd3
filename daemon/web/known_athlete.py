"""Whether there is an athlete whom an address is about."""

from __future__ import annotations

from typing import Any

from daemon.store import athletes
from daemon.store.database import Connection
from daemon.web.problems import UNKNOWN_ATHLETE, Refused


async def known(connection: Connection, athlete_id: int) -> dict[str, Any]:
    """Return his row; raises Refused."""
    athlete = await athletes.get(connection, athlete_id)
    if athlete is None:
        raise nobody(athlete_id)
    return athlete


def nobody(athlete_id: int) -> Refused:
    """Return the refusal for an athlete whom we do not have."""
    return Refused(
        UNKNOWN_ATHLETE, f"athlete {athlete_id} is not connected here: `domestique athletes list` shows who is"
    )

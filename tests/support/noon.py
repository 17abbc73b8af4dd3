"""The quota as it is in the middle of Strava's day, whatever the hour: late in the evening nothing is kept back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from daemon.core.quota import Demand, Lengths
from daemon.limiter.gate import read_with_demand
from daemon.store import ledgers
from daemon.store.database import Connection


async def read_at_noon(connection: Connection, client_id: int, lengths: Lengths) -> tuple[ledgers.Entry, Demand]:
    """Read as `read_with_demand` does; the ledger's clock, which is the database's, stands at noon."""
    entry, demand = await read_with_demand(connection, client_id, lengths)
    noon_at = entry.read_at.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return replace(entry, read_at=noon_at), demand

"""The quota ledger as a row; what its columns mean together is `core.quota`'s to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from daemon.core.admission import LANES
from daemon.core.errors import Retryable
from daemon.core.quota import Ledger, Limits, PastHour, PastQuarter, Window
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("quota_ledgers")
_WINDOW_COLUMNS: Final = tuple(Window.__dataclass_fields__)
_LIMIT_COLUMNS: Final = tuple(Limits.__dataclass_fields__)
_OTHER_COLUMNS: Final = (
    "limits_learned", "offset_low_seconds", "offset_high_seconds", "offset_at", "inactive_until", "cold_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger as it was read: at which version, and when by the database's clock."""

    ledger: Ledger
    version: int
    read_at: datetime


async def open_ledger(connection: Connection, client_id: int, limits: Limits) -> None:
    """Make the app's row where there is none; configured limits yield to those that Strava has shown."""
    columns = {f"{name}_limit": getattr(limits, name) for name in _LIMIT_COLUMNS}
    await _queries.open(connection, client_id=client_id, **columns)


async def read(connection: Connection, client_id: int) -> Entry | None:
    """Read the row; None before `open_ledger`."""
    row = await _queries.read(connection, client_id=client_id)
    return Entry(_ledger(row), row["version"], row["read_at"]) if row is not None else None


async def require(connection: Connection, client_id: int) -> Entry:
    """Read the row, which opening the database has made; raises Retryable where it is gone."""
    entry = await read(connection, client_id)
    if entry is None:
        raise Retryable("the quota ledger has no row for this app: was the database emptied?")
    return entry


async def write(
    connection: Connection, client_id: int, entry: Entry, changed: Ledger, past: PastQuarter | None = None
) -> bool:
    """Write the ledger if nobody changed it since it was read, and at once; False means: read again.

    `past` is the quarter that this change ends: it is kept as history.
    """
    columns = {**_columns(changed), "decided_at": entry.read_at}
    row = await _queries.write(
        connection,
        client_id=client_id,
        version=entry.version,
        columns=columns,
        past_quarter=None if past is None else _past_columns(past),
    )
    return row is not None


async def past_hours(connection: Connection, client_id: int, since: datetime) -> list[PastHour]:
    """Return what each recorded hour since an instant has needed, the oldest first."""
    rows = await fetched(_queries.past_hours(connection, client_id=client_id, since=since))
    return [PastHour(row["began_at"], row["seconds"], tuple(row[lane] for lane in LANES)) for row in rows]


async def calls_since(connection: Connection, client_id: int, since: datetime) -> int:
    """Return how many permits were given in the quarters that began since an instant and are over."""
    count: int = await _queries.calls_since(connection, client_id=client_id, since=since)
    return count


async def prune_past(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` quarters that began before an instant; returns how many."""
    count: int = await _queries.prune_past(connection, before=before, most=most)
    return count


def _ledger(row: Mapping[str, Any]) -> Ledger:
    def window(prefix: str) -> Window:
        values = {name: row[f"{prefix}_{name}"] for name in _WINDOW_COLUMNS}
        return Window(**{**values, "by_lane": tuple(values["by_lane"])})

    return Ledger(
        limits=Limits(**{name: row[f"{name}_limit"] for name in _LIMIT_COLUMNS}),
        quarter=window("quarter"),
        day=window("day"),
        **{name: row[name] for name in _OTHER_COLUMNS},
    )


def _columns(ledger: Ledger) -> dict[str, Any]:
    columns = {f"{name}_limit": value for name, value in asdict(ledger.limits).items()}
    for prefix, window in (("quarter", ledger.quarter), ("day", ledger.day)):
        columns |= {f"{prefix}_{name}": value for name, value in asdict(window).items()}
    return columns | {name: getattr(ledger, name) for name in _OTHER_COLUMNS}


def _past_columns(past: PastQuarter) -> dict[str, Any]:
    by_lane = {lane.value: count for lane, count in zip(LANES, past.by_lane, strict=True)}
    return {"began_at": past.began_at, "seconds": past.seconds, "others": past.others, **by_lane}

"""The quota ledger as a row; what its columns mean together is `core.quota`'s to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from daemon.core.quota import Ledger, Limits, Window
from daemon.store.database import Connection, named_queries

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


async def write(connection: Connection, client_id: int, entry: Entry, changed: Ledger) -> bool:
    """Write the ledger if nobody changed it since it was read, and at once; False means: read again."""
    columns = {**_columns(changed), "decided_at": entry.read_at}
    row = await _queries.write(connection, client_id=client_id, version=entry.version, columns=columns)
    return row is not None


def _ledger(row: Mapping[str, Any]) -> Ledger:
    def window(prefix: str) -> Window:
        return Window(**{name: row[f"{prefix}_{name}"] for name in _WINDOW_COLUMNS})

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

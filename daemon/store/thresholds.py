"""Thresholds: rows with a date from which they count. Which of them is in force, `science.lineage` says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from daemon.science.evidence import Kind
from daemon.science.lineage import MANUAL, Entry
from daemon.science.thresholds import Row
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("thresholds")


async def put(
    connection: Connection,
    athlete_id: int,
    kind: str,
    value: float,
    *,
    method: str,
    effective_on: date,
    explanation: str = "",
    evidence: Mapping[str, Any],
) -> bool:
    """Store a value that was set by hand or imported, in the unit of its kind; of one day the last one stands.

    Returns whether it says something new.
    `kind` ftp (W), critical_speed, css (m/s), lthr, max_hr, resting_hr (bpm).
    """
    row = await _queries.put(
        connection,
        athlete_id=athlete_id,
        kind=kind,
        value=value,
        method=method,
        effective_on=effective_on,
        explanation=explanation,
        evidence=dict(evidence),
    )
    return row is not None


async def set_manual(
    connection: Connection, athlete_id: int, kind: Kind, value: float, effective_on: date, *, by: str, now: datetime
) -> None:
    """Set a value by hand from a local day on; another one of that day is withdrawn and stays in the history."""
    await fetched(
        _queries.withdraw(
            connection, athlete_id=athlete_id, kind=kind.value, effective_on=effective_on, but_value=value, at=now
        )
    )
    await put(
        connection,
        athlete_id,
        kind.value,
        value,
        method=MANUAL,
        effective_on=effective_on,
        explanation="Set by hand: it wins until it is withdrawn.",
        evidence={"source": by},
    )


async def withdraw(
    connection: Connection, athlete_id: int, kind: Kind, effective_on: date | None, now: datetime
) -> date | None:
    """Withdraw the manual values of a kind, all or that of one day; returns the first day that this touches."""
    rows = await fetched(
        _queries.withdraw(
            connection, athlete_id=athlete_id, kind=kind.value, effective_on=effective_on, but_value=None, at=now
        )
    )
    return min((row["effective_on"] for row in rows), default=None)


async def add(connection: Connection, athlete_id: int, row: Row, written_on: date) -> int:
    """Add what a fit has decided; returns the row's id."""
    threshold_id: int = await _queries.add(
        connection,
        athlete_id=athlete_id,
        kind=row.kind.value,
        value=row.value,
        standard_error=row.standard_error,
        method=row.method,
        effective_on=row.effective_on,
        written_on=written_on,
        suggested=row.suggested,
        assumed=row.assumed,
        explanation=row.explanation,
        evidence=dict(row.evidence),
    )
    return threshold_id


async def entries(connection: Connection, athlete_id: int) -> list[Entry]:
    """Return an athlete's rows that were not withdrawn, the oldest written first."""
    rows = await fetched(_queries.entries(connection, athlete_id=athlete_id))
    return [Entry(**{**row, "kind": Kind(row["kind"])}) for row in rows]


async def history(connection: Connection, athlete_id: int) -> list[dict[str, Any]]:
    """Return every row that was ever written, by kind and date, with what explains it."""
    return [dict(row) for row in await fetched(_queries.history(connection, athlete_id=athlete_id))]


async def assumed_ids(connection: Connection, athlete_id: int) -> frozenset[int]:
    """Return the rows that follow from a rule of thumb, whatever became of them."""
    rows = await fetched(_queries.assumed_ids(connection, athlete_id=athlete_id))
    return frozenset(row["threshold_id"] for row in rows)


async def get(connection: Connection, threshold_id: int) -> dict[str, Any] | None:
    """Return one row with what explains it."""
    row = await _queries.get(connection, threshold_id=threshold_id)
    return dict(row) if row is not None else None

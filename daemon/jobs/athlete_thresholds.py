"""An athlete's thresholds as people see and set them, for the command line and the admin API.

A value that was set by hand wins from its date until it is withdrawn; either way the loads since then are asked to
be computed again. Refuses to decide anything: `science.thresholds` does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from daemon.core.admission import Lane
from daemon.core.errors import Permanent
from daemon.core.news import Topic
from daemon.jobs import local_days, recompute_load
from daemon.science.evidence import Kind
from daemon.science.lineage import MANUAL, entries_on
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.science.validation import ACCEPTED, UNITS
from daemon.store import athletes, jobs, outbox, thresholds
from daemon.store.database import Connection


class UnknownAthlete(Permanent):
    """There is no such athlete here."""


class Unacceptable(Permanent):
    """What was asked for cannot be; the text says what can."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is in force on the athlete's today by kind, everything that was ever written, and what is doubtful."""

    athlete_id: int
    today: date
    in_force: Mapping[str, Mapping[str, Any]]
    history: list[dict[str, Any]]
    doubts: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


async def report(connection: Connection, athlete_id: int, now: datetime) -> Report:
    """Return what is known of an athlete's thresholds; raises UnknownAthlete."""
    athlete = await _athlete(connection, athlete_id)
    today = await local_days.today(connection, athlete_id, now)
    entries = await thresholds.entries(connection, athlete_id)
    in_force = {entry.threshold_id for entry in entries_on(entries, today).values()}
    automatic = [entry for entry in entries if entry.method != MANUAL]
    waiting = {entry.threshold_id for entry in entries_on(automatic, today).values()}
    rows = await thresholds.history(connection, athlete_id)
    for row in rows:
        row["unit"] = UNITS[Kind(row["kind"])]
        row["state"] = _state(row, today, in_force, waiting)
    return Report(
        athlete_id=athlete_id,
        today=today,
        in_force={row["kind"]: row for row in rows if row["state"] == "in force"},
        history=rows,
        doubts=athlete["threshold_doubts"],
    )


def _state(row: Mapping[str, Any], today: date, in_force: Collection[int], waiting: Collection[int]) -> str:
    """Name what a row is today; the newest automatic row waits where it was written behind a manual one."""
    if row["withdrawn_at"] is not None:
        return "withdrawn"
    if row["threshold_id"] in in_force:
        return "in force"
    if row["effective_on"] > today:
        return "to come"
    return "suggested" if row["suggested"] and row["threshold_id"] in waiting else "past"


async def set_value(
    connection: Connection,
    athlete_id: int,
    kind: Kind,
    value: float,
    effective_on: date | None,
    *,
    by: str,
    now: datetime,
) -> date:
    """Set a value by hand in the caller's transaction, from a local day (None: today) on; returns that day.

    Raises UnknownAthlete, and Unacceptable where the value is out of its bounds.
    """
    lowest, highest = ACCEPTED[kind]
    if not lowest <= value <= highest:
        raise Unacceptable(f"{kind} must be {lowest:g} to {highest:g} {UNITS[kind]}, not {value:g}")
    if effective_on is not None and effective_on < FROM_THE_BEGINNING:
        raise Unacceptable(f"a value counts from {FROM_THE_BEGINNING} on at the earliest")
    await athletes.lock(connection, athlete_id)
    await _athlete(connection, athlete_id)
    from_on = effective_on or await local_days.today(connection, athlete_id, now)
    await thresholds.set_manual(connection, athlete_id, kind, value, from_on, by=by, now=now)
    await _follow(connection, athlete_id, kind, from_on, "was set by hand", now)
    return from_on


async def withdraw(
    connection: Connection, athlete_id: int, kind: Kind, effective_on: date | None, now: datetime
) -> date:
    """Withdraw the manual values of a kind (or that of one day) in the caller's transaction; returns the first day.

    What fits have suggested meanwhile counts from then on. Raises UnknownAthlete, Unacceptable where there is none.
    """
    await athletes.lock(connection, athlete_id)
    await _athlete(connection, athlete_id)
    from_on = await thresholds.withdraw(connection, athlete_id, kind, effective_on, now)
    if from_on is None:
        of_day = f" from {effective_on}" if effective_on is not None else ""
        raise Unacceptable(f"athlete {athlete_id} has no manual {kind}{of_day} that could be withdrawn")
    await _follow(connection, athlete_id, kind, from_on, "was withdrawn", now)
    return from_on


async def _follow(
    connection: Connection, athlete_id: int, kind: Kind, from_on: date, what: str, now: datetime
) -> None:
    job = recompute_load.new(athlete_id, from_on, f"{kind} {what}", now, Lane.INTERACTIVE)
    await jobs.enqueue(connection, [job])
    news = {"kinds": [kind.value], "from_on": from_on, "reason": what}
    await outbox.write(connection, Topic.THRESHOLDS_CHANGED, athlete_id, news)


async def _athlete(connection: Connection, athlete_id: int) -> dict[str, Any]:
    athlete = await athletes.get(connection, athlete_id)
    if athlete is None:
        raise UnknownAthlete(f"athlete {athlete_id} is not connected here")
    return athlete

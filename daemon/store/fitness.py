"""Fitness day by day, as it was last computed, and the loads that it follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from daemon.science.fitness import DayLoad, Fitness
from daemon.store.database import Connection, fetched, named_queries

_queries: Final = named_queries("fitness")


async def state_on(connection: Connection, athlete_id: int, on_day: date) -> Fitness | None:
    """Return the state at the end of a local day, as stored."""
    row = await _queries.state_on(connection, athlete_id=athlete_id, on_day=on_day)
    return _fitness(row) if row is not None else None


async def last_on(connection: Connection, athlete_id: int) -> date | None:
    """Return the last day that is stored."""
    on: date | None = await _queries.last_on(connection, athlete_id=athlete_id)
    return on


async def first_load_on(connection: Connection, athlete_id: int, last_on: date) -> date | None:
    """Return the local day of the athlete's first load, if he has one up to a day."""
    on: date | None = await _queries.first_load_on(connection, athlete_id=athlete_id, last_on=last_on)
    return on


async def loads_between(connection: Connection, athlete_id: int, first_on: date, last_on: date) -> list[DayLoad]:
    """Return every activity's load in those local days; those that no method could score are not among them."""
    rows = await fetched(
        _queries.loads_between(connection, athlete_id=athlete_id, first_on=first_on, last_on=last_on)
    )
    return [DayLoad(on=row["on_day"], raw=row["raw"], utl=row["utl"]) for row in rows]


async def replace(connection: Connection, athlete_id: int, from_on: date, days: Sequence[Fitness]) -> None:
    """Store these days in place of all that is stored from a day on; no days leave nothing from there on."""
    first_on, last_on = (days[0].on, days[-1].on) if days else (date.max, date.min)
    await _queries.forget_from(
        connection, athlete_id=athlete_id, from_on=from_on, first_on=first_on, last_on=last_on
    )
    if days:
        await _queries.put(
            connection,
            athlete_id=athlete_id,
            days=[day.on for day in days],
            loads=[day.load for day in days],
            ctls=[day.ctl for day in days],
            atls=[day.atl for day in days],
            tsbs=[day.tsb for day in days],
        )


async def list_from(connection: Connection, athlete_id: int, from_on: date) -> list[Fitness]:
    """Return the stored days from one on."""
    rows = await fetched(_queries.list_from(connection, athlete_id=athlete_id, from_on=from_on))
    return [_fitness(row) for row in rows]


def _fitness(row: Any) -> Fitness:
    return Fitness(on=row["on_day"], load=row["load"], ctl=row["ctl"], atl=row["atl"], tsb=row["tsb"])

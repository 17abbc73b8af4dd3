"""Compute an athlete's stored loads again from a local day on: no call, no stream, only what is kept.

How far it has come is a mark on the athlete. Each job brings the mark one slice further, in the transaction that
stores the slice's loads, and queues the next job: between two slices whatever is live goes first, and a slice that
dies in the middle has not happened. Whoever asks again meanwhile moves the mark back as far as he needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson
import structlog

from daemon.compute.calculator import Calculator
from daemon.core.admission import Lane
from daemon.core.news import Topic
from daemon.jobs import follow_fitness, load_results, local_days
from daemon.jobs.rooms import Rooms
from daemon.science.fitness import DayLoad, Fitness, follow
from daemon.science.scoring import Choices, Known
from daemon.store import activities, athletes, fitness, jobs, outbox
from daemon.store.activities import Slice
from daemon.store.database import Connection
from daemon.store.jobs import Job, NewJob

log = structlog.get_logger()

KIND: Final = "recompute_load"
MOST_PER_SLICE: Final = 200  # about 40 ms of the worker process, which an activity's statistics wait for at most


def new(
    athlete_id: int,
    from_on: date,
    reason: str,
    run_at: datetime,
    lane: Lane = Lane.SCHEDULED,
    *,
    fitness_too: bool = False,
) -> NewJob:
    """Make the job that begins it; asks for the same day are one job, others join the work that is under way.

    Fitness follows from the first load that changed; `fitness_too`: from that day on although none did.
    """
    payload: dict[str, str | None] = {"from_on": from_on.isoformat(), "reason": reason}
    if fitness_too:  # absent otherwise, so that another ask for the same day does not take it back
        payload["fitness_from"] = from_on.isoformat()
    return _job(athlete_id, from_on.isoformat(), payload, run_at, lane)


async def run(job: Job, rooms: Rooms) -> None:
    """Do one slice."""
    assert job.serial_key is not None
    athlete_id, reason, asked = job.serial_key, str(job.payload["reason"]), job.payload["from_on"]
    from_on = date.fromisoformat(asked) if asked is not None else None
    async with rooms.database.connection() as connection:
        athlete = await athletes.get(connection, athlete_id)
        marks = [day for day in (from_on, athlete["loads_dirty_from"] if athlete else None) if day is not None]
        if not marks:
            await jobs.complete(connection, job, "all is done")
            return
        begins_on = min(marks)
        part, known = await _slice(connection, athlete_id, begins_on)
    # No connection is held here: there are more slices that wait for the one worker process than connections.
    loads = await rooms.calculator.rescore(part.rows, known, rooms.choices)
    now = rooms.clock.now()
    async with rooms.database.transaction() as connection:
        # The athlete's turn is ours, so nobody else has moved the mark or stored an activity; a threshold that was
        # set meanwhile has queued a job of its own.
        await athletes.move_loads_mark(connection, athlete_id, part.next_on)
        changed = await activities.put_loads(connection, loads, now)
        if "fitness_from" in job.payload:
            await athletes.dirty_fitness(connection, athlete_id, date.fromisoformat(job.payload["fitness_from"]))
        if changed:
            await athletes.dirty_fitness(connection, athlete_id, min(changed))
            news = {"from_on": min(changed), "changed": len(changed), "reason": reason}
            await outbox.write(connection, Topic.LOADS_RECOMPUTED, athlete_id, news)
        if part.next_on is not None:
            follow_up = _job(athlete_id, "rest", {"from_on": None, "reason": reason}, now, job.lane)
        else:
            follow_up = follow_fitness.new(athlete_id, job.lane, now)
        await jobs.enqueue(connection, [follow_up])
        goes_on = f"; it goes on from {part.next_on}" if part.next_on is not None else ""
        await jobs.complete(
            connection,
            job,
            f"{reason}: {len(changed)} of {part.activities} loads from {begins_on} changed{goes_on}",
        )
    log.info(
        "loads.recomputed",
        reason=reason,
        from_on=begins_on,
        next_on=part.next_on,
        activities=part.activities,
        changed=len(changed),
    )


def _job(athlete_id: int, part: str, payload: dict[str, str | None], run_at: datetime, lane: Lane) -> NewJob:
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{athlete_id}:{part}",
        run_at=run_at,
        serial_key=athlete_id,
        payload=payload,
        asks_strava=False,
        while_resting=True,
    )


async def _slice(connection: Connection, athlete_id: int, from_on: date) -> tuple[Slice, Known]:
    part = await activities.totals_from(connection, athlete_id, from_on, MOST_PER_SLICE)
    first_on, last_on = part.first_on or from_on, part.last_on or from_on
    return part, await load_results.known_of(connection, athlete_id, first_on, last_on)


def by_hand(athlete_id: int, from_on: date, now: datetime, lane: Lane) -> NewJob:
    """Make the job that a person asks for: fitness follows from that day on in any case."""
    return new(athlete_id, from_on, "asked for by hand", now, lane, fitness_too=True)


@dataclass(frozen=True, slots=True)
class Change:
    """What a recompute would make of one load; None where there is none."""

    activity_id: int
    local_on: date
    sport_type: str
    name: str
    method_before: str
    method_after: str
    raw_before: float | None
    raw_after: float | None
    utl_before: float | None
    utl_after: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a recompute would do: the loads that it changes, the sums of all that it computes, fitness today."""

    athlete_id: int
    from_on: date
    activities: int
    changes: Sequence[Change]
    total_before: float
    total_after: float
    fitness_before: Fitness | None
    fitness_after: Fitness | None

    def summary(self) -> dict[str, Any]:
        """Return it as plain data, with the number of the changes in their place."""
        return {
            "athlete_id": self.athlete_id,
            "from_on": self.from_on,
            "activities": self.activities,
            "changed": len(self.changes),
            "total_before": self.total_before,
            "total_after": self.total_after,
            "fitness_before": asdict(self.fitness_before) if self.fitness_before is not None else None,
            "fitness_after": asdict(self.fitness_after) if self.fitness_after is not None else None,
        }


async def preview(
    connection: Connection,
    calculator: Calculator,
    athlete_id: int,
    from_on: date,
    now: datetime,
    choices: Choices,
) -> Preview | None:
    """Compute everything as `run` would, and store nothing; None: there is no such athlete."""
    if await athletes.get(connection, athlete_id) is None:
        return None
    today = await local_days.today(connection, athlete_id, now)
    stored = {row["activity_id"]: row for row in await activities.loads_from(connection, athlete_id, from_on)}
    changes, after = list[Change](), dict[int, DayLoad]()
    begins_on: date | None = from_on
    while begins_on is not None:
        part, known = await _slice(connection, athlete_id, begins_on)
        for load in orjson.loads(await calculator.rescore(part.rows, known, choices)):
            row = stored.get(load["activity_id"])
            if row is None:  # stored without a load: there is nothing to compare
                continue
            change = _change(row, load)
            after[change.activity_id] = DayLoad(change.local_on, change.raw_after or 0.0, change.utl_after or 0.0)
            if (change.method_before, change.utl_before, change.raw_before) != (
                change.method_after,
                change.utl_after,
                change.raw_after,
            ):
                changes.append(change)
        begins_on = part.next_on
    before = {key: DayLoad(row["local_on"], row["raw"] or 0.0, row["utl"] or 0.0) for key, row in stored.items()}
    history = await fitness.loads_between(connection, athlete_id, date.min, from_on - timedelta(days=1))
    return Preview(
        athlete_id=athlete_id,
        from_on=from_on,
        activities=len(stored),
        changes=changes,
        total_before=sum(load.utl for load in before.values()),
        total_after=sum(load.utl for load in {**before, **after}.values()),
        fitness_before=_today([*history, *before.values()], today, choices),
        fitness_after=_today([*history, *{**before, **after}.values()], today, choices),
    )


def _change(row: dict[str, Any], load: dict[str, Any]) -> Change:
    raw = load["raw"]
    return Change(
        activity_id=row["activity_id"],
        local_on=row["local_on"],
        sport_type=row["sport_type"],
        name=row["name"],
        method_before=row["method"],
        method_after=load["method"],
        raw_before=row["raw"],
        raw_after=raw,
        utl_before=row["utl"],
        utl_after=raw * load["modifier"] if raw is not None else None,
    )


def _today(loads: Sequence[DayLoad], today: date, choices: Choices) -> Fitness | None:
    days = [load.on for load in loads if load.on <= today]
    return follow(loads, choices.basis, min(days), today, None)[-1] if days else None

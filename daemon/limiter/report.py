"""The state of the quota for people: every meter and window, every lane, what is to come, and what waits.

It refuses to take a permit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.core import quota
from daemon.core.admission import LANES, Lane
from daemon.limiter.gate import read_with_demand
from daemon.store import jobs, ledgers
from daemon.store.database import Connection

A_STEP = 2  # what most steps ask for: detail and streams


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane: permits given, whether a step would be admitted now, and the work that waits in it.

    `calls_waiting` is an estimate: some looks take one call instead of two. `done_at` is when they will have been
    made if the lanes above go on needing what they have been needing; None where nobody can tell.
    """

    lane: Lane
    used_this_quarter: int
    used_today: int
    shut: quota.Wait | None
    jobs_waiting: int
    calls_waiting: int
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """Everything at one instant of the database's clock; offsets bound how far Strava's clock is ahead of it."""

    measured_at: datetime
    limits_learned: bool
    offset_seconds: tuple[float, float]
    meters: tuple[quota.MeterUsage, ...]
    lanes: tuple[LaneState, ...]
    forecast: quota.Forecast

    def outlook(self) -> str:
        """Say when the day's budget ends."""
        pace, ends_at = self.forecast.calls_an_hour, self.forecast.day_ends_at
        if ends_at is None:
            return f"at the last hour's pace of {pace:.0f} calls the day's budget lasts"
        if ends_at <= self.measured_at:
            return "the day's budget is spent"
        return f"at the last hour's pace of {pace:.0f} calls the day's budget ends at {ends_at:%H:%M} UTC"


async def read_report(
    connection: Connection, client_id: int, lengths: quota.Lengths, calls_of: Mapping[str, int]
) -> QuotaReport:
    """Read the state; `calls_of` says how many calls a kind of job takes. Raises Retryable without a ledger."""
    entry, demand = await read_with_demand(connection, client_id, lengths)
    now, ledger = entry.read_at, quota.roll(entry.ledger, entry.read_at, lengths)
    past = await ledgers.calls_since(connection, client_id, now - timedelta(hours=1))
    waiting = await jobs.backlog(connection)
    states, calls_before = [], 0
    for place, lane in enumerate(LANES):
        rows = [row for row in waiting if row["lane"] == lane.value]
        calls = sum(row["jobs"] * calls_of.get(row["kind"], 1) for row in rows)
        calls_before += calls  # the lanes above go first
        done_at = quota.drained_at(ledger, calls_before, lane, now, lengths, demand) if calls else None
        states.append(
            LaneState(
                lane=lane,
                used_this_quarter=ledger.quarter.by_lane[place],
                used_today=ledger.day.by_lane[place],
                shut=quota.shut_until(ledger, quota.Ask(lane, A_STEP), now, lengths, demand),
                jobs_waiting=sum(row["jobs"] for row in rows),
                calls_waiting=calls,
                done_at=done_at,
            )
        )
    return QuotaReport(
        measured_at=now,
        limits_learned=ledger.limits_learned,
        offset_seconds=quota.offset_bounds(ledger, now, lengths),
        meters=quota.usage(ledger, now, lengths, demand),
        lanes=tuple(states),
        forecast=quota.forecast(ledger, past + ledger.quarter.charged, now, lengths),
    )


async def backfill_done_at(
    connection: Connection, client_id: int, lengths: quota.Lengths, calls_of: Mapping[str, int], calls: int
) -> datetime | None:
    """Return about when `calls` of history will have been made, all other work first; None: nobody can tell."""
    if calls == 0:
        return None
    entry, demand = await read_with_demand(connection, client_id, lengths)
    rows = await jobs.backlog(connection)
    before = sum(row["jobs"] * calls_of.get(row["kind"], 1) for row in rows if row["lane"] != Lane.BACKFILL.value)
    return quota.drained_at(entry.ledger, before + calls, Lane.BACKFILL, entry.read_at, lengths, demand)

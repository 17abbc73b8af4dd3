"""From what was read to what is told: each part of the overview as its model.

Estimates are told to the minute: one that moved by a second would make every answer a new one. This module refuses
to decide what is well: health and the quota's report have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from daemon.core.admission import LANES
from daemon.core.fleet import EDGES_HOURS, Fleet
from daemon.core.health import Verdict, headline
from daemon.core.schedule import TIMERS
from daemon.jobs.backlog import Left
from daemon.limiter.report import LaneState, QuotaReport
from daemon.loops.pulse import Pulse
from daemon.store import runs, timers
from daemon.store.database import Connection
from daemon.web.models.health import Check
from daemon.web.models.operator import (
    BackfillStanding,
    Band,
    FleetStanding,
    Health,
    KindStanding,
    Meter,
    QuotaStanding,
    RunFigures,
    StaleAthlete,
    Subscription,
    TimerStanding,
)
from daemon.web.models.quota import LaneNow

NOT_MEASURED: Final = "Nothing is measured now: wait a few seconds; if this stays, restart the service."
SUBSCRIPTION_CHECK: Final = "subscription"


def of_health(pulse: Pulse) -> Health:
    """Return all checks as of the last beat."""
    health = pulse.health
    if health is None or pulse.is_stale():
        return Health(status=Verdict.FAILING, says=NOT_MEASURED, troubled=[], fine=[])
    order = list(Verdict)
    troubled = sorted(
        (check for check in health.checks if check.verdict is not Verdict.OK),
        key=lambda check: (-order.index(check.verdict), check.since),
    )
    return Health(
        status=health.verdict,
        says=headline(health.checks),
        troubled=[Check.of(check) for check in troubled],
        fine=[check.name for check in health.checks if check.verdict is Verdict.OK],
    )


def of_quota(report: QuotaReport) -> QuotaStanding:
    """Return the quota's report, which counts permits by lane."""
    return QuotaStanding(
        limits_learned=report.limits_learned,
        meters=[
            Meter.model_validate(
                {
                    "window": row.window,
                    "meter": row.meter,
                    "limit": row.limit,
                    "used": row.used,
                    "left": row.left,
                    "used_by_others": row.used_by_others,
                    "reserved": row.reserved,
                    "by_lane": {lane.value: count for lane, count in zip(LANES, row.by_lane, strict=True)},
                    "resets_at": row.resets_at.replace(microsecond=0),
                }
            )
            for row in report.meters
        ],
        lanes=[_of_lane(state) for state in report.lanes],
        outlook=report.outlook(),
    )


def _of_lane(state: LaneState) -> LaneNow:
    lane = LaneNow.of(state)
    shut_until = lane.shut_until.replace(microsecond=0) if lane.shut_until is not None else None
    return lane.model_copy(update={"shut_until": shut_until, "done_at": _to_the_minute(lane.done_at)})


def of_kind(kind: str, states: Mapping[str, Mapping[str, Any]], now: datetime) -> KindStanding:
    """Return one kind of job, from a row of each state in which it stands."""
    queued, dead = states.get("queued"), states.get("dead")
    oldest_at = queued["oldest_at"] if queued is not None else None
    return KindStanding(
        kind=kind,
        queued=queued["jobs"] if queued is not None else 0,
        running=states["running"]["jobs"] if "running" in states else 0,
        dead=dead["jobs"] if dead is not None else 0,
        failing=sum(row["failing"] for row in states.values()),
        oldest_due_at=oldest_at if oldest_at is not None and oldest_at <= now else None,
        oldest_dead_at=dead["oldest_at"] if dead is not None else None,
    )


async def of_timers(connection: Connection, timezone: str) -> list[TimerStanding]:
    """Read every scheduled job with its next due time and its newest run."""
    planned = {timer.job: timer for timer in await timers.list_all(connection)}
    newest = await runs.newest_of_each(connection, list(TIMERS))
    return [
        TimerStanding(
            job=timer.job,
            does=timer.does,
            timing=str(timer.timing),
            timezone=timezone,
            due_at=planned[timer.job].due_at if timer.job in planned else None,
            starts_at=planned[timer.job].starts_at if timer.job in planned else None,
            last_run=_of_run(newest[timer.job]) if timer.job in newest else None,
        )
        for timer in TIMERS.values()
    ]


def _of_run(row: Mapping[str, Any]) -> RunFigures:
    return RunFigures.model_validate({name: row[name] for name in RunFigures.model_fields})


def of_fleet(counts: Mapping[str, int], picture: Fleet | None, names: Mapping[int, str | None]) -> FleetStanding:
    """Return the fleet as it was last measured; an athlete who is gone since is left out."""
    edges: list[int | None] = [0, *EDGES_HOURS, None]
    bands = picture.bands if picture is not None else (0,) * (len(edges) - 1)
    return FleetStanding(
        active=counts.get("active", 0),
        needs_authorization=counts.get("needs_authorization", 0),
        measured_at=picture.measured_at if picture is not None else None,
        proven=picture.proven if picture is not None else 0,
        bands=[
            Band(from_hours=low or 0, to_hours=high, athletes=count)
            for low, high, count in zip(edges[:-1], edges[1:], bands, strict=True)
        ],
        stalest=[
            StaleAthlete(
                athlete_id=one.athlete_id,
                name=names[one.athlete_id],
                unseen_since=one.since,
                why=one.why,
                reason=one.reason,
            )
            for one in (picture.stalest if picture is not None else ())
            if one.athlete_id in names
        ],
    )


def of_subscription(found: Mapping[str, Any], pulse: Pulse) -> Subscription:
    """Return the subscription, judged as health judges it."""
    checks = pulse.health.checks if pulse.health is not None else ()
    check = next((check for check in checks if check.name == SUBSCRIPTION_CHECK), None)
    is_well = check is None or check.verdict is Verdict.OK
    return Subscription.model_validate(
        {**found, "status": check.verdict if check is not None else Verdict.OK,
         "advice": None if is_well or check is None else check.advice}
    )  # fmt: skip


def of_backfill(left: Left) -> BackfillStanding:
    """Return how far histories have come."""
    found = left.sums
    return BackfillStanding(
        listing=found["listing"],
        fetching=found["fetching"],
        finished=found["finished"],
        refused=found["refused"],
        found=found["found"],
        failed=found["failed"],
        left=found["unlooked"],
        left_at_least=left.is_more,
        done_at=_to_the_minute(left.done_at),
    )


def _to_the_minute(at: datetime | None) -> datetime | None:
    """Return the whole minute that is not before an instant."""
    return (at + timedelta(seconds=59.999999)).replace(second=0, microsecond=0) if at is not None else None

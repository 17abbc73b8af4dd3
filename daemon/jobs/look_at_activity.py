"""Look at one activity: ask Strava, let the answer decide, store what it means in one transaction.

No event is believed, so this may run at any time, any number of times, in any order: the second look at an
unchanged activity writes nothing. Late streams get looks of their own (`look_at_streams`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import structlog

from daemon.core.admission import Lane
from daemon.core.errors import NotFound, QuotaSpent
from daemon.core.events import Look
from daemon.core.look import Bury, Known, Shape, missing, streams_expected, streams_needed
from daemon.core.news import Topic
from daemon.jobs import activity_results, follow_fitness
from daemon.jobs.activity_results import Findings
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Step
from daemon.science.versions import STATISTICS_VERSION
from daemon.store import activities, athletes, jobs, outbox
from daemon.store.jobs import Job, NewJob
from daemon.strava.wire import Activity

log = structlog.get_logger()

KIND: Final = "look_at_activity"


def new(look: Look, lane: Lane, run_at: datetime, received_at: datetime | None = None) -> NewJob:
    """Make the job that carries out a look; `received_at` is when the event came that asks for it, if one does."""
    assert look.activity_id is not None
    received = {"received_at": received_at.timestamp()} if received_at is not None else {}
    return NewJob(
        kind=KIND,
        lane=lane,
        dedup_key=f"{KIND}:{look.activity_id}:{look.athlete_id}",
        run_at=run_at,
        serial_key=look.athlete_id,
        payload={
            "activity_id": look.activity_id,
            "hinted_at": look.event_at.timestamp(),
            "expects_gone": look.expects_gone,
            **received,
        },
    )


async def run(job: Job, rooms: Rooms) -> None:
    """Carry the look out; raises what the rooms raise, and settles the job itself on success."""
    assert job.serial_key is not None
    athlete_id, activity_id = job.serial_key, int(job.payload["activity_id"])
    async with rooms.database.connection() as connection:
        known = await activities.known(connection, activity_id, athlete_id)
    both = streams_expected(known, STATISTICS_VERSION) and not job.payload["expects_gone"]
    async with rooms.gate.step(job.lane, calls=2 if both else 1) as step:
        try:
            activity = await rooms.vault.call(
                athlete_id, lambda token: rooms.strava.activity(token, activity_id, step)
            )
        except NotFound:
            await _settle_missing(job, rooms, activity_id, known)
            return
        if activity.athlete_id != athlete_id:
            await _settle_foreign(job, rooms, activity)
            return
        findings = await _streams(job, rooms, step, activity, known)
    # The event was sent when it became visible; one that is dated ahead has a clock of its own.
    visible_at = min(datetime.fromtimestamp(job.payload["hinted_at"], UTC), rooms.clock.now())
    await activity_results.settle(
        job, rooms, activity_results.columns_of(activity), findings, visible_at=visible_at
    )
    if "received_at" in job.payload:
        # Merged into a twin that waited already, the job has waited for longer than its newest event.
        received_at = min(job.payload["received_at"], job.queued_at.timestamp())
        rooms.instruments.load_stored(job.lane, rooms.clock.now().timestamp() - received_at)


async def _streams(job: Job, rooms: Rooms, step: Step, activity: Activity, known: Known | None) -> Findings:
    shape = Shape(**{name: getattr(activity, name) for name in Shape.__dataclass_fields__})
    if not streams_needed(known, shape, STATISTICS_VERSION, manual=activity.manual):
        if known is not None and known.shape == shape:
            return activity_results.UNCHANGED
        return activity_results.NO_STREAMS
    try:
        return await activity_results.fetch_streams(
            rooms, activity.athlete_id, activity.activity_id, step, looked=0
        )
    except QuotaSpent as refusal:
        # The detail is paid for: keep it, and come back for the streams alone.
        log.info("streams.deferred", until=refusal.until, reason=str(refusal))
        return Findings(body=None, streams_state="wanted", look_again_at=refusal.until, looked=0)


async def _settle_missing(job: Job, rooms: Rooms, activity_id: int, known: Known | None) -> None:
    assert job.serial_key is not None
    now = rooms.clock.now()
    decision = missing(
        seen=known is not None,
        expects_gone=bool(job.payload["expects_gone"]),
        hinted_at=datetime.fromtimestamp(job.payload["hinted_at"], UTC),
        attempts=job.attempts,
        now=now,
    )
    async with rooms.database.transaction() as connection:
        if not isinstance(decision, Bury):
            await jobs.requeue(connection, job, decision.at, "Strava does not show it yet")
            log.info("activity.not_found_yet", again_at=decision.at)
            return
        lost_on = await activities.bury(connection, activity_id, job.serial_key, decision.reason, now)
        if lost_on is not None:
            await athletes.dirty_fitness(connection, job.serial_key, lost_on)
            await jobs.enqueue(connection, [follow_fitness.new(job.serial_key, job.lane, now)])
            await outbox.write(connection, Topic.ACTIVITY_DELETED, job.serial_key, {"activity_id": activity_id})
        await jobs.complete(connection, job, decision.reason)
    log.info("activity.buried", reason=decision.reason)


async def _settle_foreign(job: Job, rooms: Rooms, activity: Activity) -> None:
    """Somebody else's activity under this athlete's name: a forged event, or a mistake. Nothing is kept."""
    async with rooms.database.transaction() as connection:
        await jobs.complete(connection, job, "it belongs to another athlete")
    log.warning("activity.found_foreign", owner_id=activity.athlete_id)

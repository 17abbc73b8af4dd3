"""What is told to whoever operates: health, quota, queue, timers, and how the fleet does.

Instants are absolute, so that an answer that says the same is the same: what is late is for the reader to count.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from daemon.core.health import Verdict
from daemon.core.remedies import Stage
from daemon.core.subscription import State
from daemon.web.endpoints import Model, Query
from daemon.web.models.health import Check
from daemon.web.models.quota import LaneNow

MOST_ON_A_PAGE = 200

LaneName = Literal["live", "interactive", "scheduled", "backfill"]
AthleteState = Literal["active", "needs_authorization"]
KindName = Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]


class Health(Model):
    """All checks in a sentence, those that do not pass (the worst first), and the names of those that do."""

    status: Verdict
    says: str
    troubled: list[Check]
    fine: list[str]


class Meter(Model):
    """One meter in one window: what is used by which lane, by others, and kept from the lowest lane."""

    window: Literal["quarter", "day"]
    meter: Literal["overall", "read"]
    limit: int
    used: int
    left: int
    used_by_others: int
    reserved: int
    by_lane: dict[LaneName, int]
    resets_at: datetime


class QuotaStanding(Model):
    """Every meter, every lane, and what is to come."""

    limits_learned: bool
    meters: list[Meter]
    lanes: list[LaneNow]
    outlook: str


class Minute(Model):
    """How many events came in a minute; `ignored` were foreign, malformed or of nobody we know."""

    minute_at: datetime
    events: int
    ignored: int


class EventRate(Model):
    """The last hour, minute by minute (the last one is not over), and what waits to be folded."""

    minutes: list[Minute]
    unfolded: int
    oldest_unfolded_at: datetime | None


class KindStanding(Model):
    """A kind of job: how many stand where; `failing` of the queued and running have failed before."""

    kind: str
    queued: int
    running: int
    dead: int
    failing: int
    oldest_due_at: datetime | None
    oldest_dead_at: datetime | None


class JobRow(Model):
    """One job; `advice` says what to do about what it failed with, None while it has not."""

    job_id: int
    kind: str
    lane: LaneName
    state: Literal["queued", "running", "dead"]
    athlete_id: int | None
    activity_id: int | None
    attempts: int
    run_at: datetime
    died_at: datetime | None
    outcome: str | None
    advice: str | None


class Jobs(Model):
    """A page of jobs; `next` is the cursor of the next one, None at the end."""

    items: list[JobRow]
    next: str | None


class Queue(Model):
    """The queue by kind, and the newest of the dead."""

    kinds: list[KindStanding]
    dead: Jobs


class RunFigures(Model):
    """The newest run of a timer, with its figures so far; `open` looks are still under way."""

    run_id: int
    trigger: Literal["timer", "manual", "api"]
    state: Literal["waiting", "running", "finished", "failed"]
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    considered: int
    open: int
    synced: int
    failed: int
    calls: int
    new_activities: int
    result: str | None
    error: str | None


class TimerStanding(Model):
    """One scheduled job; it begins at `starts_at`, a little after it is due."""

    job: str
    does: str
    timing: str
    timezone: str
    due_at: datetime | None
    starts_at: datetime | None
    last_run: RunFigures | None


class Band(Model):
    """How many athletes' news may be unseen for that long; `to_hours` None: longer still."""

    from_hours: int
    to_hours: int | None
    athletes: int


class StaleAthlete(Model):
    """An athlete whose news may be unseen since an instant, and why nothing vouches for his events."""

    athlete_id: int
    name: str | None
    unseen_since: datetime
    why: str
    reason: str


class FleetStanding(Model):
    """The athletes by state, and by how long their news may be unseen, as measured every two minutes.

    `proven` are those whose webhooks are proven to reach us; nothing is measured before `measured_at` is told.
    """

    active: int
    needs_authorization: int
    measured_at: datetime | None
    proven: int
    bands: list[Band]
    stalest: list[StaleAthlete]


class Subscription(Model):
    """The app's push subscription, as the last look at Strava found it; `advice` None: nothing to do."""

    status: Verdict
    subscription_id: int | None
    state: State | None
    detail: str | None
    advice: str | None
    checked_at: datetime | None
    verified_at: datetime | None
    since: datetime | None


class BackfillStanding(Model):
    """How far histories have come; `left` activities are counted up to a bound, `left_at_least` says if it was met.

    `done_at` is about when the quota will have carried them.
    """

    listing: int
    fetching: int
    finished: int
    refused: int
    found: int
    failed: int
    left: int
    left_at_least: bool
    done_at: datetime | None


class TroubleRow(Model):
    """What failed alike, how often, and what to do; `where` is a kind of job, a timer or "connections"."""

    where: str
    stage: Stage
    sentence: str
    advice: str
    count: int
    newest_at: datetime | None
    next_at: datetime | None
    athlete_id: int | None


class Overview(Model):
    """Everything that the operator's page shows."""

    version: str
    started_at: datetime
    health: Health
    quota: QuotaStanding
    events: EventRate
    queue: Queue
    timers: list[TimerStanding]
    athletes: FleetStanding
    subscription: Subscription
    backfill: BackfillStanding
    troubles: list[TroubleRow]


class Retried(Model):
    """A job that is queued again; it may have been merged into its twin."""

    job_id: int
    state: Literal["queued"]


class RetriedAll(Model):
    """How many dead jobs of a kind are queued again."""

    kind: str
    retried: int


class Dropped(Model):
    """A dead job that is deleted, and what it had died of; the log keeps a line of it."""

    job_id: int
    kind: str
    athlete_id: int | None
    outcome: str | None


class AthleteRow(Model):
    """An athlete in a list."""

    athlete_id: int
    name: str | None
    state: AthleteState
    state_reason: str | None
    state_since: datetime
    scope: list[str]
    synced_at: datetime | None
    newest_start_at: datetime | None


class Athletes(Model):
    """A page of athletes by id; `next` is the cursor of the next one, None at the end."""

    items: list[AthleteRow]
    next: str | None


class OccasionDecided(Model):
    """What one occasion would decide about an athlete now; `until` is before when a skip cannot change."""

    occasion: str
    sync: bool
    why: str
    reason: str
    until: datetime | None


class Explained(Model):
    """When an athlete is looked at, and why; `says` is all of it in sentences."""

    athlete_id: int
    webhooks: str
    unseen_since: datetime | None
    expected_activities: float
    waiting_hours: float
    uploads_a_week: float
    likely_hours: list[str]
    occasions: list[OccasionDecided]
    says: list[str]


class JobsAsked(Query):
    """Which jobs: dead ones the newest first, queued ones in the order in which they are claimed."""

    state: Literal["queued", "running", "dead"] = "dead"
    kind: KindName | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 50


class KindAsked(Query):
    """Which kind of job."""

    kind: KindName


class AthletesAsked(Query):
    """Which athletes: `search` is the beginning of an id, or part of a name."""

    search: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] | None = None
    state: AthleteState | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 50

"""What is told about one athlete: to himself on his page, and to whoever operates.

Units stand in the names; speeds in m/s, powers in W, heart rates in bpm. Days are the athlete's local days.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from daemon.web.endpoints import Model


class History(Model):
    """How far an athlete's history has come; `done_at` is about when the quota will have carried the rest."""

    state: Literal["listing", "fetching", "finished", "refused"]
    found: int
    done: int
    left: int
    failed: int
    calls_left: int
    done_at: datetime | None
    reason: str | None


class Profile(Model):
    """Who he is here, and how his connections stand; `advice` says what he should do, None: nothing."""

    athlete_id: int
    name: str | None
    state: Literal["active", "needs_authorization"]
    state_since: datetime
    missing_scopes: list[str]
    intervals: Literal["not connected", "active", "refused"]
    history: History | None
    synced_at: datetime | None
    activities: int
    today: date
    advice: str | None


class FitnessDay(Model):
    """The state at the end of a day; `tsb` is the form in which the day began. `load` is what the day added."""

    on: date
    load: float
    ctl: float
    atl: float
    tsb: float


class Bar(Model):
    """One activity's load in the fitness chart; `load` is on the same basis as fitness."""

    activity_id: int
    on: date
    name: str
    sport_type: str
    method: str
    load: float
    estimated: bool


class Fitness(Model):
    """Fitness, fatigue and form, with each activity's load; `explanation` says by which formula and basis."""

    basis: Literal["raw", "utl"]
    explanation: str
    days: list[FitnessDay]
    activities: list[Bar]


class ActivityRow(Model):
    """One activity in a list. `load` is raw × modifier, None where there is none (yet)."""

    activity_id: int
    name: str
    sport_type: str
    start_at: datetime
    local_start_at: datetime
    moving_seconds: int
    distance_m: float
    method: str | None
    load: float | None
    estimated: bool
    streams_state: Literal["wanted", "kept", "none"]


class Activities(Model):
    """A page of activities, newest first; `next` is the cursor of the next one, None at the end."""

    items: list[ActivityRow]
    next: str | None


class ThresholdUsed(Model):
    """A threshold that a load was computed with; `threshold_id` None where none was stored."""

    name: str
    value: float
    unit: str
    method: str
    threshold_id: int | None


class WellnessPart(Model):
    """What one signal adds to a modifier, and from what; see `science.wellness.Part`."""

    signal: str
    recent_readings: int
    recent_mean: float | None
    baseline_readings: int
    baseline_mean: float | None
    baseline_sd: float | None
    z: float | None
    effect: float | None
    weight: float
    adds: float


class LoadExplained(Model):
    """A load with all that it was made of: method, inputs, thresholds in force, refused methods, wellness, when."""

    method: str
    raw: float | None
    modifier: float
    load: float | None
    estimated: bool
    explanation: str
    inputs: dict[str, Any]
    thresholds: list[ThresholdUsed]
    refused: dict[str, str]
    modifier_explanation: str
    modifier_parts: list[WellnessPart]
    version: int
    computed_at: datetime


class ActivityExplained(Model):
    """An activity and its load; `quality` says what was repaired in the recording, `strava_url` shows it there."""

    activity: ActivityRow
    strava_url: str
    elevation_gain_m: float | None
    average_heart_rate: float | None
    average_watts: float | None
    load: LoadExplained | None
    quality: dict[str, Any] | None


class Best(Model):
    """The best over one duration, and in which activity it was done."""

    seconds: int
    value: float
    activity_id: int
    on: date


class Season(Model):
    """The envelope of a season's curves; a season is 365 days up to a day."""

    from_on: date
    to_on: date
    bests: list[Best]


class ModelPoint(Model):
    """What the fitted model says of a duration, and two standard errors to either side."""

    seconds: int
    value: float
    low: float
    high: float


class CriticalFit(Model):
    """The two-parameter model in force: CP and W′ (J), or CS and D′ (m), each with its standard error."""

    threshold_id: int
    value: float
    standard_error: float | None
    capacity: float | None
    capacity_standard_error: float | None
    method: str
    effective_on: date
    explanation: str
    points: list[ModelPoint]


class Curves(Model):
    """This season's bests against the last one's, with the fit; W for rides, graded m/s on foot.

    `missing` says in a sentence why there is nothing to show.
    """

    unit: Literal["W", "m/s"]
    this_season: Season
    last_season: Season
    fit: CriticalFit | None
    missing: str | None


class ThresholdRow(Model):
    """A threshold as it was written, and what it is today; `evidence` is what it rests on."""

    threshold_id: int
    kind: str
    unit: str
    value: float
    standard_error: float | None
    method: str
    state: Literal["in force", "past", "to come", "suggested", "withdrawn"]
    effective_on: date
    written_on: date
    assumed: bool
    explanation: str
    evidence: dict[str, Any]
    withdrawn_at: datetime | None


class Doubt(Model):
    """Thresholds that contradict each other, in a sentence."""

    kinds: list[str]
    sentence: str


class Thresholds(Model):
    """What is in force by kind, everything that was ever written (oldest first), and what is doubtful."""

    today: date
    in_force: dict[str, ThresholdRow]
    history: list[ThresholdRow]
    doubts: list[Doubt]


class WellnessDay(Model):
    """One day: values with their sources, and what they make of that day's loads."""

    on: date
    values: dict[str, float]
    sources: dict[str, str]
    modifier: float
    explanation: str
    parts: list[WellnessPart]


class Wellness(Model):
    """The last days of which something is known, newest first."""

    days: list[WellnessDay]


class SyncAsked(Model):
    """A look that was asked for and is under way; what it finds is told as news."""

    state: Literal["queued"]
    says: str


class ThresholdSet(Model):
    """A value that counts now from a day on; the loads since then follow."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: str
    value: float
    from_on: date = Field(alias="from")


class ThresholdWithdrawn(Model):
    """The first day from which something else counts again."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: str
    from_on: date = Field(alias="from")


class DaysPosted(Model):
    """How many days were sent, and of how many something changed."""

    days: int
    changed: int


class IntervalsState(Model):
    """How a key of Intervals.icu stands; the key itself is never shown."""

    state: Literal["not connected", "active", "refused"]
    kind: Literal["api_key", "bearer"] | None = None
    intervals_id: str | None = None
    state_reason: str | None = None
    state_since: datetime | None = None
    synced_at: datetime | None = None


class RecomputeAsked(Model):
    """Loads from a day on are computed again, slice by slice behind live work."""

    model_config = ConfigDict(serialize_by_alias=True)

    state: Literal["queued"]
    from_on: date = Field(alias="from")


class LoadChange(Model):
    """What a recompute would make of one load; `utl` is raw × modifier, None where there is none."""

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


class RecomputePreview(Model):
    """What a recompute would do, stored nowhere: the sums of all loads that it computes, and fitness today."""

    athlete_id: int
    from_on: date
    activities: int
    changed: int
    total_before: float
    total_after: float
    fitness_before: FitnessDay | None
    fitness_after: FitnessDay | None
    changes: list[LoadChange]

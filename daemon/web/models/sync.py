"""What is told of a sync by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from daemon.core.freshness import Occasion
from daemon.web.endpoints import Model, Query


class SyncQuery(Query):
    """Whether to do it."""

    dry_run: bool = Field(default=False, description="Only say what would be done, and why; nothing is called.")


class SyncWindow(Model):
    """How far back the list would be read."""

    after: datetime
    days: float


class SyncCosts(Model):
    """What it would cost, in words."""

    list: str
    more_pages: str | None
    each_new_activity: str
    each_edit: str
    each_absent_activity: str


class LastLooks(Model):
    """When what last happened for this athlete; `reached_to` is how far back the last look went."""

    synced_at: datetime | None
    reached_to: datetime | None
    audited_at: datetime | None
    walked_at: datetime | None
    active_at: datetime | None
    event_at: datetime | None
    missed_at: datetime | None


class Decided(Model):
    """What the policy decides on one occasion; `why` is a word for counting, `days` how far back it would look."""

    sync: bool
    why: str
    reason: str
    days: float | None = None


class SyncPlan(Model):
    """What a sync would do and why, on every occasion; `obstacle` says why nothing can be done."""

    model_config = ConfigDict(use_enum_values=True)  # as keys only plain text is JSON everywhere

    athlete_id: int
    name: str | None
    obstacle: str | None
    window: SyncWindow
    costs: SyncCosts
    already_asked_for: bool
    last: LastLooks
    occasions: dict[Occasion, Decided]


class SyncedActivity(Model):
    """An activity that is new or was edited, with its load where there is one."""

    model_config = ConfigDict(serialize_by_alias=True)

    activity_id: int
    name: str | None
    sport_type: str | None
    start_at: datetime | None
    streams_state: str | None
    method: str | None
    load: float | None
    is_: Literal["new", "edited"] = Field(alias="is")


class SyncFound(Model):
    """What a sync brought: `looking` while some of its looks, in `still_open`, are put off; `calls` were needed."""

    athlete_id: int
    job_id: int
    state: Literal["done", "looking"]
    still_open: list[str]
    reached_to: datetime | None
    listed: int
    activities: list[SyncedActivity]
    deleted: list[int]
    missed_webhooks: int
    calls: int
    seconds: float


class SyncStands(Model):
    """Where a sync stands that has brought nothing yet, or died; `outcome` says of what."""

    athlete_id: int
    job_id: int
    state: Literal["queued", "running", "done", "dead"]
    outcome: str | None
    seconds: float


def told(report: Mapping[str, Any]) -> SyncFound | SyncStands:
    """Return what a sync by hand reports as it is told."""
    return (SyncFound if "activities" in report else SyncStands).model_validate(report)

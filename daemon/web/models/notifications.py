"""Outgoing webhooks as the admin API takes and shows them: an address or a secret is never shown again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from daemon.core.deliveries import GRACE_HOURS, MOST_GRACE_HOURS
from daemon.core.news import Topic
from daemon.web.endpoints import Model, Query


class Notification(Model):
    """One endpoint. `origin` is all that is shown of its address; `topics` None: every topic.

    `failing_since` is the first failure since anything arrived, `old_secret_until` when the secret before ends.
    """

    id: int
    origin: str
    description: str
    topics: list[str] | None
    state: Literal["active", "disabled"]
    state_reason: str | None
    state_since: datetime
    created_at: datetime
    old_secret_until: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    failing_since: datetime | None


class Notifications(Model):
    """Every endpoint."""

    items: list[Notification]


class NewNotification(Model):
    """An endpoint to be made."""

    url: str = Field(max_length=2_000, examples=["https://example.org/hooks/domestique"])
    description: str = Field("", max_length=200)
    topics: list[Topic] | None = Field(None, min_length=1)
    active: bool = True


class ChangedNotification(Model):
    """What an endpoint shall be; without `url` its address stays."""

    url: str | None = Field(None, max_length=2_000)
    description: str = Field("", max_length=200)
    topics: list[Topic] | None = Field(None, min_length=1)
    active: bool = True


class NotificationSecret(Model):
    """An endpoint with its new secret, which is shown this once."""

    notification: Notification
    secret: str


class Pinged(Model):
    """What came of a ping; `status` None: no answer came."""

    arrived: bool
    status: int | None
    says: str
    seconds: float


class Grace(Query):
    """How long the secret before stays in force beside the new one."""

    grace_hours: int = Field(GRACE_HOURS, ge=0, le=MOST_GRACE_HOURS)

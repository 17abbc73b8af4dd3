"""Outgoing webhooks as the admin API takes and shows them: an address or a secret is never shown again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from daemon.core.deliveries import GRACE_HOURS, MOST_GRACE_HOURS
from daemon.core.news import Topic
from daemon.web.endpoints import Model, Query


def _without_defaults(schema: dict[str, Any]) -> None:
    """Name no value for what is absent, where absent means that what is stored stays."""
    for described in schema["properties"].values():
        described.pop("default", None)


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
    """What of an endpoint shall be otherwise: a field that is absent stays as it is stored."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: str | None = Field(None, max_length=2_000)
    description: str = Field("", max_length=200)
    topics: list[Topic] | None = Field(None, min_length=1, description="Null: every topic, also later ones.")
    active: bool = Field(default=True, description="True: it goes on from now. False: it is sent nothing.")


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

"""Turns an activity, in full or as a line of a list, into the few fields that we keep.

It refuses to interpret: which load method applies and what is clean is decided by science, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from daemon.strava.wire.fields import BIGINT_MAX, QUANTITY_MAX, Fields, load_list, load_object

# An athlete who hides the start time is shown as starting at this wall clock time.
HIDDEN_START = time(0, 0, 1)


@dataclass(frozen=True, slots=True)
class Activity:
    """What we keep of an activity; the same from the detail and from a list.

    A list line never has `perceived_exertion`. Seconds, metres, beats per minute and watts throughout.
    Source: https://developers.strava.com/docs/reference/#api-models-DetailedActivity
    """

    activity_id: int
    athlete_id: int
    sport_type: str
    name: str
    start_at: datetime  # UTC
    local_start_at: datetime  # naive: the athlete's wall clock
    timezone: str | None  # IANA name
    elapsed_seconds: int
    moving_seconds: int
    distance_m: float
    elevation_gain_m: float | None
    device_watts: bool | None  # False: the power is Strava's estimate
    trainer: bool
    manual: bool
    private: bool
    visibility: str | None
    has_heart_rate: bool | None
    average_heart_rate: float | None
    max_heart_rate: float | None
    average_watts: float | None
    perceived_exertion: float | None
    upload_id: int | None  # None: entered by hand
    hidden_start: bool


def read_activity(body: bytes) -> Activity:
    """Read a detail answer."""
    return _activity(load_object(body, "activity"))


def read_activities(body: bytes) -> list[Activity]:
    """Read one page of a list, in Strava's order."""
    return [_activity(line) for line in load_list(body, "activities")]


def _activity(fields: Fields) -> Activity:
    elapsed_seconds = fields.whole("elapsed_time")
    moving_seconds = fields.whole_or_none("moving_time")
    # start_date_local is the local wall clock although it ends in Z: the Z is false.
    local_start_at = fields.wall_clock("start_date_local")
    return Activity(
        activity_id=fields.identity("id"),
        athlete_id=fields.inner("athlete").identity("id"),
        # `type` is the older, coarser word and the only one in old answers.
        sport_type=fields.text_or_none("sport_type") or fields.text("type"),
        name=fields.text_or_none("name") or "",
        start_at=fields.instant("start_date"),
        local_start_at=local_start_at,
        timezone=_iana_name(fields.text_or_none("timezone")),
        elapsed_seconds=elapsed_seconds,
        moving_seconds=elapsed_seconds if moving_seconds is None else moving_seconds,
        distance_m=fields.number_or_none("distance") or 0.0,
        elevation_gain_m=fields.number_or_none("total_elevation_gain", -QUANTITY_MAX),
        device_watts=fields.flag_or_none("device_watts"),
        trainer=fields.flag_or_none("trainer") or False,
        manual=fields.flag_or_none("manual") or False,
        private=fields.flag_or_none("private") or False,
        visibility=fields.text_or_none("visibility"),
        has_heart_rate=fields.flag_or_none("has_heartrate"),
        average_heart_rate=fields.number_or_none("average_heartrate"),
        max_heart_rate=fields.number_or_none("max_heartrate"),
        average_watts=fields.number_or_none("average_watts"),
        perceived_exertion=fields.number_or_none("perceived_exertion"),
        upload_id=fields.whole_or_none("upload_id", 0, BIGINT_MAX),
        hidden_start=local_start_at.time() == HIDDEN_START,
    )


def _iana_name(timezone: str | None) -> str | None:
    # Strava writes "(GMT-05:00) America/New_York".
    return timezone.rpartition(") ")[2] or None if timezone else None

"""What is told of Strava's quota: each meter and window, each lane, the forecast."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict

from daemon.core import quota
from daemon.core.admission import LANES, Lane
from daemon.limiter.report import LaneState, QuotaReport
from daemon.web.endpoints import Model


class QuotaMeter(Model):
    """One meter in one window, in requests: `reserved` is kept from the lowest lane, `by_lane` counts permits.

    `used_by_others` is what Strava's answers have shown beyond ours.
    """

    model_config = ConfigDict(use_enum_values=True)  # as keys only plain text is JSON everywhere

    window: Literal["quarter", "day"]
    meter: Literal["overall", "read"]
    limit: int
    used: int
    left: int
    used_by_us: int
    used_by_others: int
    reserved: int
    by_lane: dict[Lane, int]
    resets_at: datetime

    @classmethod
    def of(cls, row: quota.MeterUsage) -> QuotaMeter:
        """Return a counter as it is told."""
        names = (
            "window",
            "meter",
            "limit",
            "used",
            "left",
            "used_by_us",
            "used_by_others",
            "reserved",
            "resets_at",
        )
        by_lane = dict(zip(LANES, row.by_lane, strict=True))
        return cls(by_lane=by_lane, **{name: getattr(row, name) for name in names})


class LaneNow(Model):
    """One lane: permits given, whether a step would be admitted now or until when not, and the work that waits.

    `calls_waiting` is an estimate; `done_at` is about when they will have been made, null where nobody can tell.
    """

    lane: Lane
    used_this_quarter: int
    used_today: int
    open: bool
    shut_until: datetime | None
    reason: str | None
    jobs_waiting: int
    calls_waiting: int
    done_at: datetime | None

    @classmethod
    def of(cls, state: LaneState) -> LaneNow:
        """Return a lane as it is told."""
        return cls(
            lane=state.lane,
            used_this_quarter=state.used_this_quarter,
            used_today=state.used_today,
            open=state.shut is None,
            shut_until=state.shut.until if state.shut is not None else None,
            reason=state.shut.reason if state.shut is not None else None,
            jobs_waiting=state.jobs_waiting,
            calls_waiting=state.calls_waiting,
            done_at=state.done_at,
        )


class Outlook(Model):
    """When the day's requests will be spent at the pace of the last hour; null: not today."""

    calls_in_the_last_hour: float
    day_ends_at: datetime | None
    says: str


class Quota(Model):
    """The whole quota at one instant; `clock_offset_seconds` bound how far Strava's clock is ahead of ours."""

    measured_at: datetime
    limits: Literal["as Strava shows them", "as configured: no answer has come yet"]
    clock_offset_seconds: tuple[float, float]
    meters: list[QuotaMeter]
    lanes: list[LaneNow]
    forecast: Outlook

    @classmethod
    def of(cls, report: QuotaReport) -> Quota:
        """Return a report as it is told."""
        learned = report.limits_learned
        least, most = report.offset_seconds
        return cls(
            measured_at=report.measured_at,
            limits="as Strava shows them" if learned else "as configured: no answer has come yet",
            clock_offset_seconds=(round(least, 3), round(most, 3)),
            meters=[QuotaMeter.of(row) for row in report.meters],
            lanes=[LaneNow.of(state) for state in report.lanes],
            forecast=Outlook(
                calls_in_the_last_hour=report.forecast.calls_an_hour,
                day_ends_at=report.forecast.day_ends_at,
                says=report.outlook(),
            ),
        )

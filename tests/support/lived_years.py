"""A year in the life of the sandbox's athletes, summarized by the daemon as if it had been fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from daemon.science.evidence import Activity
from daemon.science.statistics import ActivityFacts, summarize
from sandbox.habits import Habits, Nature
from sandbox.histories import DAY_SECONDS, History, Lives
from sandbox.recording import Recording
from sandbox.riders import invent_athletes
from sandbox.world import Athlete, Body

UNTIL = datetime(2026, 3, 15, tzinfo=UTC)
TODAY = UNTIL.date()
YEAR_DAYS = 365
CHANNELS = ("time", "distance", "altitude", "velocity_smooth", "heartrate", "watts")


@dataclass(frozen=True, slots=True)
class LivedYear:
    """What is stored of an athlete's year, and what is true of him on its last day."""

    habits: Habits
    truth: Body
    activities: tuple[Activity, ...]
    miscalibrated: bool  # a meter read 30 % too much on some day

    @property
    def shows_power(self) -> bool:
        """Whether he goes all out on a bicycle with a meter."""
        return self.habits.goes_hard and self.habits.has_meter and "ride" in self.habits.tested

    @property
    def shows_speed(self) -> bool:
        """Whether he goes all out on foot."""
        return self.habits.goes_hard and "run" in self.habits.tested


class Town:
    """The first athletes of one world; the n-th is the same whatever the count."""

    def __init__(self, seed: int, count: int) -> None:
        self._lives = Lives(Nature(seed=seed))
        self._athletes = list(invent_athletes(count, seed))

    def habits(self) -> Iterator[tuple[int, Habits]]:
        """Return each athlete's number and habits."""
        for number, athlete in enumerate(self._athletes):
            yield number, self._lives.habits(athlete)

    def live(self, number: int) -> LivedYear:
        """Draw and summarize every activity of an athlete's year, some seconds of work."""
        athlete = self._athletes[number]
        history = History(self._lives, YEAR_DAYS, int(UNTIL.timestamp()))
        miscalibrated = any(session.corruption == "power_miscalibrated" for _, session in history.sessions(athlete))
        return LivedYear(
            habits=self._lives.habits(athlete),
            truth=self._truth(athlete),
            activities=tuple(_stored(activity.id, activity.draw()) for activity in history.of(athlete).values()),
            miscalibrated=miscalibrated,
        )

    def _truth(self, athlete: Athlete) -> Body:
        return self._lives.body(athlete, int(UNTIL.timestamp()) // DAY_SECONDS)


def _stored(activity_id: int, recording: Recording) -> Activity:
    facts = ActivityFacts(
        sport_type=recording.sport_type,
        elapsed_seconds=recording.elapsed_seconds,
        moving_seconds=recording.moving_seconds,
        distance_m=recording.distance_metres,
        device_watts=recording.device_watts,
        trainer=recording.trainer,
        perceived_exertion=None,
    )
    streams = {key: recording.streams[key] for key in CHANNELS if key in recording.streams}
    started_at = datetime.fromtimestamp(recording.start_at, UTC)
    return Activity.of(
        activity_id,
        started_at,
        local_day(started_at, recording.zone.utc_offset_seconds),
        summarize(streams, facts),
        "strava",
    )


def local_day(started_at: datetime, utc_offset_seconds: int) -> date:
    """Return the day on the athlete's wall."""
    return (started_at + timedelta(seconds=utc_offset_seconds)).date()

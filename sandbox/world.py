"""The athletes and activities that exist, and who may see which.

Refuses HTTP, events and the clock: `now` is an argument. Activities are drawn from a recording only when asked
for, so that a long history costs nothing at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.recording import Recording, Streams
from sandbox.shapes import Json, detail_of, summary_of
from sandbox.tokens import Grant

Draw = Callable[[], Recording]
Unready = Literal["empty", "missing"]

FIRST_ATHLETE_ID = 2**32 + 1
FIRST_ACTIVITY_ID = 2**34 + 1


@dataclass(frozen=True, slots=True)
class Body:
    """The truth about an athlete that his activities are drawn from; speeds in metres per second."""

    ftp_watts: float = 230.0
    weight_kg: float = 72.0
    threshold_bpm: float = 168.0
    max_bpm: float = 187.0
    resting_bpm: float = 52.0
    threshold_speed: float = 3.9
    swim_speed: float = 1.15


@dataclass(frozen=True, slots=True)
class Home:
    """Where an athlete starts, in degrees, and the zone of the tz database that he lives in."""

    city: str
    country: str
    latitude: float
    longitude: float
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Athlete:
    """One athlete; `ftp`, `lthr`, `max_hr` and `resting_hr` are what he would tell, None where he cannot."""

    id: int
    firstname: str
    lastname: str
    sex: str | None
    home: Home
    body: Body = Body()
    ftp: int | None = None
    lthr: int | None = None
    max_hr: int | None = None
    resting_hr: int | None = None
    weight_kg: float | None = None
    source: str = "invented"


@dataclass(slots=True, kw_only=True)
class Activity:
    """One activity and how it is served; `changes` are edits and given details over the drawn ones."""

    id: int
    athlete_id: int
    start_at: int
    draw: Draw
    changes: dict[str, Any] = field(default_factory=dict)
    given_streams: Streams | None = None
    visible_at: float = 0.0
    streams_ready_at: float = 0.0
    streams_until_ready: Unready = "empty"
    _drawn: Json | None = None

    def detail(self) -> Json:
        """Return the whole answer of `GET /activities/{id}`."""
        if self._drawn is None:
            self._drawn = detail_of(self.id, self.athlete_id, self.draw())
        return self._drawn | self.changes

    def summary(self) -> Json:
        """Return the activity as a list shows it."""
        return summary_of(self.detail())

    def streams(self) -> Streams:
        """Return all streams; empty for an activity entered by hand."""
        return self.draw().streams if self.given_streams is None else self.given_streams

    def visible(self, grant: Grant, now: float) -> bool:
        """Say whether a grant may see it at this instant; "only me" needs activity:read_all."""
        if grant.athlete_id != self.athlete_id or now < self.visible_at:
            return False
        return not self.changes.get("private") or grant.covers("activity:read_all")


class World:
    """All that exists, by id."""

    def __init__(self) -> None:
        self.athletes: dict[int, Athlete] = {}
        self._activities: dict[int, Activity] = {}
        self._by_athlete: dict[int, dict[int, Activity]] = {}
        self._next_activity_id = FIRST_ACTIVITY_ID

    def __iter__(self) -> Iterator[Activity]:
        return iter(self._activities.values())

    def enrol(self, athlete: Athlete) -> None:
        """Add an athlete."""
        self.athletes[athlete.id] = athlete
        self._by_athlete.setdefault(athlete.id, {})

    def next_activity_id(self) -> int:
        """Return a new id, rising as Strava's do."""
        self._next_activity_id += 1
        return self._next_activity_id

    def add(self, activity: Activity) -> None:
        """Add an activity of an enrolled athlete."""
        self._activities[activity.id] = activity
        self._by_athlete[activity.athlete_id][activity.id] = activity

    def find(self, activity_id: int) -> Activity | None:
        """Return an activity, whoever owns it."""
        return self._activities.get(activity_id)

    def remove(self, activity_id: int) -> Activity | None:
        """Delete an activity and return it."""
        activity = self._activities.pop(activity_id, None)
        if activity is not None:
            del self._by_athlete[activity.athlete_id][activity_id]
        return activity

    def listing(
        self, athlete_id: int, *, after: float, before: float, now: float, newest_first: bool
    ) -> list[Activity]:
        """Return an athlete's activities that started between two instants, in order of their start."""
        chosen = [
            activity
            for activity in self._by_athlete[athlete_id].values()
            if after < activity.start_at < before and activity.visible_at <= now
        ]
        return sorted(chosen, key=lambda activity: (activity.start_at, activity.id), reverse=newest_first)


def athlete_shape(athlete: Athlete, *, detailed: bool) -> Mapping[str, Any]:
    """Return the answer of `GET /athlete`; without profile:read_all it is the summary."""
    summary: Json = {
        "id": athlete.id,
        "username": None,
        "resource_state": 3 if detailed else 2,
        "firstname": athlete.firstname,
        "lastname": athlete.lastname,
        "bio": None,
        "city": athlete.home.city,
        "state": "",
        "country": athlete.home.country,
        "sex": athlete.sex,
        "premium": True,
        "summit": True,
        "created_at": "2019-03-02T08:15:00Z",
        "updated_at": "2025-09-27T12:57:32Z",
        "badge_type_id": 1,
        "weight": athlete.weight_kg or 0.0,
        "profile_medium": "avatar/athlete/medium.png",
        "profile": "avatar/athlete/large.png",
        "friend": None,
        "follower": None,
    }
    if not detailed:
        return summary
    return summary | {
        "blocked": False,
        "can_follow": True,
        "follower_count": 0,
        "friend_count": 0,
        "mutual_friend_count": 0,
        "athlete_type": 0,
        "date_preference": "%m/%d/%Y",
        "measurement_preference": "meters",
        "clubs": [],
        "postable_clubs_count": 0,
        "ftp": athlete.ftp,
        "bikes": [],
        "shoes": [],
    }

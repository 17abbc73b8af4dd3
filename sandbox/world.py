"""The athletes and activities that exist, and who may see which.

Refuses HTTP, events and the clock: `now` is an argument. Activities are drawn only when asked for, and the past
of an invented athlete is planned only when somebody looks at it: a long history costs nothing at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, Protocol

import orjson

from sandbox.recording import Recording, Streams
from sandbox.shapes import Json, detail_of, item_of, summary_of
from sandbox.tokens import Grant

Draw = Callable[[], Recording]
Unready = Literal["empty", "missing"]

FIRST_ATHLETE_ID = 2**32 + 1
FIRST_LIVE_ID = 2**45  # activities of the past have smaller ids


@dataclass(frozen=True, slots=True)
class Body:
    """The truth about an athlete that his activities are drawn from: watts, joules, metres, seconds, bpm.

    What he can hold for t seconds: critical_power + w_prime / t on a bicycle, critical_speed + d_prime / t on
    level ground, and in water the distance of swim_speed times t + swim_reserve.
    """

    critical_power: float = 230.0
    w_prime: float = 17_000.0
    critical_speed: float = 3.9
    d_prime: float = 195.0
    swim_speed: float = 1.15
    swim_reserve: float = 18.0
    weight_kg: float = 72.0
    threshold_bpm: float = 168.0
    max_bpm: float = 187.0
    resting_bpm: float = 52.0

    def in_form(self, form: float) -> Body:
        """Return the same body on a day on which its thresholds are `form` times the usual ones."""
        return replace(
            self,
            critical_power=self.critical_power * form,
            critical_speed=self.critical_speed * form,
            swim_speed=self.swim_speed * form,
        )


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
    """One athlete and what he would tell of himself, None where he cannot.

    `ftp` in W, `critical_speed` (on foot) and `css` (in the water) in m/s, heart rates in bpm.
    """

    id: int
    firstname: str
    lastname: str
    sex: str | None
    home: Home
    body: Body = Body()
    ftp: int | None = None
    critical_speed: float | None = None
    css: float | None = None
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
    _item: bytes | None = None

    def detail(self) -> Json:
        """Return the whole answer of `GET /activities/{id}`."""
        return detail_of(self.id, self.athlete_id, self.draw()) | self.changes

    def summary(self) -> Json:
        """Return the activity as a list shows it, from the same draw as its detail and streams."""
        if self.changes:
            return summary_of(self.detail())
        if self._item is None:
            # Kept as text, which takes a fifth of the memory.
            self._item = orjson.dumps(item_of(self.id, self.athlete_id, self.draw()))
        item: Json = orjson.loads(self._item)
        return item

    @property
    def touched(self) -> bool:
        """Whether it is no longer what was drawn, or is served in a way of its own."""
        return bool(self.changes or self.given_streams is not None or self.visible_at or self.streams_ready_at)

    def streams(self) -> Streams:
        """Return all streams; empty for an activity entered by hand."""
        return self.draw().streams if self.given_streams is None else self.given_streams

    def visible(self, grant: Grant, now: float) -> bool:
        """Say whether a grant may see it at this instant; "only me" needs activity:read_all."""
        if grant.athlete_id != self.athlete_id or now < self.visible_at:
            return False
        return not self.changes.get("private") or grant.covers("activity:read_all")


class Past(Protocol):
    """What invented athletes did before the sandbox started."""

    def of(self, athlete: Athlete) -> Mapping[int, Activity]:
        """Return an athlete's activities by id, oldest first, as they were drawn."""
        ...

    def owner_of(self, activity_id: int) -> int | None:
        """Return whose an id of the past would be; it need not exist."""
        ...


class World:
    """All that exists, by id; activities of the past are looked up when they are asked for."""

    def __init__(self, past: Past | None = None, first_live_id: int = FIRST_LIVE_ID) -> None:
        self.athletes: dict[int, Athlete] = {}
        self._past = past
        self._made: dict[int, Activity] = {}
        self._made_by_athlete: dict[int, dict[int, Activity]] = {}
        self._removed: set[int] = set()
        self._last_live_id = first_live_id

    def __iter__(self) -> Iterator[Activity]:
        return chain.from_iterable(self._of(athlete_id).values() for athlete_id in self.athletes)

    def enrol(self, athlete: Athlete) -> None:
        """Add an athlete."""
        self.athletes[athlete.id] = athlete

    def next_activity_id(self) -> int:
        """Return a new id, rising as Strava's do."""
        self._last_live_id += 1
        return self._last_live_id

    def add(self, activity: Activity) -> None:
        """Add an activity of an enrolled athlete."""
        self._made[activity.id] = activity
        self._made_by_athlete.setdefault(activity.athlete_id, {})[activity.id] = activity

    def find(self, activity_id: int) -> Activity | None:
        """Return an activity, whoever owns it."""
        made = self._made.get(activity_id)
        if made is not None or self._past is None or activity_id in self._removed:
            return made
        owner = self.athletes.get(self._past.owner_of(activity_id) or -1)
        return self._past.of(owner).get(activity_id) if owner is not None else None

    def remove(self, activity_id: int) -> Activity | None:
        """Delete an activity and return it."""
        activity = self.find(activity_id)
        if activity is not None:
            self._removed.add(activity_id)
            if self._made.pop(activity_id, None) is not None:
                del self._made_by_athlete[activity.athlete_id][activity_id]
        return activity

    def listing(
        self, athlete_id: int, *, after: float, before: float, now: float, newest_first: bool
    ) -> list[Activity]:
        """Return an athlete's activities that started between two instants, in order of their start."""
        chosen = [
            activity
            for activity in self._of(athlete_id).values()
            if after < activity.start_at < before and activity.visible_at <= now
        ]
        return sorted(chosen, key=lambda activity: (activity.start_at, activity.id), reverse=newest_first)

    def _of(self, athlete_id: int) -> Mapping[int, Activity]:
        """Return what is there of an athlete, the past first."""
        made = self._made_by_athlete.get(athlete_id, {})
        past = self._past.of(self.athletes[athlete_id]) if self._past is not None else {}
        if self._removed:
            past = {one: activity for one, activity in past.items() if one not in self._removed}
        return {**past, **made}


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

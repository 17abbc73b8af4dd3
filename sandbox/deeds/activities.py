"""Athletes upload, edit, hide and delete activities, with their events or without.

Refuses to draw what a session looks like: it says which session, `drawing` draws it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from sandbox.asked import Asked, BadAsk, Missing
from sandbox.drawing import draw
from sandbox.push import Manner
from sandbox.recording import Streams
from sandbox.sessions import KIND_OF_SPORT, KINDS, SHAPES, SPORT_OF_KIND, Session
from sandbox.stage import Act, Json, Stage
from sandbox.strava import FakeStrava, Serving
from sandbox.world import Activity, Athlete, Draw, Unready

UNREADY: tuple[Unready, ...] = ("empty", "missing")
LAST_START = 4_102_444_800  # the year 2100
MOST_AT_ONCE = 100_000
EVENT_FIELDS = ("event", "event_repeat", "event_delay")
SERVING_FIELDS = ("visible_after", "streams_ready_after", "streams_until_ready", "private", "detail", "streams")
SESSION_FIELDS = ("athlete_id", "template", "kind", "sport_type", "shape", "duration", "seed", "start_at", "name")
MAKE_FIELDS = (*SESSION_FIELDS, *SERVING_FIELDS, *EVENT_FIELDS)
EDIT_FIELDS = ("activity_id", "name", "sport_type", "private", "detail", "streams", *EVENT_FIELDS)
REMOVE_FIELDS = ("activity_id", *EVENT_FIELDS)


def manner_of(asked: Asked, repeat: str = "event_repeat", delay: str = "event_delay") -> Manner:
    """Read how often and how late an event is sent."""
    return Manner(asked.whole(repeat, 1, 1, MOST_AT_ONCE), asked.amount(delay, 0.0))


def _announcement(asked: Asked) -> Manner | None:
    manner = manner_of(asked)
    return manner if asked.flag("event", default=True) else None


def reference(asked: Asked, name: str) -> int | str:
    """Read the id of something made earlier, or its label."""
    if name not in asked:
        raise BadAsk(f"{name} is needed")
    return asked.either(name, int, str)


def _streams(asked: Asked) -> Streams | None:
    given = asked.maybe("streams", dict)
    if given is not None and not all(isinstance(values, list) for values in given.values()):
        raise BadAsk("streams are lists by key")
    return given


def _found(stage: Stage, activity: int | str) -> Activity:
    found = stage.strava.world.find(stage.labels.find(activity))
    if found is None:
        raise Missing(f"no activity {activity}")
    return found


def _template(stage: Stage, name: str) -> Activity:
    """Find what to copy, by the name of a file among the rides, by a label or by an activity's id."""
    for ride in stage.strava.rides:
        if ride.file == name and ride.recording is not None:
            return _found(stage, ride.activity_id)
    return _found(stage, name)


def _serving(asked: Asked) -> Serving:
    private = asked.flag("private")
    return Serving(
        visible_after=asked.amount("visible_after", 0.0),
        streams_ready_after=asked.amount("streams_ready_after", 0.0),
        streams_until_ready=asked.one_of("streams_until_ready", UNREADY, "empty"),
        changes=({"private": True, "visibility": "only_me"} if private else {}) | asked.take("detail", dict, {}),
        streams=_streams(asked),
    )


class Wanted:
    """The session that an upload asks for: a copy of a template, or an invented one."""

    def __init__(self, asked: Asked) -> None:
        self.template = asked.maybe("template", str)
        self.name = asked.maybe("name", str)
        self.duration = asked.whole("duration", 3_600, 60, 86_400)
        self.start_at = asked.whole("start_at", -1, 0, LAST_START)
        self.seed = asked.maybe("seed", int)
        self.shape = asked.one_of("shape", SHAPES, "steady")
        usual = KIND_OF_SPORT.get(asked.take("sport_type", str, "Ride"), "strength")
        self.kind = asked.one_of("kind", KINDS, usual)
        self.sport_type = asked.take("sport_type", str, SPORT_OF_KIND[self.kind])

    def drawn(self, stage: Stage, athlete: Athlete) -> tuple[int, Draw, Json]:
        """Return the start, the drawing, and what of it was not asked for."""
        now = int(stage.strava.clock.now())
        if self.template is not None:
            copied = _template(stage, self.template).draw()
            start_at = self.start_at if self.start_at >= 0 else now - copied.elapsed_seconds
            recording = replace(copied, start_at=start_at, name=self.name or copied.name)
            return start_at, lambda: recording, {}
        start_at = self.start_at if self.start_at >= 0 else now - self.duration
        session = Session(
            seed=abs(self.seed if self.seed is not None else start_at),
            kind=self.kind,
            sport_type=self.sport_type,
            shape=self.shape,
            name=self.name or f"Sandbox {self.sport_type}",
            start_at=start_at,
            moving_seconds=self.duration,
            body=stage.strava.lives.body_at(athlete, start_at),
            home=athlete.home,
        )
        return start_at, partial(draw, session), {"seed": session.seed}


def make(asked: Asked) -> Act:
    """Let an athlete upload an activity; answers with its id and the ids of its events."""
    athlete_id, wanted, serving = asked.maybe("athlete_id", int), Wanted(asked), _serving(asked)
    manner = _announcement(asked)

    def act(stage: Stage) -> Json:
        strava = stage.strava
        athlete = athlete_of(strava, next(iter(strava.world.athletes), -1) if athlete_id is None else athlete_id)
        start_at, draw, more = wanted.drawn(stage, athlete)
        activity = strava.add(athlete.id, start_at, draw, serving)
        sent = strava.announce(activity, "create", {}, manner) if manner is not None else []
        answer = {"id": activity.id, "athlete_id": athlete.id, "start_at": start_at}
        return answer | more | {"events": [one.id for one in sent]}

    return act


def athlete_of(strava: FakeStrava, athlete_id: int) -> Athlete:
    """Return an athlete. Raises Missing."""
    athlete = strava.world.athletes.get(athlete_id)
    if athlete is None:
        raise Missing(f"no athlete {athlete_id}")
    return athlete


def edit(asked: Asked) -> Act:
    """Let its athlete edit an activity; answers with the `updates` of the event."""
    changes: dict[str, Any] = dict(asked.take("detail", dict, {}))
    for name, kind in (("name", str), ("sport_type", str), ("private", bool)):
        if name in asked:
            changes[name] = asked.maybe(name, kind)
    return _changed(asked, changes, _streams(asked))


def hide(asked: Asked) -> Act:
    """Let its athlete make an activity visible to himself alone."""
    return _changed(asked, {"private": True}, None)


def _changed(asked: Asked, changes: dict[str, Any], streams: Streams | None) -> Act:
    changed, manner = reference(asked, "activity_id"), _announcement(asked)

    def act(stage: Stage) -> Json:
        activity = _found(stage, changed)
        updates = stage.strava.edit(activity, changes, streams)
        sent = stage.strava.announce(activity, "update", updates, manner) if manner is not None and updates else []
        return {"id": activity.id, "updates": updates, "events": [one.id for one in sent]}

    return act


def delete(asked: Asked) -> Act:
    """Let its athlete delete an activity."""
    deleted, manner = reference(asked, "activity_id"), _announcement(asked)

    def act(stage: Stage) -> Json:
        activity = _found(stage, deleted)
        stage.strava.world.remove(activity.id)
        sent = stage.strava.announce(activity, "delete", {}, manner) if manner is not None else []
        return {"id": activity.id, "events": [one.id for one in sent]}

    return act

"""Invented activities: an athlete's body, a kind, a length and a seed become a recording.

The same session is the same recording, to the last value. Refuses ids, privacy and events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sandbox import efforts
from sandbox.efforts import Array, Mask, Random
from sandbox.recording import Recording, Zone
from sandbox.sessions import Session
from sandbox.world import Body

EASE_ON_FOOT = {"Walk": 0.45, "Hike": 0.5, "TrailRun": 0.9}

PAUSES_PER_HOUR = 1.2
HEART_DROPOUTS_PER_HOUR = 0.6
POWER_DROPOUTS_PER_HOUR = 0.3
POOL_METRES = 25.0


def _whole(values: Array, lost: Mask | None = None) -> list[int | None]:
    rounded: list[int | None] = np.rint(values).astype(int).tolist()
    for place in np.flatnonzero(lost).tolist() if lost is not None else ():
        rounded[place] = None
    return rounded


def _tenths(values: Array) -> list[float]:
    return np.round(values, 1).tolist()  # type: ignore[no-any-return]


def _thousandths(values: Array) -> list[float]:
    return np.round(values, 3).tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Course:
    """The seconds of a session: `moving` masks the elapsed ones, `clock` numbers those that were recorded."""

    moving: Mask
    clock: Array
    effort: Array

    @classmethod
    def drawn(cls, random: Random, session: Session, pauses_per_hour: float) -> _Course:
        moving = efforts.pauses(random, session.moving_seconds, pauses_per_hour)
        effort = efforts.plan(random, session.moving_seconds, session.shape)
        return cls(moving, np.flatnonzero(moving).astype(np.float64), effort)

    def heart(self, random: Random, body: Body, ease: float = 1.0) -> Array:
        """Let the heart go on through the pauses, and return what was recorded of it."""
        through = np.zeros(self.moving.size)
        through[self.moving] = self.effort * ease
        beats = efforts.heart_rate(random, through, body.resting_bpm, body.threshold_bpm, body.max_bpm)
        return beats[self.moving]


def _on_wheels(random: Random, session: Session) -> dict[str, list[Any]]:
    indoors, estimated, body = session.kind == "indoor", session.kind == "ride_estimated", session.body
    course = _Course.drawn(random, session, 0.0 if indoors else PAUSES_PER_HOUR)
    count = course.effort.size
    slope = np.zeros(count) if indoors else efforts.grade(random, count, 0.02)
    watts = efforts.power_at_legs(random, course.effort, slope, body.ftp_watts)
    speed = efforts.riding_speed(watts, slope, body.weight_kg)
    streams: dict[str, list[Any]] = {
        "time": _whole(course.clock),
        "distance": _tenths(np.cumsum(speed)),
        "velocity_smooth": _thousandths(speed),
        "moving": [True] * count,
    }
    if estimated:  # Strava's guess from speed and slope: smooth, and wrong by some percent
        streams["watts"] = _whole(efforts.smooth(watts, 20) * random.uniform(0.85, 1.12))
    else:
        cadence = np.where(watts > 0, 78 + 14 * course.effort + efforts.wander(random, count, 4, 8), 0)
        streams["cadence"] = _whole(np.clip(cadence, 0, 130))
        streams["watts"] = _whole(watts, efforts.dropouts(random, count, POWER_DROPOUTS_PER_HOUR))
        lost = efforts.dropouts(random, count, HEART_DROPOUTS_PER_HOUR)
        streams["heartrate"] = _whole(course.heart(random, body), lost)
        streams["temp"] = _whole(16 + 6 * random.random() + efforts.wander(random, count, 1.0, 600))
    if not indoors:
        streams |= _outdoors(random, session, speed, slope)
    return streams


def _outdoors(random: Random, session: Session, speed: Array, slope: Array) -> dict[str, list[Any]]:
    altitude: Array = 120 + np.cumsum(slope * speed)
    altitude = altitude - np.linspace(0, altitude[-1] - altitude[0], altitude.size)
    barometer: Array = np.round((altitude + efforts.wander(random, altitude.size, 0.4, 60)) * 5) / 5
    return {
        "latlng": efforts.loop(random, speed, session.home.latitude, session.home.longitude),
        "altitude": _tenths(barometer),
        "grade_smooth": _tenths(slope * 100),
    }


def _on_foot(random: Random, session: Session) -> dict[str, list[Any]]:
    body = session.body
    course = _Course.drawn(random, session, PAUSES_PER_HOUR / 2)
    count = course.effort.size
    slope = efforts.grade(random, count, 0.015)
    ease = EASE_ON_FOOT.get(session.sport_type, 1.0)
    # Runners vary less than riders: an easy run is three quarters of threshold speed, not three fifths.
    speed = ease * body.threshold_speed * (0.35 + 0.65 * course.effort) / (1 + np.clip(3 * slope, -0.15, 0.6))
    speed = np.clip(speed + efforts.wander(random, count, 0.12, 10), 0.8, None)
    lost = efforts.dropouts(random, count, HEART_DROPOUTS_PER_HOUR)
    cadence = 70 + 4.5 * speed + efforts.wander(random, count, 0.8, 10)
    return {
        "time": _whole(course.clock),
        "distance": _tenths(np.cumsum(speed)),
        "velocity_smooth": _thousandths(speed),
        "heartrate": _whole(course.heart(random, body, ease), lost),
        "cadence": _whole(cadence),
        "moving": [True] * count,
        **_outdoors(random, session, speed, slope),
    }


def _in_water(random: Random, session: Session) -> dict[str, list[Any]]:
    """Return what a watch in a pool gives: time and distance, one point per length."""
    lengths = max(2, int(session.moving_seconds * session.body.swim_speed * 0.92 / POOL_METRES))
    tired = np.linspace(1.0, 1.06, lengths)
    seconds = np.cumsum(tired * (1 + 0.03 * random.standard_normal(lengths)))
    clock = np.concatenate([[0.0], seconds * session.moving_seconds / seconds[-1]])
    return {"time": _whole(clock), "distance": _tenths(np.linspace(0, lengths * POOL_METRES, lengths + 1))}


def _with_weights(random: Random, session: Session) -> dict[str, list[Any]]:
    count, body = session.moving_seconds, session.body
    working = (np.arange(count) // 45) % 3 == 0
    effort = np.where(working, random.uniform(0.7, 0.9), 0.25)
    beats = efforts.heart_rate(random, effort, body.resting_bpm, body.threshold_bpm, body.max_bpm)
    return {"time": list(range(count)), "heartrate": _whole(beats)}


def _by_hand(_random: Random, _session: Session) -> dict[str, list[Any]]:
    return {}


DRAWN: dict[str, Callable[[Random, Session], dict[str, list[Any]]]] = {
    "ride": _on_wheels,
    "ride_estimated": _on_wheels,
    "indoor": _on_wheels,
    "run": _on_foot,
    "swim": _in_water,
    "strength": _with_weights,
    "manual": _by_hand,
}


def _ascent(altitude: list[float]) -> float:
    climbs = np.diff(efforts.smooth(np.array(altitude), 31)) if len(altitude) > 31 else np.zeros(1)
    return float(climbs[climbs > 0].sum())


@lru_cache(maxsize=16)
def draw(session: Session) -> Recording:
    """Draw a session; remembered for a while, because detail and streams are asked for together."""
    random = np.random.default_rng([session.seed, session.moving_seconds])
    streams = DRAWN[session.kind](random, session)
    clock = streams.get("time") or [0, session.moving_seconds]
    by_hand = session.body.threshold_speed * 0.8 * session.moving_seconds if session.kind == "manual" else 0.0
    distance = streams["distance"][-1] if "distance" in streams else by_hand
    known = [watt for watt in streams.get("watts", ()) if watt is not None]
    kilojoules = sum(known) / max(len(known), 1) * session.moving_seconds / 1000
    return Recording(
        name=session.name,
        sport_type=session.sport_type,
        start_at=session.start_at,
        zone=Zone.named(session.home.zone, session.start_at),
        elapsed_seconds=clock[-1],
        moving_seconds=len(clock) - 1 if "moving" in streams else clock[-1],
        distance_metres=distance,
        ascent_metres=_ascent(streams.get("altitude", [])),
        calories=kilojoules * 1.05 if known else session.moving_seconds / 6,
        streams=streams,
        device_watts=session.kind != "ride_estimated",
        trainer=session.kind in {"indoor", "swim", "strength"},
        device_name=None if session.kind == "manual" else "Garmin Forerunner 955",
    )

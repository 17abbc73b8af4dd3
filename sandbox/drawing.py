"""Invented activities: an athlete's body on a day, a kind, a length and a seed become a recording.

The same session is the same recording, to the last value. Refuses ids, privacy and events.

Stated noise. Power: the meter is off by up to METER_ERROR for a whole ride, watts are rounded. Speed on foot:
off by up to PACE_ERROR for a whole run, and by PACE_NOISE (metres per second, 20 s of memory) besides. Heart:
`physiology`. Beyond that no window is above the day's curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sandbox import efforts, physiology, roads
from sandbox.corruptions import corrupt
from sandbox.efforts import Levels, Plan
from sandbox.noise import Array, Mask, Random, dropouts, smooth, wander
from sandbox.recording import Channels, Recording, Zone
from sandbox.sessions import Session
from sandbox.world import Body

EASE_ON_FOOT = {"Walk": 0.45, "Hike": 0.42, "TrailRun": 0.94}
LEAST_EFFORT_ON_FOOT = {"Walk": 0.2, "Hike": 0.45}  # of the heart: a rucksack, and steps up
STEEP_ON_FOOT = {"Hike": 0.06, "TrailRun": 0.045}

METER_ERROR = 0.005
PACE_ERROR = 0.004
PACE_NOISE = 0.04
PAUSES_PER_HOUR = 1.2
HEART_DROPOUTS_PER_HOUR = 0.6
POWER_DROPOUTS_PER_HOUR = 0.3
POOL_METRES = 25.0
KEPT_RECORDINGS = 12

Values = dict[str, NDArray[Any]]


def _whole(values: Array, lost: Mask | None = None) -> Array:
    rounded: Array = np.rint(values)
    if lost is not None:
        rounded[lost] = np.nan
    return rounded


@dataclass(frozen=True, slots=True)
class _Course:
    """The seconds of a session: `moving` masks the elapsed ones, `clock` numbers those that were recorded."""

    moving: Mask
    clock: Array
    plan: Plan

    @classmethod
    def drawn(cls, random: Random, session: Session, levels: Levels, pauses_per_hour: float) -> _Course:
        count, body = session.moving_seconds, session.body
        if session.shape == "all_out":
            on_foot = levels is efforts.FEET
            reserve = body.d_prime / body.critical_speed if on_foot else body.w_prime / body.critical_power
            plan = efforts.plan_all_out(random, count, session.all_out_seconds, reserve, levels)
            moving = np.ones(count, dtype=np.bool_)  # nobody stops in a race
        else:
            plan = efforts.plan(random, count, session.shape, levels)
            moving = efforts.pauses(random, count, pauses_per_hour)
        return cls(moving, np.flatnonzero(moving).astype(np.float64), plan)

    def heart(self, random: Random, body: Body, effort: Array) -> Array:
        """Let the heart go on through the pauses, and return what was recorded of it."""
        through = np.zeros(self.moving.size)
        through[self.moving] = effort
        beats = physiology.heart_rate(random, through, body.resting_bpm, body.threshold_bpm, body.max_bpm)
        return beats[self.moving]


def _watts(random: Random, course: _Course, slope: Array, body: Body) -> Array:
    """Return the power at the legs: a little more uphill, feet still on descents, never above the day's curve."""
    effort = efforts.follow(random, course.plan, 0.07, 0.02, 8)
    hard = course.plan.mask()
    hilly = effort * np.where(hard, 1.0, 1 + np.clip(1.2 * slope, -0.1, 0.1))
    coasting = ~hard & (slope < -0.025) & (wander(random, effort.size, 1.0, 15) > 0.2)
    watts = np.where(coasting, 0.0, hilly) * body.critical_power
    return physiology.keep_within_reserve(watts, body.critical_power, body.w_prime)


def _on_wheels(random: Random, session: Session) -> Values:
    indoors, estimated, body = session.kind == "indoor", session.kind.startswith("ride_"), session.body
    course = _Course.drawn(random, session, efforts.WHEELS, 0.0 if indoors else PAUSES_PER_HOUR)
    count = course.clock.size
    slope = np.zeros(count) if indoors else roads.grade(random, count, 0.02)
    watts = _watts(random, course, slope, body)
    speed = roads.riding_speed(watts, slope, body.weight_kg)
    values: Values = _motion(course, speed)
    if session.kind != "ride_estimated":
        beats = course.heart(random, body, watts / body.critical_power)
        values["heartrate"] = _whole(beats, dropouts(random, count, HEART_DROPOUTS_PER_HOUR))
    if estimated:  # Strava's guess from speed and slope: smooth, and wrong by some percent
        values["watts"] = _whole(smooth(watts, 20) * random.uniform(0.85, 1.12))
    else:
        cadence = np.where(watts > 0, 78 + 12 * watts / body.critical_power + wander(random, count, 4, 10), 0)
        values["cadence"] = _whole(np.clip(cadence, 0, 130))
        metered = watts * random.uniform(1 - METER_ERROR, 1 + METER_ERROR)
        values["watts"] = _whole(metered, dropouts(random, count, POWER_DROPOUTS_PER_HOUR))
        values["temp"] = _whole(16 + 6 * random.random() + wander(random, count, 1.0, 600))
    if not indoors:
        values |= _outdoors(random, session, speed, slope)
    return values


def _motion(course: _Course, speed: Array) -> Values:
    return {
        "time": course.clock,
        "distance": np.round(np.cumsum(speed), 1),
        "velocity_smooth": np.round(speed, 3),
        "moving": np.ones(speed.size, dtype=np.bool_),
    }


def _outdoors(random: Random, session: Session, speed: Array, slope: Array) -> Values:
    return {
        "latlng": roads.loop(random, speed, session.home.latitude, session.home.longitude),
        "altitude": roads.altitude(random, slope * speed),
        "grade_smooth": np.round(slope * 100, 1),
    }


def _on_foot(random: Random, session: Session) -> Values:
    body = session.body
    course = _Course.drawn(random, session, efforts.FEET, PAUSES_PER_HOUR / 2)
    count = course.clock.size
    # Races and tests are run on level ground.
    steepness = 0.004 if session.shape == "all_out" else STEEP_ON_FOOT.get(session.sport_type, 0.015)
    slope = roads.grade(random, count, steepness)
    ease = EASE_ON_FOOT.get(session.sport_type, 1.0)
    planned = efforts.follow(random, course.plan, 0.025, 0.012, 10) * ease * body.critical_speed
    level = physiology.keep_within_reserve(planned, body.critical_speed, body.d_prime)
    measured = random.uniform(1 - PACE_ERROR, 1 + PACE_ERROR) * level / physiology.slope_cost(slope)
    speed = np.clip(measured + wander(random, count, PACE_NOISE, 20), 0.8, None)
    # The heart follows the effort, and three quarters of the speed are three fifths of the effort.
    effort = (level / body.critical_speed - 0.35) / 0.65
    cadence = 70 + 4.5 * speed + wander(random, count, 0.8, 10)
    beats = course.heart(random, body, np.maximum(effort, LEAST_EFFORT_ON_FOOT.get(session.sport_type, 0.0)))
    return {
        **_motion(course, speed),
        "heartrate": _whole(beats, dropouts(random, count, HEART_DROPOUTS_PER_HOUR)),
        "cadence": _whole(cadence),
        **_outdoors(random, session, speed, slope),
    }


def _in_water(random: Random, session: Session) -> Values:
    """Return what a watch in a pool gives: time and distance, one point per length."""
    body = session.body
    critical = body.swim_speed
    lengths = max(2, int(session.moving_seconds * critical * 0.9 / POOL_METRES))
    pace = critical * random.uniform(0.84, 0.95) * (1 + 0.02 * random.standard_normal(lengths))
    pace *= np.linspace(1.0, 0.97, lengths)
    seconds = POOL_METRES / np.minimum(pace, critical)
    if session.shape == "all_out":
        # 400 and 200 metres for time, from which the critical speed is told; easy lengths around them.
        seconds *= 1.05
        for start, metres in ((12, 400.0), (40, 200.0)):
            count = int(metres / POOL_METRES)
            seconds[start : start + count] = (metres - body.swim_reserve) / critical / count
    clock = np.concatenate([[0.0], np.cumsum(seconds)])
    if session.shape != "all_out":
        clock *= session.moving_seconds / clock[-1]
    return {"time": np.rint(clock), "distance": np.linspace(0, lengths * POOL_METRES, lengths + 1)}


def _with_weights(random: Random, session: Session) -> Values:
    count, body = session.moving_seconds, session.body
    clock = np.arange(count, dtype=np.float64)
    effort = np.where((clock // 45) % 3 == 0, random.uniform(0.7, 0.95), 0.5)
    beats = physiology.heart_rate(random, effort, body.resting_bpm, body.threshold_bpm, body.max_bpm)
    return {"time": clock, "heartrate": _whole(beats)}


def _by_hand(_random: Random, _session: Session) -> Values:
    return {}


DRAWN: dict[str, Callable[[Random, Session], Values]] = {
    "ride": _on_wheels,
    "ride_estimated": _on_wheels,
    "ride_meterless": _on_wheels,
    "indoor": _on_wheels,
    "run": _on_foot,
    "swim": _in_water,
    "strength": _with_weights,
    "manual": _by_hand,
}


def _ascent(altitude: Array | None) -> float:
    """Return the metres climbed, looked at every half minute: the barometer's own noise climbs nothing."""
    climbs = np.diff(altitude[::30]) if altitude is not None else np.zeros(1)
    return float(climbs[climbs > 0].sum())


def _calories(session: Session, values: Values, moving_seconds: int) -> float:
    if "watts" in values:  # a kilojoule at the pedals costs about a kilocalorie
        return float(np.nanmean(values["watts"])) * moving_seconds / 1000 * 1.05
    if "distance" in values and session.kind == "run":
        return session.body.weight_kg * float(values["distance"][-1]) / 1000
    return session.moving_seconds / 6


@lru_cache(maxsize=KEPT_RECORDINGS)
def draw(session: Session) -> Recording:
    """Draw a session; the newest are remembered for a while, because detail and streams are asked for together."""
    random = np.random.default_rng([session.seed, session.moving_seconds])
    values = DRAWN[session.kind](random, session)
    if not session.strap:
        values.pop("heartrate", None)
    elapsed = int(values["time"][-1]) if values else session.moving_seconds
    moving = values["time"].size - 1 if "moving" in values else elapsed
    by_hand = session.body.critical_speed * 0.8 * session.moving_seconds if session.kind == "manual" else 0.0
    climbed = _ascent(values.get("altitude"))
    if session.corruption is not None:
        corrupt(random, values, session.corruption)
    device = "Garmin Edge 540" if session.kind in {"ride", "ride_meterless"} else "Garmin Forerunner 955"
    return Recording(
        name=session.name,
        sport_type=session.sport_type,
        start_at=session.start_at,
        zone=Zone.named(session.home.zone, session.start_at),
        elapsed_seconds=elapsed,
        moving_seconds=moving,
        distance_metres=float(values["distance"][-1]) if "distance" in values else by_hand,
        ascent_metres=climbed,
        calories=_calories(session, values, moving),
        streams=Channels(values),
        device_watts=not session.kind.startswith("ride_"),
        trainer=session.kind in {"indoor", "swim", "strength"},
        device_name=None if session.kind == "manual" else device,
    )

"""What an athlete's mornings show: variability, pulse, sleep. It follows from his training, the seed and the day.

A tired athlete's pulse is higher and its variability lower; nights are longer at weekends, and some are bad. Some
athletes have no device for variability, some nights the watch lies in a drawer, and values arrive when devices have
been synchronised: the resting pulse as late as the evening. Refuses HTTP and the clock.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from math import exp, log, tanh
from typing import Any

from sandbox.histories import DAY_SECONDS, Lives, is_invented
from sandbox.recording import Zone
from sandbox.riders import number_of
from sandbox.world import Athlete

Json = dict[str, Any]

# Every field that Intervals.icu describes, in its order.
FIELDS = (
    "id", "ctl", "atl", "rampRate", "ctlLoad", "atlLoad", "sportInfo", "updated", "weight", "restingHR",
    "hrv", "hrvSDNN", "menstrualPhase", "menstrualPhasePredicted", "kcalConsumed", "sleepSecs", "sleepScore",
    "sleepQuality", "avgSleepingHR", "soreness", "fatigue", "stress", "mood", "motivation", "injury", "spO2",
    "systolic", "diastolic", "hydration", "hydrationVolume", "readiness", "baevskySI", "bloodGlucose",
    "lactate", "bodyFat", "abdomen", "vo2max", "comments", "steps", "respiration", "carbohydrates", "protein",
    "fatTotal", "locked", "tempWeight", "tempRestingHR",
)  # fmt: skip
HRV_SHARE = 0.75  # of the athletes measure variability
FORGOTTEN_SHARE = 0.05  # of the nights are not recorded
BAD_NIGHT_SHARE = 0.05
WEIGHED_SHARE = 0.3
TOLD_SHARE = 0.4  # of the days an athlete says how he feels
EPOCH = date(1970, 1, 1)
# Local hours between which values arrive.
NIGHT_ARRIVES = (6.5, 9.0)
PULSE_LATER = (0.0, 11.0)  # hours after the night
FEELING_ARRIVES = (18.0, 22.0)


def day_of(on_day: date) -> int:
    """Return a day as the number of days since 1970."""
    return on_day.toordinal() - EPOCH.toordinal()


def local_day(athlete: Athlete, now: float) -> date:
    """Return which day it is where an athlete lives."""
    offset_seconds = Zone.named(athlete.home.zone, int(now)).utc_offset_seconds
    return date.fromordinal(EPOCH.toordinal() + (int(now) + offset_seconds) // DAY_SECONDS)


def record(lives: Lives, athlete: Athlete, on_day: date, now: float) -> Json | None:
    """Return one day's record as it stands at an instant, with every field; None where nothing has come of it."""
    if not is_invented(athlete):
        return None
    day = day_of(on_day)
    offset_seconds = Zone.named(athlete.home.zone, int(now)).utc_offset_seconds
    hours = (now + offset_seconds - day * DAY_SECONDS) / 3600
    arrived = {name: (value, at) for name, (value, at) in _day(lives, athlete, day).items() if at <= hours}
    if not arrived:
        return None
    updated_at = day * DAY_SECONDS - offset_seconds + 3600 * max(at for _, at in arrived.values())
    year, place = lives.year(athlete, day)
    return dict.fromkeys(FIELDS) | {
        "id": on_day.isoformat(),
        "ctl": round(float(year.fitness[place]), 3),
        "atl": round(float(year.fatigue[place]), 3),
        "sportInfo": [],
        "updated": datetime.fromtimestamp(updated_at, UTC).isoformat(timespec="milliseconds"),
        **{name: value for name, (value, _) in arrived.items()},
    }


def _day(lives: Lives, athlete: Athlete, day: int) -> dict[str, tuple[float, float]]:
    """Return what the day will have shown, each value with the local hour at which it arrives."""
    always = random.Random(f"{lives.nature.seed}/wellness/{number_of(athlete)}")
    usual_rmssd, usual_sleep = exp(always.gauss(log(55), 0.35)), always.gauss(7.3, 0.5)
    measures_hrv = always.random() < HRV_SHARE
    draw = random.Random(f"{lives.nature.seed}/wellness/{number_of(athlete)}/{day}")
    bad = draw.random() < BAD_NIGHT_SHARE
    forgotten, weighed, told = (
        draw.random() < share for share in (FORGOTTEN_SHARE, WEIGHED_SHARE, TOLD_SHARE)
    )  # fmt: skip
    # Of the evening before: what he trains today tires him tomorrow.
    year, place = lives.year(athlete, day - 1)
    tired = tanh(float(year.fatigue[place] - year.fitness[place]) / max(float(year.fitness[place]), 8.0))
    hours = usual_sleep + (0.6 if (day + 3) % 7 >= 5 else 0.0) - 0.2 * tired - 2.0 * bad + draw.gauss(0, 0.6)
    rmssd = usual_rmssd * exp(-0.10 * tired - 0.15 * bad + draw.gauss(0, 0.08))
    pulse = lives.body(athlete, day).resting_bpm + 3.0 * tired + 3.0 * bad + draw.gauss(0, 1.3)
    night_at = draw.uniform(*NIGHT_ARRIVES)
    pulse_at, feeling_at = night_at + draw.uniform(*PULSE_LATER), draw.uniform(*FEELING_ARRIVES)
    shown: dict[str, tuple[float, float]] = {}
    if not forgotten:
        shown["sleepSecs"] = (round(3600 * min(max(hours, 2.5), 11.5) / 60) * 60, night_at)
        shown["sleepScore"] = (float(round(min(max(12.5 * hours - 10, 20), 99))), night_at)
        shown["restingHR"] = (max(round(pulse), 30), pulse_at)
        if measures_hrv:
            shown["hrv"] = (round(min(max(rmssd, 8.0), 220.0), 1), night_at)
    if weighed:
        shown["weight"] = (lives.body(athlete, day).weight_kg, night_at)
    if told:
        shown["fatigue"] = (2 + (tired > 0.1) + (bad and tired > 0.1), feeling_at)
        shown["soreness"] = (1 + (tired > 0.0), feeling_at)
        shown["mood"] = (2 + bad, feeling_at)
    return shown

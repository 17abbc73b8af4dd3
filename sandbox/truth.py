"""GET /sandbox/truth/{athlete}: what is true of an invented athlete, for whoever wants to measure a fit against it.

Refuses to be a recording: no noise, no rounding but to sensible digits. Activities made while the sandbox runs are
not in its lists of hard and corrupted ones; they obey the same laws.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from aiohttp import web

from sandbox import drawing, efforts, physiology
from sandbox.answers import answer
from sandbox.asked import BadAsk, Missing
from sandbox.corruptions import RATES
from sandbox.histories import DAY_SECONDS, History, is_invented
from sandbox.strava import STRAVA, FakeStrava
from sandbox.world import Athlete

Json = dict[str, Any]

EPOCH = date(1970, 1, 1)
STEP_DAYS = 7


def _on(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()


def _thresholds(strava: FakeStrava, athlete: Athlete, day: int) -> Json:
    body = strava.lives.body(athlete, day)
    return {
        "on": _on(day),
        "critical_power": round(body.critical_power, 1),
        "w_prime": round(body.w_prime),
        "critical_speed": round(body.critical_speed, 4),
        "d_prime": round(body.d_prime, 1),
        "critical_swim_speed": round(body.swim_speed, 4),
        "swim_reserve": round(body.swim_reserve, 1),
        # Load is scaled so that an hour at critical power is 100: that is what FTP means here.
        "ftp": round(body.critical_power),
        "lthr": round(body.threshold_bpm),
        "max_hr": round(body.max_bpm),
        "resting_hr": round(body.resting_bpm),
        "weight_kg": body.weight_kg,
    }


def _day(strava: FakeStrava, athlete: Athlete, day: int) -> Json:
    year, place = strava.lives.year(athlete, day)
    body = strava.lives.body(athlete, day)
    return {
        "on": _on(day),
        "form": round(float(year.form[place]), 5),
        "fitness": round(float(year.fitness[place]), 2),
        "fatigue": round(float(year.fatigue[place]), 2),
        "critical_power": round(body.critical_power, 1),
        "critical_speed": round(body.critical_speed, 4),
        "critical_swim_speed": round(body.swim_speed, 4),
        "weight_kg": body.weight_kg,
    }


def noise(strava: FakeStrava) -> Json:
    """Return the noise that recordings carry beyond the truth, as rates and bounds."""
    scale = strava.lives.nature.corruption_scale
    return {
        "season_swing": strava.lives.nature.season_swing,
        "never_hard_share": strava.lives.nature.never_hard_share,
        "power_meter_error": drawing.METER_ERROR,
        "pace_error": drawing.PACE_ERROR,
        "pace_noise_metres_per_second": drawing.PACE_NOISE,
        "all_out_shortfall": efforts.SHORTFALL,
        "heart_of_the_day_bpm": physiology.HEART_OF_THE_DAY_BPM,
        "heart_drift_per_hour": list(physiology.DRIFT_PER_HOUR),
        "heart_lag_seconds": list(physiology.LAG_SECONDS),
        "heart_dropouts_per_hour": drawing.HEART_DROPOUTS_PER_HOUR,
        "power_dropouts_per_hour": drawing.POWER_DROPOUTS_PER_HOUR,
        "pauses_per_hour": drawing.PAUSES_PER_HOUR,
        "corruptions": {kind: rate * scale for kind, rate in RATES.items()},
    }


def _remarkable(strava: FakeStrava, history: History, athlete: Athlete) -> tuple[list[Json], list[Json]]:
    """Return the activities of the past that were all out, and those that are corrupt."""
    hard: list[Json] = []
    corrupt: list[Json] = []
    for activity, session in history.sessions(athlete):
        if strava.world.find(activity.id) is None:
            continue
        known = {"activity_id": activity.id, "start_at": activity.start_at, "sport_type": session.sport_type}
        if session.shape == "all_out":
            hard.append(known | {"name": session.name, "seconds": list(session.all_out_seconds)})
        if session.corruption is not None:
            corrupt.append(known | {"corruption": session.corruption})
    return hard, corrupt


async def truth(request: web.Request) -> web.Response:
    """GET /sandbox/truth/{athlete}?step_days=7: thresholds today and through the past, and what to beware of."""
    strava, text = request.app[STRAVA], request.match_info["athlete"]
    athlete = strava.world.athletes.get(int(text)) if text.isascii() and text.isdigit() else None
    if athlete is None or not is_invented(athlete):
        raise Missing(f"{text} is not an invented athlete: nobody knows the truth about the others")
    asked = request.query.get("step_days", str(STEP_DAYS))
    step = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 0
    if step < 1:
        raise BadAsk("step_days must be a whole number of days")
    habits, today = strava.lives.habits(athlete), int(strava.clock.now()) // DAY_SECONDS
    hard, corrupt = _remarkable(strava, strava.history, athlete)
    # Back from today, so that today is always among them.
    days = range(today, today - max(strava.options.history_days, 1), -step)
    return answer(
        {
            "athlete_id": athlete.id,
            "name": f"{athlete.firstname} {athlete.lastname}",
            "sex": athlete.sex,
            "profile": habits.profile,
            "goes_hard": habits.goes_hard,
            "hard_every_weeks": habits.hard_every_weeks or None,
            "tested_sports": list(habits.tested) if habits.goes_hard else [],
            "has_power_meter": habits.has_meter,
            "has_heart_strap": habits.has_strap,
            "today": _thresholds(strava, athlete, today),
            "days": [_day(strava, athlete, day) for day in reversed(days)],
            "hard_efforts": hard,
            "corrupted": corrupt,
            "noise": noise(strava),
        }
    )


ROUTES = (("GET", "/truth/{athlete}", truth),)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the route."""
    for method, path, handler in ROUTES:
        router.add_route(method, f"/sandbox{path}", handler)

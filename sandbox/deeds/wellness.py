"""What happens at the fake Intervals.icu: days change, keys die, its webhook tells the truth or anything else."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson

from sandbox.asked import Asked, BadAsk
from sandbox.deeds.activities import athlete_of
from sandbox.push import Manner
from sandbox.stage import Act, Json, Stage
from sandbox.wellness import FIELDS

FIXED = ("id", "updated")


def _values(asked: Asked) -> dict[str, Any]:
    values: dict[str, Any] = asked.take("values", dict, {})
    unknown = sorted(set(values) - set(FIELDS) | set(values) & set(FIXED))
    if unknown:
        raise BadAsk(f"no values of a day: {', '.join(unknown)}")
    return values


def change(asked: Asked) -> Act:
    """Change a day of an athlete's, today by default; null takes a value away."""
    athlete_id, text, values = asked.needed("athlete_id", int), asked.maybe("on", str), _values(asked)
    event = asked.flag("event", default=True)
    try:
        wished_on = date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadAsk("on must be a day such as 2026-03-01") from None

    def act(stage: Stage) -> Json:
        intervals, athlete = stage.strava.intervals, athlete_of(stage.strava, athlete_id)
        on_day = wished_on or intervals.today(athlete)
        intervals.change(athlete, on_day, values)
        sent = intervals.announce(athlete, on_day) if event else []
        return {
            "on": on_day.isoformat(),
            "record": intervals.record(athlete, on_day),
            "events": [one.id for one in sent],
        }

    return act


def key(asked: Asked) -> Act:
    """Let an athlete's key die, or give him another one."""
    athlete_id, dead, renew = asked.needed("athlete_id", int), asked.flag("dead"), asked.flag("renew")

    def act(stage: Stage) -> Json:
        intervals, athlete = stage.strava.intervals, athlete_of(stage.strava, athlete_id)
        if renew:
            intervals.renew_key(athlete.id)
        if dead:
            intervals.kill_key(athlete.id)
        return {kind: intervals.key(athlete.id, kind) for kind in ("api_key", "bearer")}

    return act


def event(asked: Asked) -> Act:
    """Push any body, true or forged."""
    body, text = asked.maybe("body", dict), asked.take("text", str, "")

    def act(stage: Stage) -> Json:
        sent = stage.strava.intervals.push.send(orjson.dumps(body) if body is not None else text.encode(), Manner())
        return {"events": [delivery.id for delivery in sent]}

    return act

"""Athletes connect and disconnect the app, and their tokens age, die and rotate.

Refuses to ask anybody: the page for that is `authorization`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sandbox.asked import Asked, BadAsk
from sandbox.consent import MEANINGS
from sandbox.deeds.activities import athlete_of
from sandbox.stage import Act, Json, Stage
from sandbox.strava import FakeStrava
from sandbox.tokens import FULL_SCOPE
from sandbox.world import Athlete


def athlete_report(strava: FakeStrava, athlete: Athlete) -> dict[str, Any]:
    """Return what an operator would import about an athlete, tokens included."""
    grant = strava.tokens.of(athlete.id)
    held = asdict(grant) if grant is not None else {}
    return {
        "id": athlete.id,
        "name": f"{athlete.firstname} {athlete.lastname}".strip(),
        "sex": athlete.sex,
        "ftp": athlete.ftp,
        "critical_speed": athlete.critical_speed,
        "css": athlete.css,
        "lthr": athlete.lthr,
        "max_hr": athlete.max_hr,
        "resting_hr": athlete.resting_hr,
        "weight_kg": athlete.weight_kg,
        "timezone": athlete.home.zone,
        "source": athlete.source,
        "connected": grant is not None,
        **{name: held.get(name) for name in ("scope", "refresh_token", "access_token", "expires_at")},
        "intervals_id": strava.intervals.name(athlete.id),
        "intervals_api_key": strava.intervals.key(athlete.id, "api_key"),
        "intervals_bearer": strava.intervals.key(athlete.id, "bearer"),
    }


def authorize(asked: Asked) -> Act:
    """Let an athlete connect (again), with the scope he chooses; answers with his new tokens."""
    athlete_id, scope = asked.needed("athlete_id", int), asked.take("scope", str, FULL_SCOPE)
    unknown = sorted(set(scope.split(",")) - MEANINGS.keys())
    if unknown:
        raise BadAsk(f"Strava knows no scope {', '.join(unknown)}")

    def act(stage: Stage) -> Json:
        strava = stage.strava
        athlete = athlete_of(strava, athlete_id)
        if not strava.has_room_for(athlete.id):
            raise BadAsk(f"the limit of {strava.quirks.athlete_limit} connected athletes is reached")
        strava.tokens.grant(athlete.id, scope, strava.clock.now())
        return athlete_report(strava, athlete)

    return act


def revoke(asked: Asked) -> Act:
    """Let an athlete take his authorization back."""
    athlete_id, event = asked.needed("athlete_id", int), asked.flag("event", default=True)

    def act(stage: Stage) -> Json:
        athlete = athlete_of(stage.strava, athlete_id)
        return {"revoked": stage.strava.revoke(athlete.id, event=event)}

    return act


def tokens(asked: Asked) -> Act:
    """Age, kill or rotate an athlete's tokens."""
    athlete_id, expires_in = asked.needed("athlete_id", int), asked.maybe("expires_in", int)
    dead, rotate = asked.flag("dead"), asked.flag("rotate")

    def act(stage: Stage) -> Json:
        strava = stage.strava
        athlete = athlete_of(strava, athlete_id)
        if strava.tokens.of(athlete.id) is None:
            raise BadAsk(f"athlete {athlete.id} is not connected")
        if expires_in is not None:
            strava.tokens.age(athlete.id, int(strava.clock.now()) + expires_in)
        if dead:
            strava.tokens.kill_access(athlete.id)
        if rotate:
            strava.tokens.rotate(athlete.id)
        return athlete_report(strava, athlete)

    return act

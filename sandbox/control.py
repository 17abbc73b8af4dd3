"""The control routes under /sandbox: what an operator of this world sees and does.

JSON in, JSON out, no tokens needed. Refuses to be counted: nothing here touches quota, journal or switches of
the served API.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from sandbox.answers import answer
from sandbox.asked import Asked, BadAsk
from sandbox.options import Limits
from sandbox.push import Manner
from sandbox.quirks import Quirks
from sandbox.quota import MeterName
from sandbox.recording import Streams
from sandbox.sessions import KIND_OF_SPORT, KINDS, SHAPES, SPORT_OF_KIND, Session, perform
from sandbox.strava import STRAVA, FakeStrava, Serving
from sandbox.switches import ANY, API, API_ENDPOINTS
from sandbox.switches import KINDS as FAULT_KINDS
from sandbox.tokens import FULL_SCOPE
from sandbox.world import Activity, Athlete, Draw, Unready

ENDPOINTS = (API, ANY, *sorted(API_ENDPOINTS), "token", "revoke", "deauthorize", "push_subscriptions")
UNREADY: tuple[Unready, ...] = ("empty", "missing")
LAST_START = 4_102_444_800  # the year 2100
MOST_AT_ONCE = 100_000
EVENT_FIELDS = ("event", "event_repeat", "event_delay")
SERVING_FIELDS = ("visible_after", "streams_ready_after", "streams_until_ready", "private", "detail", "streams")
SESSION_FIELDS = ("athlete_id", "template", "kind", "sport_type", "shape", "duration", "seed", "start_at", "name")


def _path_id(request: web.Request) -> int:
    text = request.match_info["id"]
    return int(text) if text.isascii() and text.isdigit() else -1


def _number(request: web.Request, name: str, default: float) -> float:
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadAsk(f"{name} must be a number")
    return value


def _athlete(strava: FakeStrava, athlete_id: int) -> Athlete:
    athlete = strava.world.athletes.get(athlete_id)
    if athlete is None:
        raise web.HTTPNotFound(text=f"no athlete {athlete_id}")
    return athlete


def _activity(strava: FakeStrava, activity_id: int) -> Activity:
    activity = strava.world.find(activity_id)
    if activity is None:
        raise web.HTTPNotFound(text=f"no activity {activity_id}")
    return activity


def _manner(asked: Asked, repeat: str = "event_repeat", delay: str = "event_delay") -> Manner:
    return Manner(asked.whole(repeat, 1, 1, MOST_AT_ONCE), asked.take(delay, float, 0.0))


def _streams(asked: Asked) -> Streams | None:
    given = asked.maybe("streams", dict)
    if given is not None and not all(isinstance(values, list) for values in given.values()):
        raise BadAsk("streams are lists by key")
    return given


async def healthz(_request: web.Request) -> web.Response:
    """GET /sandbox/healthz."""
    return answer({"status": "ok"})


async def counts(request: web.Request) -> web.Response:
    """GET /sandbox/counts: all windows of both meters, calls per endpoint and status."""
    strava = request.app[STRAVA]
    return answer(strava.journal.report() | {"meters": strava.quota.report(strava.clock.now())})


async def requests(request: web.Request) -> web.Response:
    """GET /sandbox/requests?last=100: the newest requests, one by one."""
    last = _number(request, "last", 100)
    return answer(request.app[STRAVA].journal.newest(max(int(last), 1)))


def _athlete_report(strava: FakeStrava, athlete: Athlete) -> dict[str, Any]:
    grant = strava.tokens.of(athlete.id)
    held = asdict(grant) if grant is not None else {}
    return {
        "id": athlete.id,
        "name": f"{athlete.firstname} {athlete.lastname}".strip(),
        "sex": athlete.sex,
        "ftp": athlete.ftp,
        "lthr": athlete.lthr,
        "max_hr": athlete.max_hr,
        "resting_hr": athlete.resting_hr,
        "weight_kg": athlete.weight_kg,
        "timezone": athlete.home.zone,
        "source": athlete.source,
        "connected": grant is not None,
        **{name: held.get(name) for name in ("scope", "refresh_token", "access_token", "expires_at")},
    }


async def athletes(request: web.Request) -> web.Response:
    """GET /sandbox/athletes: what an operator would import, tokens included."""
    strava = request.app[STRAVA]
    return answer([_athlete_report(strava, athlete) for athlete in strava.world.athletes.values()])


async def authorize(request: web.Request) -> web.Response:
    """POST /sandbox/athletes/{id}/authorize: the athlete connects (again), with the scope he chooses."""
    strava, asked = request.app[STRAVA], await Asked.of(request, "scope")
    athlete = _athlete(strava, _path_id(request))
    strava.tokens.grant(athlete.id, asked.take("scope", str, FULL_SCOPE), strava.clock.now())
    return answer(_athlete_report(strava, athlete))


async def revoke(request: web.Request) -> web.Response:
    """POST /sandbox/athletes/{id}/revoke: the athlete takes his authorization back."""
    strava, asked = request.app[STRAVA], await Asked.of(request, "event")
    athlete = _athlete(strava, _path_id(request))
    return answer({"revoked": strava.revoke(athlete.id, event=asked.flag("event", default=True))})


async def tokens(request: web.Request) -> web.Response:
    """POST /sandbox/tokens/{id}: age, kill or rotate an athlete's tokens."""
    strava, asked = request.app[STRAVA], await Asked.of(request, "expires_in", "dead", "rotate")
    athlete = _athlete(strava, _path_id(request))
    if strava.tokens.of(athlete.id) is None:
        raise BadAsk(f"athlete {athlete.id} is not connected")
    if "expires_in" in asked:
        strava.tokens.age(athlete.id, int(strava.clock.now()) + asked.take("expires_in", int, 0))
    if asked.flag("dead"):
        strava.tokens.kill_access(athlete.id)
    if asked.flag("rotate"):
        strava.tokens.rotate(athlete.id)
    return answer(_athlete_report(strava, athlete))


def _drawn(strava: FakeStrava, asked: Asked, athlete: Athlete) -> tuple[int, Draw]:
    """Return the start and the drawing of an asked activity: a copy of a template, or an invented session."""
    now = int(strava.clock.now())
    if "template" in asked:
        drawn = _template(strava, asked.take("template", str, "")).draw()
        start_at = asked.whole("start_at", now - drawn.elapsed_seconds, 0, LAST_START)
        recording = replace(drawn, start_at=start_at, name=asked.take("name", str, drawn.name))
        return start_at, lambda: recording
    kind = asked.one_of("kind", KINDS, KIND_OF_SPORT.get(asked.take("sport_type", str, "Ride"), "strength"))
    sport_type = asked.take("sport_type", str, SPORT_OF_KIND[kind])
    duration = asked.whole("duration", 3_600, 60, 86_400)
    start_at = asked.whole("start_at", now - duration, 0, LAST_START)
    session = Session(
        seed=abs(asked.take("seed", int, start_at)),
        kind=kind,
        sport_type=sport_type,
        shape=asked.one_of("shape", SHAPES, "steady"),
        name=asked.take("name", str, f"Sandbox {sport_type}"),
        start_at=start_at,
        moving_seconds=duration,
        body=athlete.body,
        home=athlete.home,
    )
    return start_at, partial(perform, session)


def _template(strava: FakeStrava, name: str) -> Activity:
    """Find what to copy, by the name of a file among the rides or by an activity's id."""
    for ride in strava.rides:
        if ride.file == name and ride.recording is not None:
            return _activity(strava, ride.activity_id)
    return _activity(strava, int(name) if name.isascii() and name.isdigit() else -1)


async def create_activity(request: web.Request) -> web.Response:
    """POST /sandbox/activities: an athlete uploads one; answers with its id and the ids of its events."""
    strava = request.app[STRAVA]
    asked = await Asked.of(request, *SESSION_FIELDS, *SERVING_FIELDS, *EVENT_FIELDS)
    athlete = _athlete(strava, asked.take("athlete_id", int, next(iter(strava.world.athletes), -1)))
    start_at, draw = _drawn(strava, asked, athlete)
    private = asked.flag("private")
    serving = Serving(
        visible_after=asked.take("visible_after", float, 0.0),
        streams_ready_after=asked.take("streams_ready_after", float, 0.0),
        streams_until_ready=asked.one_of("streams_until_ready", UNREADY, "empty"),
        changes=({"private": True, "visibility": "only_me"} if private else {}) | asked.take("detail", dict, {}),
        streams=_streams(asked),
    )
    activity = strava.add(athlete.id, start_at, draw, serving)
    sent = strava.announce(activity, "create", {}, _manner(asked)) if asked.flag("event", default=True) else []
    return answer(
        {"id": activity.id, "athlete_id": athlete.id, "start_at": start_at, "events": [one.id for one in sent]},
        201,
    )


async def edit_activity(request: web.Request) -> web.Response:
    """PATCH /sandbox/activities/{id}: its athlete edits it."""
    strava = request.app[STRAVA]
    asked = await Asked.of(request, "name", "sport_type", "private", "detail", "streams", *EVENT_FIELDS)
    activity = _activity(strava, _path_id(request))
    changes: dict[str, Any] = dict(asked.take("detail", dict, {}))
    for name, kind in (("name", str), ("sport_type", str), ("private", bool)):
        if name in asked:
            changes[name] = asked.maybe(name, kind)
    updates = strava.edit(activity, changes, _streams(asked))
    wanted = asked.flag("event", default=True) and updates
    sent = strava.announce(activity, "update", updates, _manner(asked)) if wanted else []
    return answer({"id": activity.id, "updates": updates, "events": [one.id for one in sent]})


async def delete_activity(request: web.Request) -> web.Response:
    """DELETE /sandbox/activities/{id}: its athlete deletes it."""
    strava, asked = request.app[STRAVA], await Asked.of(request, *EVENT_FIELDS)
    activity = _activity(strava, _path_id(request))
    strava.world.remove(activity.id)
    sent = strava.announce(activity, "delete", {}, _manner(asked)) if asked.flag("event", default=True) else []
    return answer({"id": activity.id, "events": [one.id for one in sent]})


async def events(request: web.Request) -> web.Response:
    """GET /sandbox/events?after=0&settled=SECONDS: every delivery; `settled` waits until none is under way."""
    strava = request.app[STRAVA]
    seconds = _number(request, "settled", 0)
    settled = await strava.push.settle(seconds) if seconds > 0 else None
    return answer({"settled": settled, "events": strava.push.report(int(_number(request, "after", 0)))})


async def send_event(request: web.Request) -> web.Response:
    """POST /sandbox/events: send any body, JSON or text, true or forged."""
    strava = request.app[STRAVA]
    asked = await Asked.of(request, "body", "text", "repeat", "delay")
    body = asked.maybe("body", dict)
    raw = orjson.dumps(body) if body is not None else asked.take("text", str, "").encode()
    sent = strava.push.send(raw, _manner(asked, "repeat", "delay"))
    return answer({"events": [delivery.id for delivery in sent]}, 202)


async def show_faults(request: web.Request) -> web.Response:
    """GET /sandbox/faults: all switches."""
    return answer([switch.report() for switch in request.app[STRAVA].switches])


async def switch_fault(request: web.Request) -> web.Response:
    """POST /sandbox/faults: switch a fault on, or spend quota as another user of the same app would."""
    strava = request.app[STRAVA]
    asked = await Asked.of(request, "endpoint", "kind", "count", "rate", "athlete_id", "seconds", "requests")
    kind = asked.one_of("kind", (*FAULT_KINDS, "foreign_use"), "error_500")
    if kind == "foreign_use":
        strava.quota.charge_foreign(strava.clock.now(), asked.whole("requests", 1, 0, 10**9))
        return answer(strava.quota.report(strava.clock.now()), 201)
    switch = strava.switches.switch_on(
        endpoint=asked.one_of("endpoint", ENDPOINTS, API),
        kind=kind,
        count=asked.maybe("count", int),
        rate=asked.take("rate", float, 1.0),
        athlete_id=asked.maybe("athlete_id", int),
        seconds=asked.take("seconds", float, 1.0),
    )
    return answer(switch.report(), 201)


async def clear_faults(request: web.Request) -> web.Response:
    """DELETE /sandbox/faults or /sandbox/faults/{id}: switch off all, or one."""
    request.app[STRAVA].switches.switch_off(_path_id(request) if "id" in request.match_info else None)
    return answer({})


def _limits(pair: list[Any] | None) -> Limits | None:
    if pair is None:
        return None
    if len(pair) != 2 or not all(isinstance(number, int) for number in pair):
        raise BadAsk("limits are two whole numbers: [quarter, day]")
    return Limits(pair[0], pair[1])


async def settings(request: web.Request) -> web.Response:
    """PATCH /sandbox/settings: limits, window lengths, clock and contested habits; answers with all of them."""
    strava = request.app[STRAVA]
    asked = await Asked.of(
        request, "overall_limits", "read_limits", "quarter_seconds", "day_seconds", "clock_offset",
        "error_bodies", "after_alone", "usage_shown", "short_pages", "lost_event_rate",
    )  # fmt: skip
    names: tuple[tuple[MeterName, str], ...] = (("overall", "overall_limits"), ("read", "read_limits"))
    wished = {meter: _limits(asked.maybe(field, list)) for meter, field in names}
    limits = {meter: limit for meter, limit in wished.items() if limit is not None}
    # A length of 0 keeps the one in force.
    lengths = [asked.whole(name, 0, 1, 10**7) for name in ("quarter_seconds", "day_seconds")]
    # Everything is read before anything changes: half a mistaken call must not take hold.
    now = strava.quirks
    strava.quirks = Quirks(
        error_bodies=asked.one_of("error_bodies", ("modern", "recorded"), now.error_bodies),
        after_alone=asked.one_of("after_alone", ("newest_first", "oldest_first"), now.after_alone),
        usage_shown=asked.one_of("usage_shown", ("at_arrival", "at_answer"), now.usage_shown),
        short_pages=asked.flag("short_pages", default=now.short_pages),
        lost_event_rate=asked.take("lost_event_rate", float, now.lost_event_rate),
    )
    strava.clock.offset_seconds = asked.take("clock_offset", float, strava.clock.offset_seconds)
    strava.quota.resize(limits, *lengths)
    return answer(asdict(strava.quirks) | {"clock_offset": strava.clock.offset_seconds, "now": strava.clock.now()})


async def rides(request: web.Request) -> web.Response:
    """GET /sandbox/rides: the files served, what their devices wrote, or why they cannot be read."""
    return answer([ride.report() for ride in request.app[STRAVA].rides])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/healthz", healthz),
    ("GET", "/counts", counts),
    ("GET", "/requests", requests),
    ("GET", "/athletes", athletes),
    ("POST", "/athletes/{id}/authorize", authorize),
    ("POST", "/athletes/{id}/revoke", revoke),
    ("POST", "/tokens/{id}", tokens),
    ("POST", "/activities", create_activity),
    ("PATCH", "/activities/{id}", edit_activity),
    ("DELETE", "/activities/{id}", delete_activity),
    ("GET", "/events", events),
    ("POST", "/events", send_event),
    ("GET", "/faults", show_faults),
    ("POST", "/faults", switch_fault),
    ("DELETE", "/faults", clear_faults),
    ("DELETE", "/faults/{id}", clear_faults),
    ("PATCH", "/settings", settings),
    ("GET", "/rides", rides),
)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the control routes."""
    for method, path, handler in ROUTES:
        router.add_route(method, f"/sandbox{path}", handler)

"""The control routes under /sandbox: what an operator of this world sees and does.

JSON in, JSON out, no tokens needed. Refuses to be counted: nothing here touches quota, journal or switches of
the served API. What can be done is in `deeds`; here it only gets an address.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial

import orjson
from aiohttp import web

from sandbox.answers import answer
from sandbox.asked import Asked, BadAsk, Missing, object_of
from sandbox.deeds.athletes import athlete_report
from sandbox.deeds.settings import settings_report
from sandbox.push import Push
from sandbox.scenario import PLAYER, BadScenario
from sandbox.stage import STAGE, number_in
from sandbox.strava import STRAVA

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON_LINES_TYPE = "application/x-ndjson; charset=utf-8"


def _number(request: web.Request, name: str, default: float) -> float:
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadAsk(f"{name} must be a number")
    return value


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


async def athletes(request: web.Request) -> web.Response:
    """GET /sandbox/athletes: what an operator would import, tokens included."""
    strava = request.app[STRAVA]
    return answer([athlete_report(strava, athlete) for athlete in strava.world.athletes.values()])


async def events(request: web.Request) -> web.Response:
    """GET /sandbox/events?after=0&settled=SECONDS: every delivery; `settled` waits until none is under way."""
    return await _deliveries(request, request.app[STRAVA].push)


async def intervals_events(request: web.Request) -> web.Response:
    """GET /sandbox/intervals/events?after=0&settled=SECONDS: the same of the fake Intervals.icu."""
    return await _deliveries(request, request.app[STRAVA].intervals.push)


async def _deliveries(request: web.Request, push: Push) -> web.Response:
    seconds = _number(request, "settled", 0)
    settled = await push.settle(seconds) if seconds > 0 else None
    return answer({"settled": settled, "events": push.report(int(_number(request, "after", 0)))})


async def faults(request: web.Request) -> web.Response:
    """GET /sandbox/faults: all switches."""
    return answer([switch.report() for switch in request.app[STRAVA].switches])


async def settings(request: web.Request) -> web.Response:
    """GET /sandbox/settings: everything that can be set, and the clock."""
    return answer(settings_report(request.app[STRAVA]))


async def rides(request: web.Request) -> web.Response:
    """GET /sandbox/rides: the files served, what their devices wrote, or why they cannot be read."""
    return answer([ride.report() for ride in request.app[STRAVA].rides])


async def recording(request: web.Request) -> web.Response:
    """GET /sandbox/recording: what was done so far, as a scenario that does it again."""
    lines = b"".join(orjson.dumps(line) + b"\n" for line in request.app[STAGE].recording())
    return web.Response(body=lines, headers={"Content-Type": JSON_LINES_TYPE})


async def scenario(request: web.Request) -> web.Response:
    """GET /sandbox/scenario: how far it has come."""
    return answer(request.app[PLAYER].progress())


async def play_scenario(request: web.Request) -> web.Response:
    """POST /sandbox/scenario?speed=1: play the JSON lines of the body."""
    speed = _number(request, "speed", 1)
    try:
        text = (await request.read()).decode()
        return answer(request.app[PLAYER].start(text, speed), 202)
    except (UnicodeDecodeError, BadScenario) as error:
        raise BadAsk(str(error)) from error


async def stop_scenario(request: web.Request) -> web.Response:
    """DELETE /sandbox/scenario: stop what is playing."""
    player = request.app[PLAYER]
    await player.stop()
    return answer(player.progress())


async def done(request: web.Request, *, do: str, status: int = 200, of: str | None = None) -> web.Response:
    """Do a deed: the body has its fields, and the path may say of what (`of`)."""
    body = await object_of(request)
    if of is not None:
        if of in body:
            raise BadAsk(f"{of} stands in the path")
        text = request.match_info["id"]
        number = number_in(text)
        if number is None and of == "athlete_id":
            raise Missing(f"no athlete {text}")
        body |= {of: text if number is None else number}
    return answer(request.app[STAGE].perform(do, body), status)


async def switch_fault(request: web.Request) -> web.Response:
    """POST /sandbox/faults: switch a fault on; of the kind `foreign_use`, spend quota in the app's name."""
    body = await object_of(request)
    if body.get("kind") != "foreign_use":
        return answer(request.app[STAGE].perform("fault", body), 201)
    Asked(body, ("kind", "requests"))
    return answer(request.app[STAGE].perform("foreign_use", {key: body[key] for key in body if key != "kind"}), 201)


def deed(do: str, *, status: int = 200, of: str | None = None) -> Handler:
    """Return the handler of a deed."""
    return partial(done, do=do, status=status, of=of)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/healthz", healthz),
    ("GET", "/counts", counts),
    ("GET", "/requests", requests),
    ("GET", "/athletes", athletes),
    ("POST", "/athletes/{id}/authorize", deed("authorize", of="athlete_id")),
    ("POST", "/athletes/{id}/revoke", deed("revoke", of="athlete_id")),
    ("POST", "/tokens/{id}", deed("tokens", of="athlete_id")),
    ("POST", "/activities", deed("make", status=201)),
    ("PATCH", "/activities/{id}", deed("edit", of="activity_id")),
    ("POST", "/activities/{id}/hide", deed("hide", of="activity_id")),
    ("DELETE", "/activities/{id}", deed("delete", of="activity_id")),
    ("PATCH", "/athletes/{id}/wellness", deed("wellness", of="athlete_id")),
    ("POST", "/athletes/{id}/intervals", deed("intervals_key", of="athlete_id")),
    ("GET", "/intervals/events", intervals_events),
    ("POST", "/intervals/events", deed("intervals_event", status=202)),
    ("GET", "/events", events),
    ("POST", "/events", deed("event", status=202)),
    ("GET", "/faults", faults),
    ("POST", "/faults", switch_fault),
    ("DELETE", "/faults", deed("clear_faults")),
    ("DELETE", "/faults/{id}", deed("clear_faults", of="fault_id")),
    ("GET", "/settings", settings),
    ("PATCH", "/settings", deed("settings")),
    ("GET", "/rides", rides),
    ("GET", "/recording", recording),
    ("GET", "/scenario", scenario),
    ("POST", "/scenario", play_scenario),
    ("DELETE", "/scenario", stop_scenario),
)


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the control routes."""
    for method, path, handler in ROUTES:
        router.add_route(method, f"/sandbox{path}", handler)

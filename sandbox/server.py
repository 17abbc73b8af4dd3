"""The web application: every request is counted, may be struck by a fault, and gets its headers.

Refuses to fall over: whatever goes wrong in a route is an answer of 500, a line on stderr and a count.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from sandbox import api, authorization, control, intervals_api, oauth, subscriptions, truth
from sandbox.answers import ConnectionCut, answer, cut, mistyped, refusal_answer, slowed, truncated
from sandbox.asked import BadAsk, Missing
from sandbox.deeds import DEEDS
from sandbox.faults import PATH_NOT_FOUND, RATE_LIMIT_RECORDED, SERVER_ERROR, Refused, rate_limit
from sandbox.journal import Entry
from sandbox.life import Life
from sandbox.scenario import PLAYER, BadScenario, Player
from sandbox.stage import STAGE, Stage
from sandbox.strava import STRAVA, FakeStrava
from sandbox.switches import REFUSALS
from sandbox.tokens import Grant

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOG = logging.getLogger("sandbox")
SECRETS = frozenset({"access_token", "client_secret", "code", "refresh_token"})
MOST_BYTES = 64 * 2**20  # a control call may carry a day's streams

ENDPOINT_OF_ROUTE = {
    **{f"{name}_in_api": name for name in oauth.HANDLERS},
    "push_subscription": "push_subscriptions",
    **dict.fromkeys(authorization.PATHS.values(), "authorize"),
}
COUNTED = frozenset({"athlete", "zones", "activities", "activity", "streams", "deauthorize", "unknown"})
# Streams answers carry no rate headers since August 2025, though they count.
WITH_HEADERS = COUNTED - {"streams"}
# The meters as they stood when this request was counted: an answer that is slow shows an old usage.
SHOWN = web.RequestKey("rate_headers", dict[str, str])
WRITES = frozenset({"/api/v3/activities", "/api/v3/uploads"})


def _endpoint(request: web.Request) -> str | None:
    """Return the endpoint's name in counts and switches; None outside of what Strava serves."""
    name = request.match_info.route.name
    return None if name is None else ENDPOINT_OF_ROUTE.get(name, name)


async def _real_answer(request: web.Request, handler: Handler) -> web.Response:
    strava = request.app[STRAVA]
    try:
        response = await handler(request)
    except Refused as error:
        return refusal_answer(error.refusal)
    except web.HTTPException:
        return refusal_answer(PATH_NOT_FOUND)
    except Exception:
        strava.journal.failures += 1
        LOG.exception("%s %s failed", request.method, request.path)
        return refusal_answer(SERVER_ERROR)
    if not isinstance(response, web.Response):
        raise TypeError("routes answer with whole responses")
    return response


async def _struck_answer(
    request: web.Request, handler: Handler, endpoint: str, athlete_id: int | None
) -> web.StreamResponse:
    """Answer as the switches command. Raises ConnectionCut."""
    kind, seconds = "", 0.0
    for switch in request.app[STRAVA].switches.strike(endpoint, athlete_id):
        if switch.kind == "delay":
            await asyncio.sleep(switch.seconds)
        else:
            kind, seconds = switch.kind, switch.seconds
    if kind in REFUSALS:
        return refusal_answer(REFUSALS[kind])
    if kind == "slow_down":
        return slowed(seconds)
    if kind == "reset":
        cut(request)
    response = await _real_answer(request, handler)
    if kind == "lost_answer":
        cut(request)
    if kind == "truncated":
        return await truncated(request, response)
    return mistyped(response) if kind == "wrong_types" else response


def _refused_by_quota(request: web.Request, endpoint: str) -> web.Response | None:
    strava = request.app[STRAVA]
    if endpoint not in COUNTED:
        return None
    reads = not (request.method == "POST" and request.path in WRITES)
    now = strava.clock.now()
    meter = strava.quota.charge(now, reads=reads)
    if strava.quirks.usage_shown == "at_arrival":
        request[SHOWN] = strava.quota.headers(now)
    if meter is None:
        return None
    recorded = strava.quirks.error_bodies == "recorded"
    return refusal_answer(RATE_LIMIT_RECORDED if recorded else rate_limit(f"{meter} rate limit"))


def _query(request: web.Request) -> str:
    return "&".join(f"{name}={value}" for name, value in request.query.items() if name not in SECRETS)


def _speaker(request: web.Request) -> int | None:
    if request.match_info.route.name in intervals_api.ENDPOINTS:
        return intervals_api.speaker(request)
    strava = request.app[STRAVA]
    holder = strava.tokens.holder(api.access_token(request), strava.clock.now())
    return holder.athlete_id if isinstance(holder, Grant) else None


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what Strava serves, refuse what is over the limit, strike what is switched."""
    strava, endpoint = request.app[STRAVA], _endpoint(request)
    if endpoint is None:
        return await handler(request)
    number, athlete_id, status = strava.journal.receive(endpoint), _speaker(request), 0
    try:
        response: web.StreamResponse | None = _refused_by_quota(request, endpoint)
        if response is None:
            response = await _struck_answer(request, handler, endpoint, athlete_id)
        status = response.status
    except ConnectionCut:
        response = web.Response(status=500)  # nobody hears it
    finally:
        entry = Entry(
            number, strava.clock.now(), endpoint, request.method, request.path, _query(request), athlete_id, status
        )  # fmt: skip
        strava.journal.answer(entry)
    return response


@web.middleware
async def controlled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn mistakes in control calls into sentences."""
    if not request.path.startswith("/sandbox"):
        return await handler(request)
    try:
        return await handler(request)
    except BadAsk as error:
        return answer({"error": str(error)}, 404 if isinstance(error, Missing) else 400)
    except web.HTTPException as error:
        return answer({"error": error.text}, error.status)
    except Exception as error:
        request.app[STRAVA].journal.failures += 1
        LOG.exception("%s %s failed", request.method, request.path)
        return answer({"error": f"{type(error).__name__}: {error}"}, 500)


async def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that every answer has: the sandbox's own date, and the meters where Strava shows them."""
    strava, endpoint = request.app[STRAVA], _endpoint(request)
    response.headers["Date"] = strava.clock.http_date()
    response.headers["Server"] = "sandbox"
    if endpoint in WITH_HEADERS:
        response.headers.update(request.get(SHOWN) or strava.quota.headers(strava.clock.now()))
    elif endpoint == "push_subscriptions":
        limit = strava.quota.headers(strava.clock.now())["X-Ratelimit-Limit"]
        # As recorded: they show the overall limit and no usage at all.
        response.headers.update({"X-Ratelimit-Limit": limit, "X-Ratelimit-Usage": "0,0"})


async def _push_open(app: web.Application) -> AsyncIterator[None]:
    pushes = (app[STRAVA].push, app[STRAVA].intervals.push)
    for push in pushes:
        await push.open()
    yield
    for push in pushes:
        await push.close()


async def _alive(app: web.Application) -> AsyncIterator[None]:
    strava = app[STRAVA]
    every_seconds = strava.options.every
    if every_seconds is None:
        yield
        return
    task = asyncio.create_task(Life(strava, every_seconds).run(), name="life")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _played(app: web.Application) -> AsyncIterator[None]:
    player, options = app[PLAYER], app[STRAVA].options
    if options.scenario is not None:
        try:
            text = options.scenario.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadScenario(str(error)) from error
        player.start(text, options.scenario_speed)
    yield
    await player.stop()


def build(strava: FakeStrava) -> web.Application:
    """Wire the routes and middlewares around a fake Strava; raises BadScenario at the start of the application."""
    app = web.Application(middlewares=[controlled, counted], client_max_size=MOST_BYTES)
    app[STRAVA] = strava
    app[STAGE] = Stage(strava, DEEDS)
    app[PLAYER] = Player(app[STAGE])
    control.add_routes(app.router)
    truth.add_routes(app.router)
    authorization.add_routes(app.router)
    oauth.add_routes(app.router)
    subscriptions.add_routes(app.router)
    api.add_routes(app.router)
    intervals_api.add_routes(app.router)
    app.on_response_prepare.append(dress)
    app.cleanup_ctx.extend([_push_open, _alive, _played])
    return app

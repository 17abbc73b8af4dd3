"""GET and POST /oauth/authorize: an athlete is asked, and sent back to the app with a code or without.

Refuses to issue tokens: the app exchanges the code itself, at `oauth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from yarl import URL

from sandbox.consent import HEADERS, MEANINGS, REQUIRED_SCOPE, consent_page
from sandbox.faults import (
    ATHLETE_LIMIT_REACHED,
    INVALID_APPROVAL_PROMPT,
    INVALID_CLIENT,
    INVALID_REDIRECT_URI,
    INVALID_RESPONSE_TYPE,
    INVALID_SCOPE,
    Refused,
)
from sandbox.options import Options
from sandbox.strava import STRAVA, FakeStrava

PATHS = {
    "/oauth/authorize": "authorize",
    "/oauth/mobile/authorize": "authorize_mobile",
    "/api/v3/oauth/authorize": "authorize_in_api",
}
SIGNED_IN = "sandbox_athlete"
ALWAYS_ALLOWED_HOSTS = ("localhost", "127.0.0.1")
SCHEMES_OF_BROWSERS = ("about", "blob", "data", "file", "javascript", "vbscript")


@dataclass(frozen=True, slots=True)
class Wish:
    """What an app asks an athlete for."""

    redirect_uri: URL
    scopes: tuple[str, ...]
    state: str
    forced: bool

    def denied(self) -> str:
        """Return where the athlete goes after a no."""
        return str(self.redirect_uri.update_query({"state": self.state, "error": "access_denied"}))

    def granted(self, code: str, scope: str) -> str:
        """Return where the athlete goes after a yes; the state is there even when it is empty."""
        return str(self.redirect_uri.update_query({"state": self.state, "code": code, "scope": scope}))


def _redirect_uri(text: str, options: Options) -> URL:
    try:
        parts, uri = urlsplit(text), URL(text)
    except ValueError as error:
        raise Refused(INVALID_REDIRECT_URI) from error
    host, domain = uri.host or "", options.callback_domain
    within = domain == "*" or host in {*ALWAYS_ALLOWED_HOSTS, domain} or host.endswith(f".{domain}")
    # Apps on telephones return to schemes of their own; those of browsers would run what they are given.
    if not host or not parts.scheme or parts.scheme in SCHEMES_OF_BROWSERS or not within:
        raise Refused(INVALID_REDIRECT_URI)
    return uri


def read_wish(query: Mapping[str, str], options: Options) -> Wish:
    """Read what an app asks for. Raises Refused in the order in which Strava complains."""
    if query.get("client_id", "") != str(options.client_id):
        raise Refused(INVALID_CLIENT)
    redirect_uri = _redirect_uri(query.get("redirect_uri", ""), options)
    if query.get("response_type", "") != "code":
        raise Refused(INVALID_RESPONSE_TYPE)
    prompt = query.get("approval_prompt", "auto")
    if prompt not in {"auto", "force"}:
        raise Refused(INVALID_APPROVAL_PROMPT)
    asked = query.get("scope", "").split(",")
    if len(set(asked)) != len(asked) or not MEANINGS.keys() >= set(asked):
        raise Refused(INVALID_SCOPE)
    scopes = (REQUIRED_SCOPE, *(scope for scope in asked if scope != REQUIRED_SCOPE))
    return Wish(redirect_uri, scopes, query.get("state", ""), forced=prompt == "force")


def _signed_in(request: web.Request) -> int | None:
    text = request.cookies.get(SIGNED_IN, "")
    return _athlete_id(request.app[STRAVA], text)


def _athlete_id(strava: FakeStrava, text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    return number if number in strava.world.athletes else None


def _page(request: web.Request, wish: Wish, note: str = "") -> web.Response:
    strava = request.app[STRAVA]
    text = consent_page(
        client_id=strava.options.client_id,
        returns_to=str(wish.redirect_uri.with_query(None)),
        scopes=wish.scopes,
        athletes=strava.world.athletes.values(),
        chosen_id=_signed_in(request),
        note=note,
    )
    return web.Response(status=400 if note else 200, body=text.encode(), headers=HEADERS)


def _sent_to(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


async def ask(request: web.Request) -> web.Response:
    """GET /oauth/authorize: the page, or straight back where everything asked for was granted before."""
    strava = request.app[STRAVA]
    wish = read_wish(request.query, strava.options)
    athlete_id = _signed_in(request)
    held = strava.tokens.of(athlete_id) if athlete_id is not None else None
    if held is None or wish.forced or not all(held.covers(scope) for scope in wish.scopes):
        return _page(request, wish)
    code = strava.tokens.issue_code(held.athlete_id, held.scope, strava.clock.now())
    return _sent_to(wish.granted(code, held.scope))


async def decide(request: web.Request) -> web.Response:
    """POST /oauth/authorize: what the athlete ticked; the question is still in the address."""
    strava, form = request.app[STRAVA], await request.post()
    wish = read_wish(request.query, strava.options)
    if form.get("decision") == "cancel":
        return _sent_to(wish.denied())
    chosen = str(form.get("other_athlete_id") or form.get("athlete_id") or "").strip()
    athlete_id = _athlete_id(strava, chosen)
    if athlete_id is None:
        return _page(request, wish, f"There is no athlete {chosen or 'without an id'}.")
    if not strava.has_room_for(athlete_id):
        raise Refused(ATHLETE_LIMIT_REACHED)
    ticked = {REQUIRED_SCOPE, *form.getall("granted", [])}
    scope = ",".join(one for one in wish.scopes if one in ticked)
    response = _sent_to(wish.granted(strava.tokens.issue_code(athlete_id, scope, strava.clock.now()), scope))
    response.set_cookie(SIGNED_IN, str(athlete_id), httponly=True, samesite="Lax")
    return response


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes; they stand before the API's own catch-all."""
    for path, name in PATHS.items():
        resource = router.add_resource(path, name=name)
        resource.add_route("GET", ask)
        resource.add_route("POST", decide)

"""What can be wrong with a request, under names that stay: the `type` of each problem+json answer.

https://www.rfc-editor.org/rfc/rfc9457. A client may rely on `type` and `status`; titles and details are for people.
Each type is told at its own address, from what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

PREFIX: Final = "/problems/"  # each is told there


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: `name` ends its type; `when` it comes, and what to do `then`, are for people."""

    name: str
    status: int
    title: str
    when: str = ""
    then: str = ""

    @property
    def type(self) -> str:
        """Return the reference that clients compare."""
        return PREFIX + self.name


TOKEN_NEEDED: Final = Problem(
    "token-needed",
    401,
    "a token is needed",
    "The address is for operators, and the request brought neither a token nor an operator's session.",
    "Send `Authorization: Bearer TOKEN`; `domestique tokens create NAME` makes one where the daemon runs.",
)
TOKEN_NOT_GOOD: Final = Problem(
    "token-not-good",
    401,
    "this token is not good",
    "The token is unknown, expired or revoked; which of them is not told, only logged.",
    "`domestique tokens list` shows what there is; make another one.",
)
SIGN_IN_NEEDED: Final = Problem(
    "sign-in-needed",
    401,
    "nobody is signed in",
    "The address is for the athlete himself, and the session is absent or has ended. A token does not open it.",
    "Sign in with Strava on the first page.",
)
NOT_ALLOWED: Final = Problem(
    "not-allowed",
    403,
    "this may not be done with what was presented",
    "The token is good, but its scope does not reach so far; or a webhook's own secret is wrong.",
    "Make a token that may: `domestique tokens create NAME --scope operate`.",
)
FORGED: Final = Problem(
    "forged",
    403,
    "the request did not come from a page of ours",
    "A request with a session changes something and does not carry the session's proof, or an older session's.",
    "Open the page anew and try again; a script sends the page's `csrf` in `X-CSRF-Token`.",
)
TOO_MANY_ATTEMPTS: Final = Problem(
    "too-many-attempts",
    429,
    "too many attempts",
    "Many wrong tokens have come from this address, or from all together.",
    "Wait for the seconds that `Retry-After` names. A token that was good a moment ago is not held up.",
)
BAD_REQUEST: Final = Problem(
    "bad-request",
    400,
    "the request is not understood",
    "The request is not HTTP as it should be; the detail is the server's own word for it. The status may be another"
    " one below 500.",
    "Look at what the client sends, and at what a proxy makes of it.",
)
BAD_QUERY: Final = Problem(
    "bad-query",
    400,
    "the query is not understood",
    "A parameter is unknown, given twice, or not what it may be; the detail names it.",
    "Compare the parameter with the description of the address.",
)
BAD_BODY: Final = Problem(
    "bad-body",
    400,
    "the body is not understood",
    "The body is not JSON, or not of the described shape; the detail says where.",
    "Compare the body with the description of the address.",
)
UNACCEPTABLE: Final = Problem(
    "unacceptable",
    422,
    "nothing was stored",
    "The body has the right shape, but a value in it cannot be; the detail says which and why.",
    "Mend the value and send all of it again: either everything is stored or nothing.",
)
UNSUPPORTED_TYPE: Final = Problem(
    "unsupported-type",
    415,
    "the body is of another type",
    "The request says that its body is something other than JSON.",
    "Send `Content-Type: application/json`.",
)
BODY_TOO_LARGE: Final = Problem(
    "body-too-large",
    413,
    "the body is too large",
    "The body is larger than this address takes; the detail says how much that is.",
    "Send it in several pieces.",
)
BODY_TOO_SLOW: Final = Problem(
    "body-too-slow",
    408,
    "the body did not come",
    "The body was announced and did not arrive in time.",
    "Send it again.",
)
UNKNOWN_ATHLETE: Final = Problem(
    "unknown-athlete",
    404,
    "there is no such athlete",
    "Nobody of this number is connected here.",
    "`domestique athletes list` shows who is.",
)
UNKNOWN_JOB: Final = Problem(
    "unknown-job",
    404,
    "there is no such scheduled job",
    "The name is none of the scheduled jobs.",
    "`GET /scheduler/jobs` lists them.",
)
NOT_FOUND: Final = Problem(
    "not-found",
    404,
    "there is no such thing",
    "Nothing is at this address, or what was there is gone.",
    "`GET /openapi.json` lists every address.",
)
METHOD_NOT_ALLOWED: Final = Problem(
    "method-not-allowed",
    405,
    "this address does not take that",
    "There is such an address, but not for this method.",
    "The header `Allow` names the methods that it takes.",
)
TOO_SOON: Final = Problem(
    "too-soon",
    429,
    "this was asked for a moment ago",
    "The same was asked for so shortly before that nothing could have changed.",
    "Wait for the seconds that `Retry-After` names.",
)
TOO_MANY_STREAMS: Final = Problem(
    "too-many-streams",
    429,
    "too many live pages are open",
    "So many live streams are open for one athlete, or one operator, that another one is refused.",
    "Close pages that nobody looks at.",
)
FULL: Final = Problem(
    "full",
    503,
    "no more live pages can be opened",
    "This daemon serves as many live streams as it is meant to.",
    "Try again after the seconds that `Retry-After` names; pages go on without being live.",
)
CONFLICT: Final = Problem(
    "conflict",
    409,
    "this cannot be done now",
    "Something stands in the way, of which the detail tells.",
    "Do as the detail says, then try again.",
)
ALREADY_RUNNING: Final = Problem(
    "already-running",
    409,
    "this job is already running",
    "A run of this scheduled job has not ended; `run_id` says which.",
    "`GET /scheduler/runs` shows how far it is; ask again when it has ended.",
)
BROKEN: Final = Problem(
    "broken",
    500,
    "something broke here",
    "A mistake of ours: nothing about the request is to blame.",
    "The daemon's log says more, at `request.broke`; please report it.",
)
NOT_STORED: Final = Problem(
    "not-stored",
    503,
    "not stored",
    "An event could not be made durable in time.",
    "Send it again; Strava and Intervals.icu do so by themselves.",
)
DATABASE_AWAY: Final = Problem(
    "database-away",
    503,
    "the database does not answer",
    "PostgreSQL is down, or restarting.",
    "Try again after the seconds that `Retry-After` names; `/health` says more.",
)


def every() -> Mapping[str, Problem]:
    """Return all kinds of problems by name, in the order of this file."""
    return {each.name: each for each in globals().values() if isinstance(each, Problem)}


class Refused(Exception):
    """Raised by a handler to answer with a problem."""

    def __init__(
        self, problem: Problem, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.more = more

    def response(self) -> web.Response:
        """Return the answer."""
        return described(self.problem, self.detail, self.headers, **self.more)


def described(problem: Problem, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> web.Response:
    """Return what is wrong and what to do."""
    body = {"type": problem.type, "title": problem.title, "status": problem.status, "detail": detail, **more}
    response = web.Response(
        body=orjson.dumps(body, option=orjson.OPT_UTC_Z),
        status=problem.status,
        headers=headers,
        content_type="application/problem+json",
    )
    if problem in {BODY_TOO_LARGE, BODY_TOO_SLOW, NOT_STORED}:
        response.force_close()  # the rest of the body is not waited for
    return response

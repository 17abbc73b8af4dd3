"""What can be wrong with a request, under names that stay: the `type` of each problem+json answer.

https://www.rfc-editor.org/rfc/rfc9457. A client may rely on `type` and `status`; titles and details are for people.
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
    """One kind of problem: `name` is the end of its type."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """Return the reference that clients compare."""
        return PREFIX + self.name


TOKEN_NEEDED: Final = Problem("token-needed", 401, "a token is needed")
TOKEN_NOT_GOOD: Final = Problem("token-not-good", 401, "this token is not good")
SIGN_IN_NEEDED: Final = Problem("sign-in-needed", 401, "nobody is signed in")
NOT_ALLOWED: Final = Problem("not-allowed", 403, "this may not be done with what was presented")
FORGED: Final = Problem("forged", 403, "the request did not come from a page of ours")
TOO_MANY_ATTEMPTS: Final = Problem("too-many-attempts", 429, "too many attempts")
BAD_QUERY: Final = Problem("bad-query", 400, "the query is not understood")
BAD_BODY: Final = Problem("bad-body", 400, "the body is not understood")
UNACCEPTABLE: Final = Problem("unacceptable", 422, "nothing was stored")
BODY_TOO_LARGE: Final = Problem("body-too-large", 413, "the body is too large")
BODY_TOO_SLOW: Final = Problem("body-too-slow", 408, "the body did not come")
UNKNOWN_ATHLETE: Final = Problem("unknown-athlete", 404, "there is no such athlete")
NOT_FOUND: Final = Problem("not-found", 404, "there is no such thing")
TOO_SOON: Final = Problem("too-soon", 429, "this was asked for a moment ago")
CONFLICT: Final = Problem("conflict", 409, "this cannot be done now")
DATABASE_AWAY: Final = Problem("database-away", 503, "the database does not answer")


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
    if problem in {BODY_TOO_LARGE, BODY_TOO_SLOW}:
        response.force_close()  # the rest of the body is not waited for
    return response

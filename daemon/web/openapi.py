"""The description of the whole API, OpenAPI 3.1, made from the endpoints that the routes are made from.

https://spec.openapis.org/oas/v3.1.1.html. What is true of every address is written here once: who may call, what
every door refuses, ETags. Refuses to serve itself (`api_pages`), and to describe pages for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from daemon import __version__
from daemon.web.endpoints import JSON, Endpoint, Who
from daemon.web.problems import (
    BAD_BODY,
    BAD_QUERY,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    DATABASE_AWAY,
    FORGED,
    NOT_ALLOWED,
    SIGN_IN_NEEDED,
    TOKEN_NEEDED,
    TOKEN_NOT_GOOD,
    TOO_MANY_ATTEMPTS,
    UNKNOWN_ATHLETE,
    UNSUPPORTED_TYPE,
    Problem,
)
from daemon.web.sessions import CSRF_HEADER, Kind
from daemon.web.shapes import BODY, REFERENCE, Schema, Shapes, places

PROBLEM_JSON: Final = "application/problem+json"
MESSAGES_TAG: Final = "notifications"
SIGNED: Final = ("WebhookId", "WebhookTimestamp", "WebhookSignature")
TAGS: Final = {
    "health": "For monitors and load balancers: open to anyone, answered from memory.",
    "quota": "What of Strava's limits is used, and by whom.",
    "history": "How far the athletes' past has been fetched.",
    "scheduler": "The scheduled jobs: when they are due, what they did, and now.",
    "sync": "A look at one athlete by hand.",
    "webhooks": "Where Strava and Intervals.icu push to. Each path holds a secret; any other is not found.",
    "athlete": "One athlete: who he is here and how his connections stand. Below `/me` it is whoever is signed in.",
    "training": "Activities with their loads explained, fitness over time, and curves of bests.",
    "thresholds": "What loads are measured against: in force, history, by hand.",
    "wellness": "Mornings, their sources, and the modifier that they make of a day's loads.",
    "coming and going": "Export, disconnection and erasure.",
    "live": "News as server-sent events.",
    MESSAGES_TAG: "Webhooks to addresses of the operator's, after the Standard Webhooks specification.",
    "operator": "How everything stands.",
    "athletes": "Who is connected.",
    "queue": "Jobs: what waits, what died, once more.",
    "description": "This description.",
}
ABOUT: Final = f"""\
Everything that the pages show, as JSON. The page `/api` tells the same to people.

**Who.** A bearer token with the role `read`, or `operate`, which may also read; it is made where the daemon runs,
by `domestique tokens create NAME --scope operate`. An athlete signs in with Strava and reaches what is below `/me`,
all of it about himself. A session proves each change with the header `{CSRF_HEADER}`.

**Errors** are `{PROBLEM_JSON}` (RFC 9457). Rely on `type` and `status`: types stay, words may change. Each type is
told at its own address. Beside what is listed at each address there may be `/problems/broken` (500).

**What is read** carries an `ETag`: with `If-None-Match` an unchanged answer is 304 without a body. `HEAD` answers
as `GET` does.

**Lists** come in pages: `next` of a page is the `cursor` of the following one, `null` at the end. A cursor names a
row, so that what comes meanwhile moves nothing.

**Times** are UTC, ISO 8601; days are the athlete's local days. Units stand in the names. Fields and parameters may
be added: leave aside what you do not know.
"""
SECURITY_SCHEMES: Final[Mapping[str, Schema]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "dmq_ and 64 hexadecimal digits",
        "description": "Made by `domestique tokens create NAME`; the roles are its scopes, `read` and `operate`.",
    },
    "operatorSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"__Host-domestique-{Kind.OPERATOR}",
        "description": "Opened on the operator's page with a token, whose scopes it has.",
    },
    "athleteSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"__Host-domestique-{Kind.ATHLETE}",
        "description": "Opened by signing in with Strava.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": "With a session, for what changes something: the page's `csrf`.",
    },
}
PROBLEM_SHAPE: Final[Schema] = {
    "description": "What is wrong and what to do (RFC 9457); some types add fields of their own.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Stays; told at this address."},
        "title": {"type": "string", "description": "The type in words."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description": "This case in words, with what to do."},
    },
}
# What many addresses share, by name.
SHARED: Final[Mapping[str, Mapping[str, Schema]]] = {
    "parameters": {
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The `ETag` of an answer that the client has: unchanged, it is 304.",
            "schema": {"type": "string"},
        },
        "WebhookId": {
            "name": "webhook-id",
            "in": "header",
            "required": True,
            "description": "The same at every attempt: what has been seen need not be done again.",
            "schema": {"type": "string"},
        },
        "WebhookTimestamp": {
            "name": "webhook-timestamp",
            "in": "header",
            "required": True,
            "description": "When this attempt was made, in seconds since 1970.",
            "schema": {"type": "integer"},
        },
        "WebhookSignature": {
            "name": "webhook-signature",
            "in": "header",
            "required": True,
            "description": "By the endpoint's secret, and for a while by the one before: any that fits will do.",
            "schema": {"type": "string", "examples": ["v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="]},
        },
    },
    "headers": {
        "ETag": {"description": "For `If-None-Match`.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
        "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
    },
    "responses": {"Unchanged": {"description": "Unchanged since the answer with this ETag."}},
}
HEADERS: Final[Mapping[int, str]] = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
BODY_PROBLEMS: Final = (BAD_BODY, BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_TYPE)


def document(endpoints: Sequence[Endpoint], messages: Mapping[str, type] = MappingProxyType({})) -> Schema:
    """Return the description of these endpoints, and of the messages that are sent, by their type."""
    shapes = Shapes(endpoints, messages)
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shapes)
    used = {endpoint.tag for endpoint in endpoints} | ({MESSAGES_TAG} if messages else set())
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Domestique",
            "version": __version__,
            "summary": "Keeps many athletes' training load current.",
            "description": ABOUT,
            "contact": {"name": "whoever operates this installation"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "webhooks": {name: {"post": _message(name, shapes)} for name in messages},
        "components": {
            "schemas": dict(sorted({**shapes.components(), "Problem": PROBLEM_SHAPE}.items())),
            **SHARED,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation(endpoint: Endpoint, shapes: Shapes) -> Schema:
    operation: Schema = {
        "operationId": operation_id(endpoint),
        "tags": [endpoint.tag],
        "summary": endpoint.does,
        "security": _security(endpoint),
        "parameters": _parameters(endpoint, shapes),
    }
    if endpoint.body is not None:
        content = {JSON: {"schema": shapes.of(endpoint, BODY)}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = _responses(endpoint, shapes)
    return operation


def _message(name: str, shapes: Shapes) -> Schema:
    """Describe a message as OpenAPI does: as the request that the receiver is to expect."""
    told = shapes.of_message(name)
    summary, _, more = shapes.components()[told["$ref"].removeprefix(REFERENCE)]["description"].partition("\n\n")
    schema: Schema = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it was news."},
            "data": told,
        },
    }
    return {
        "operationId": "_".join(["told", *re.findall(r"\w+", name)]),
        "tags": [MESSAGES_TAG],
        "summary": summary,
        **({"description": more} if more else {}),
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in SIGNED],
        "requestBody": {"required": True, "content": {JSON: {"schema": schema}}},
        "responses": {
            "2XX": {"description": "It has arrived."},
            "410": {"description": "No more of this: the endpoint is disabled."},
            "default": {"description": "It comes again, later and later, for about a day."},
        },
    }


def operation_id(endpoint: Endpoint) -> str:
    """Return a name that stays as long as the address does."""
    return "_".join([endpoint.method.lower(), *re.findall(r"\w+", endpoint.path)])


def _security(endpoint: Endpoint) -> list[Schema]:
    proof: Schema = {} if endpoint.method == "GET" else {"csrf": []}
    match endpoint.who:
        case Who.ANYONE:
            return []
        case Who.ATHLETE:
            return [{"athleteSession": [], **proof}]
        case Who.READ | Who.OPERATE:
            return [{"token": [endpoint.who.value]}, {"operatorSession": [], **proof}]


def _parameters(endpoint: Endpoint, shapes: Shapes) -> list[Schema]:
    found = [
        _parameter(name, "path", shapes.of(endpoint, name), is_required=True) for name in places(endpoint.path)
    ]
    for name, schema, is_required in shapes.parameters(endpoint):
        found.append(_parameter(name, "query", schema, is_required=is_required))
    if endpoint.is_tagged:
        found.append({"$ref": "#/components/parameters/IfNoneMatch"})
    return found


def _parameter(name: str, place: str, schema: Schema, *, is_required: bool) -> Schema:
    schema = dict(schema)
    described = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": place, "required": is_required, **described, "schema": _given(schema)}


def _given(schema: Schema) -> Schema:
    """Return the schema of a parameter that is there: an absent one is not null but absent."""
    present = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(present) != 1:
        return schema
    kept = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**present[0], **kept}


def _responses(endpoint: Endpoint, shapes: Shapes) -> dict[str, Schema]:
    answers = {status: _answer(endpoint, shapes, status) for status in (endpoint.status, *endpoint.also)}
    if endpoint.is_tagged:
        answers[200]["headers"] = _header("ETag")
        answers[304] = {"$ref": "#/components/responses/Unchanged"}
    for status, problems in _by_status(refusals(endpoint)).items():
        answers[status] = _merged(answers.get(status), _refusal(problems))
    return {str(status): answer for status, answer in sorted(answers.items())}


def _answer(endpoint: Endpoint, shapes: Shapes, status: int) -> Schema:
    said = {"description": HTTPStatus(status).phrase}
    if (endpoint.also if status in endpoint.also else {status: endpoint.answers})[status] is not None:
        return {**said, "content": {JSON: {"schema": shapes.of(endpoint, str(status))}}}
    if endpoint.produces != JSON:
        return {**said, "content": {endpoint.produces: {}}}
    return said


def refusals(endpoint: Endpoint) -> tuple[Problem, ...]:
    """Return every problem that an address may answer: its own, and those of its door."""
    found = list(endpoint.problems)
    if "{athlete_id}" in endpoint.path:
        found.append(UNKNOWN_ATHLETE)
    if endpoint.who is Who.ANYONE:
        return tuple(dict.fromkeys(found))
    found += [BAD_QUERY, DATABASE_AWAY]
    if endpoint.body is not None:
        found += BODY_PROBLEMS
    if endpoint.who is Who.ATHLETE:
        found.append(SIGN_IN_NEEDED)
    else:
        found += [TOKEN_NEEDED, TOKEN_NOT_GOOD, NOT_ALLOWED, TOO_MANY_ATTEMPTS]
    if endpoint.method != "GET":
        found.append(FORGED)
    return tuple(dict.fromkeys(found))


def _by_status(problems: Iterable[Problem]) -> dict[int, list[Problem]]:
    found: dict[int, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.status, []).append(problem)
    return found


def _refusal(problems: Sequence[Problem]) -> Schema:
    status = problems[0].status
    types = {"type": {"enum": [each.type for each in problems]}, "status": {"const": status}}
    shape = {"allOf": [{"$ref": REFERENCE + "Problem"}, {"properties": types}]}
    said: Schema = {"description": "; ".join(each.title for each in problems)}
    if status in HEADERS:
        said["headers"] = _header(HEADERS[status])
    return {**said, "content": {PROBLEM_JSON: {"schema": shape}}}


def _header(name: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"}}


def _merged(answer: Schema | None, refusal: Schema) -> Schema:
    """Return what a status answers that is both an answer and a refusal."""
    if answer is None:
        return refusal
    return {
        **refusal,
        "description": f"{answer['description']}; or {refusal['description']}",
        "content": {**answer.get("content", {}), **refusal["content"]},
    }

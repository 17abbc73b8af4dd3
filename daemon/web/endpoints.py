"""One description per address: what it takes, what it answers, who may. Routes and openapi.json are made from it.

So a client reads what the handler does, and nothing is served that is not described.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from daemon.web.answers import Handler
from daemon.web.problems import BAD_QUERY, Problem, Refused

Q = TypeVar("Q", bound="Query")

ATHLETE_ID: Final = web.RequestKey("athlete_id", int)  # under which a door leaves whom the request is about
JSON: Final = "application/json"


class Who(StrEnum):
    """Who may call: anybody, whoever may read or operate (a token, or the operator's page), an athlete himself."""

    ANYONE = "anyone"
    READ = "read"
    OPERATE = "operate"
    ATHLETE = "athlete"


class Model(BaseModel):
    """What is answered or taken as JSON."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


class Query(BaseModel):
    """The parameters of a query; an unknown one is an error, so that a slip of the pen is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one address.

    `answers` is what a TypeAdapter takes (None: no JSON), `body` likewise, `also` what other statuses answer;
    `does` is one sentence; `in_path` says what a part of the path may be, where its name does not; `problems` are
    those that the handler itself raises, beside what every door refuses; `produces` is the type of another answer.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    who: Who
    tag: str
    does: str
    answers: Any = None
    status: int = 200
    query: type[Query] | None = None
    body: Any = None
    problems: tuple[Problem, ...] = ()
    also: Mapping[int, Any] = field(default_factory=dict)
    in_path: Mapping[str, Any] = field(default_factory=dict)
    produces: str = JSON

    @property
    def is_tagged(self) -> bool:
        """Tell whether its answers carry an ETag, by which a client asks whether anything is new."""
        return self.method == "GET" and self.answers is not None and self.produces == JSON


def query_of(request: web.Request, model: type[Q]) -> Q:
    """Return the query as its model; raises Refused with the parameter that is wrong and what it may be."""
    twice = next((name for name in request.query if len(request.query.getall(name)) > 1), None)
    if twice is not None:
        raise Refused(BAD_QUERY, f"{twice[:50]}: given more than once")
    try:
        return model.model_validate(dict(request.query), strict=False)
    except ValidationError as error:
        # A parameter that does not exist is a slip of the pen, of which one that is missing may be the consequence.
        faults = error.errors(include_url=False, include_input=False)
        first = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
        place = ".".join(str(part) for part in first["loc"]) or "query"
        is_unknown = first["type"] == "extra_forbidden"
        what = "is not a parameter of this address" if is_unknown else first["msg"].removeprefix("Value error, ")
        raise Refused(BAD_QUERY, f"{place[:50]}: {what}") from error


class Nothing(Query):
    """The query of an address that takes none."""


def whose(request: web.Request) -> int:
    """Return the athlete whom the request is about: the one of the path, or who is signed in."""
    return request[ATHLETE_ID]


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the one adapter of a type."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def modelled(value: Model, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a model as JSON."""
    return web.Response(body=value.model_dump_json().encode(), status=status, headers=headers, content_type=JSON)


def cached(request: web.Request, value: Model) -> web.Response:
    """Return a model as JSON with its ETag, or 304 where the client has this one already."""
    return tagged(request, modelled(value))


def cached_plain(request: web.Request, value: Mapping[str, Any]) -> web.Response:
    """Return plain values, in the shape of a model, as `cached` does.

    For answers of thousands of rows: a model of each would hold the loop up. Their tests read them as the model.
    """
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    return tagged(request, web.Response(body=body, content_type=JSON))


def tagged(request: web.Request, response: web.Response) -> web.Response:
    """Give an answer its ETag, or make it 304 where the client has this one already.

    A proxy that compresses makes a strong tag weak: they are compared without regard to that, as
    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 has it.
    """
    assert isinstance(response.body, bytes)
    tag = hashlib.sha256(response.body).hexdigest()[:32]
    if any(each.value in {tag, "*"} for each in request.if_none_match or ()):
        response = web.Response(status=304)
    response.etag = tag
    response.headers["Cache-Control"] = "private, no-cache"
    return response

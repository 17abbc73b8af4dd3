"""The JSON schemas of all that endpoints take and answer, as pydantic makes them, each named shape once.

Refuses to know what an OpenAPI document looks like beyond where its named schemas stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from daemon.core.events import LARGEST_ID
from daemon.web.endpoints import Endpoint, adapter

Schema: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str, str]  # an endpoint's method and path, and what of it; or MESSAGE and its type

REFERENCE: Final = "#/components/schemas/"
# What of an endpoint a schema is of, beside a status or the name of a part of the path.
QUERY: Final = "?"
BODY: Final = "body"
MESSAGE: Final = "message"
# What a part of a path may be where its endpoint does not say.
NUMBER: Final = Annotated[int, Field(ge=1, le=LARGEST_ID)]
WORD: Final = Annotated[str, Field(min_length=1)]


class _Generator(GenerateJsonSchema):
    """Leaves out titles: they repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Tell that none is."""
        return False


class Shapes:
    """The schemas of everything that endpoints take and answer, and of the messages that are sent, by their type.

    A shape that several share stands once.
    """

    def __init__(self, endpoints: Iterable[Endpoint], messages: Mapping[str, type]) -> None:
        taken, answered = dict(_taken(endpoints)), dict(_answered(endpoints))
        answered |= {_of_message(name): shape for name, shape in messages.items()}
        found, definitions = TypeAdapter.json_schemas(
            [
                *((key, "validation", adapter(kind)) for key, kind in taken.items()),
                *((key, "serialization", adapter(kind)) for key, kind in answered.items()),
            ],
            ref_template=REFERENCE + "{model}",
            schema_generator=_Generator,
        )
        self._schemas: dict[Key, Schema] = {key: _plain(schema) for (key, _), schema in found.items()}
        self._definitions = {name: _plain(each) for name, each in sorted(definitions.get("$defs", {}).items())}
        self._queries = {
            name for key, schema in self._schemas.items() if key[2] == QUERY for name in _names(schema)
        }
        self._open_answers()

    def _open_answers(self) -> None:
        """Let answers gain fields: only what is sent forbids those that are not described."""
        strict = self._reached([schema for key, schema in self._schemas.items() if key[2] == BODY])
        for name, schema in self._definitions.items():
            if name not in strict and schema.get("additionalProperties") is False:
                del schema["additionalProperties"]

    def _reached(self, schemas: Iterable[Schema]) -> set[str]:
        """Return the names of all shapes that these refer to, also through others."""
        reached: set[str] = set()
        waiting = [name for schema in schemas for name in _names(schema)]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += _names(self._definitions[name])
        return reached

    def of(self, endpoint: Endpoint, what: str) -> Schema:
        """Return the schema of a body, a part of the path, or what a status answers."""
        return self._schemas[endpoint.method, endpoint.path, what]

    def of_message(self, name: str) -> Schema:
        """Return the schema of what a message of this type tells."""
        return self._schemas[_of_message(name)]

    def parameters(self, endpoint: Endpoint) -> Iterator[tuple[str, Schema, bool]]:
        """Yield the parameters of the query: name, schema, whether it must be there."""
        if endpoint.query is None:
            return
        (name,) = _names(self.of(endpoint, QUERY))
        query = self._definitions[name]
        for field, schema in query["properties"].items():
            yield field, schema, field in query.get("required", ())

    def components(self) -> dict[str, Schema]:
        """Return the named schemas, by name; a query's fields stand with its address."""
        return {name: schema for name, schema in self._definitions.items() if name not in self._queries}


def _of_message(name: str) -> Key:
    return (MESSAGE, name, "data")


def _taken(endpoints: Iterable[Endpoint]) -> Iterator[tuple[Key, Any]]:
    for each in endpoints:
        for name in places(each.path):
            yield (each.method, each.path, name), each.in_path.get(name, NUMBER if name.endswith("id") else WORD)
        if each.query is not None:
            yield (each.method, each.path, QUERY), each.query
        if each.body is not None:
            yield (each.method, each.path, BODY), each.body


def _answered(endpoints: Iterable[Endpoint]) -> Iterator[tuple[Key, Any]]:
    for each in endpoints:
        for status, kind in ({each.status: each.answers} | dict(each.also)).items():
            if kind is not None:
                yield (each.method, each.path, str(status)), kind


def places(path: str) -> list[str]:
    """Return the names of a path's variable parts."""
    return re.findall(r"\{(\w+)\}", path)


def _names(schema: Any) -> list[str]:
    """Return the names of the shapes that a schema refers to."""
    if isinstance(schema, list):
        return [name for each in schema for name in _names(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].removeprefix(REFERENCE)] if isinstance(schema.get("$ref"), str) else []
    return own + [name for each in schema.values() for name in _names(each)]


def _plain(schema: Schema) -> Schema:
    """Return a schema with its description in one line a paragraph, in a client's words, and without a title."""
    schema = {key: value for key, value in schema.items() if key != "title"}
    if "description" in schema:
        schema["description"] = _sentences(schema["description"])
    return schema


def _sentences(docstring: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
    return re.sub(r"\bNone\b", "null", "\n\n".join(paragraphs))

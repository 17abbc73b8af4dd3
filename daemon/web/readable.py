"""The description of the API in the order in which people read it: chapters, addresses, fields one below the other.

Pure: takes the document, returns what a template prints. Refuses to know endpoints: what programs read is all there
is to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import orjson

from daemon.web.openapi import PROBLEM_JSON
from daemon.web.shapes import REFERENCE, Schema

HOST: Final = "https://domestique.example.org"
DEEPEST: Final = 4  # a shape within a shape within a shape is told, further ones are named
WHO: Final[Mapping[str, str]] = {
    "token": "a token that may {roles}",
    "operatorSession": "an operator who is signed in",
    "athleteSession": "the athlete who is signed in",
}
SAMPLES: Final[Mapping[str, Any]] = {"date": "2026-03-01", "date-time": "2026-03-01T06:30:00Z"}
KINDS: Final[Mapping[str, str]] = {
    "date": "day",
    "date-time": "instant",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One field, `deep` levels inside; `kind` says what it may be, `text` what it means."""

    name: str
    deep: int
    kind: str
    text: str
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status answers."""

    status: int
    phrase: str
    kind: str
    text: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One kind of problem that an address may answer."""

    status: int
    type: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Address:
    """One method of one address."""

    anchor: str
    method: str
    path: str
    says: str
    who: str
    parameters: tuple[Row, ...]
    body: tuple[Row, ...]
    answers: tuple[Answer, ...]
    problems: tuple[Told, ...]
    call: str


@dataclass(frozen=True, slots=True)
class Message:
    """One type of message that is sent to whoever wants it."""

    anchor: str
    type: str
    says: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The addresses of one tag."""

    anchor: str
    title: str
    text: str
    addresses: tuple[Address, ...]


def chapters(document: Schema) -> list[Chapter]:
    """Return the whole description, chapter by chapter."""
    reader = _Reader(document["components"])
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        Chapter(
            anchor=f"about-{tag['name'].replace(' ', '-')}",
            title=tag["name"],
            text=tag["description"],
            addresses=tuple(reader.address(*each) for each in operations if tag["name"] in each[2]["tags"]),
        )
        for tag in document["tags"]
    ]


def messages(document: Schema) -> list[Message]:
    """Return every type of message."""
    reader = _Reader(document["components"])
    return [reader.message(name, hook["post"]) for name, hook in document["webhooks"].items()]


class _Reader:
    """Follows references."""

    def __init__(self, components: Schema) -> None:
        self._components = components

    def address(self, path: str, method: str, operation: Schema) -> Address:
        parameters = [self._followed(each) for each in operation["parameters"]]
        body = self._json(operation.get("requestBody", {}))
        return Address(
            anchor=operation["operationId"],
            method=method.upper(),
            path=path,
            says=operation["summary"],
            who=_who(operation["security"]),
            # What is asked by header is the same everywhere, and told at the beginning.
            parameters=tuple(self._parameter(each) for each in parameters if each["in"] != "header"),
            body=tuple(self._rows(body)) if body is not None else (),
            answers=tuple(self._answers(operation["responses"])),
            problems=tuple(_problems(operation["responses"])),
            call=self._call(path, method, operation, parameters, body),
        )

    def message(self, name: str, operation: Schema) -> Message:
        body = self._json(operation["requestBody"])
        assert body is not None
        says = " ".join([operation["summary"], operation.get("description", "")]).strip()
        return Message(operation["operationId"], name, says, tuple(self._rows(body["properties"]["data"])))

    def _followed(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        section, name = schema["$ref"].removeprefix("#/components/").split("/", 1)
        found: Schema = self._components[section][name]
        return found

    @staticmethod
    def _json(part: Schema) -> Schema | None:
        schema: Schema | None = part.get("content", {}).get("application/json", {}).get("schema")
        return schema

    def _parameter(self, parameter: Schema) -> Row:
        kind = f"{self._kind(parameter['schema'])}; in the {parameter['in']}"
        return Row(parameter["name"], 0, kind, parameter.get("description", ""), parameter["required"])

    def _answers(self, responses: Schema) -> Iterator[Answer]:
        for status, reference in responses.items():
            response, said = self._followed(reference), HTTPStatus(int(status))
            schema, content = self._json(response), response.get("content", {})
            if schema is not None:
                text = self._followed(schema).get("description", "")
                yield Answer(said.value, said.phrase, self._kind(schema), text, tuple(self._rows(schema)))
            elif PROBLEM_JSON not in content:
                text = response["description"] if response["description"] != said.phrase else ""
                yield Answer(said.value, said.phrase, ", ".join(content) or "no body", text, ())

    def _rows(self, schema: Schema, deep: int = 0) -> Iterator[Row]:
        """Yield the fields of a shape, and below each those of the shape that it holds."""
        shapes = list(self._held(schema))
        for shape in shapes:
            if len(shapes) > 1:
                yield Row(f"either {self._name(shape)}", deep, "", shape.get("description", ""))
            for name, field in shape.get("properties", {}).items():
                text = field.get("description", "")
                if deep < DEEPEST and not text:
                    text = next((held.get("description", "") for held in self._held(field)), "")
                yield Row(name, deep, self._kind(field), text, name in shape.get("required", ()))
                if deep < DEEPEST:
                    yield from self._rows(field, deep + 1)

    def _held(self, schema: Schema) -> Iterator[Schema]:
        """Yield the shapes with fields of their own that a schema is, or is a list or a choice of."""
        schema = self._followed(schema)
        if "properties" in schema:
            yield schema
        for choice in _choices(schema):
            yield from self._held(choice)
        for inner in (schema.get("items"), schema.get("additionalProperties")):
            if isinstance(inner, dict):
                yield from self._held(inner)

    def _name(self, schema: Schema) -> str:
        names = (name for name, shape in self._components["schemas"].items() if shape is schema)
        return next(names, "object")

    def _kind(self, schema: Schema) -> str:
        """Say in words what a value may be."""
        if "$ref" in schema and "properties" in self._followed(schema):
            return str(schema["$ref"].removeprefix(REFERENCE))
        schema = self._followed(schema)
        words = [schema["const"]] if "const" in schema else schema.get("enum", ())
        if words:
            return ", ".join(f"“{each}”" for each in words)
        if _choices(schema):
            return " or ".join(self._kind(choice) for choice in _choices(schema))
        if schema.get("type") == "array":
            inner = schema.get("prefixItems") or [schema.get("items", {})]
            return "list of " + " and ".join(self._kind(each) for each in inner)
        if isinstance(schema.get("additionalProperties"), dict) and "properties" not in schema:
            return f"{self._kind(schema['additionalProperties'])} by name"
        return _simple(schema)

    def _call(
        self, path: str, method: str, operation: Schema, parameters: Sequence[Schema], body: Schema | None
    ) -> str:
        """Return how curl asks for it."""
        query = []
        for each in parameters:
            if each["in"] == "path":
                path = path.replace(f"{{{each['name']}}}", quote(str(self._sample(each["schema"], each["name"]))))
            elif each["in"] == "query" and each["required"]:
                query.append(f"{each['name']}={quote(str(self._sample(each['schema'], each['name'])))}")
        lines = ["curl" if method == "get" else f"curl -X {method.upper()}"]
        lines += [f"-H '{header}'" for header in _credentials(operation["security"])]
        if body is not None:
            sample = orjson.dumps(self._sample(body, "")).decode()
            lines += ["-H 'Content-Type: application/json'", f"-d '{sample}'"]
        lines.append(f"'{HOST}{path}{'?' + '&'.join(query) if query else ''}'")
        return " ".join(lines) if len(lines) == 2 else " \\\n  ".join(lines)

    def _sample(self, schema: Schema, name: str) -> Any:
        """Return a value that a schema allows, as an example."""
        schema = self._followed(schema)
        given = [
            *schema.get("examples", ()),
            *schema.get("enum", ()),
            *([schema["const"]] if "const" in schema else ()),
        ]
        if given:
            return given[0]
        if _choices(schema):
            return self._sample(_choices(schema)[0], name)
        if schema.get("type") == "array":
            return [self._sample(schema.get("items", {}), name)]
        if "properties" in schema:
            required = schema.get("required") or list(schema["properties"])[:1]
            return {each: self._sample(schema["properties"][each], each) for each in required}
        if schema.get("type") in {"integer", "number"}:
            return 4711 if name.endswith("id") else max(1, schema.get("minimum", 1))
        return SAMPLES.get(schema.get("format", ""), name.replace(".", "_").upper() or "TEXT")


def _choices(schema: Schema) -> Sequence[Schema]:
    choices: Sequence[Schema] = schema.get("anyOf") or schema.get("oneOf") or ()
    return choices


def _simple(schema: Schema) -> str:
    kind = KINDS.get(schema.get("format", ""), KINDS.get(schema.get("type", ""), "anything"))
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None and most < 10**12:
        return f"{kind}, {least} to {most}{_default(schema)}"
    if least is not None:
        return f"{kind}, {least} at least{_default(schema)}"
    return kind + _default(schema)


def _default(schema: Schema) -> str:
    return f"; otherwise {orjson.dumps(schema['default']).decode()}" if "default" in schema else ""


def _who(security: Sequence[Mapping[str, Sequence[str]]]) -> str:
    if not security:
        return "anyone"
    return " or ".join(
        WHO[name].format(roles=" and ".join(roles)) + (", with the page's proof" if "csrf" in either else "")
        for either in security
        for name, roles in either.items()
        if name in WHO
    )


def _credentials(security: Sequence[Mapping[str, Sequence[str]]]) -> list[str]:
    """Return the headers of the first way in."""
    if not security:
        return []
    if "token" in security[0]:
        return ["Authorization: Bearer dmq_…"]
    proof = ["X-CSRF-Token: …"] if "csrf" in security[0] else []
    return ["Cookie: __Host-domestique-athlete=…", *proof]


def _problems(responses: Mapping[str, Schema]) -> Iterator[Told]:
    for status, response in responses.items():
        schema = response.get("content", {}).get(PROBLEM_JSON, {}).get("schema")
        if schema is not None:
            for kind in _types(schema["allOf"]):
                yield Told(int(status), kind, kind.strip("/").replace("/", "-"))


def _types(parts: Iterable[Schema]) -> list[str]:
    return [kind for part in parts for kind in part.get("properties", {}).get("type", {}).get("enum", ())]

"""The JSON bodies of the control routes, read strictly: a typo is an answer of 400, not a default.

Refuses to know what the fields mean.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import orjson
from aiohttp import web

Value = TypeVar("Value")
Word = TypeVar("Word", bound=str)


class BadAsk(Exception):
    """The control request makes no sense; the message is a sentence for its sender."""


class Asked:
    """One request body; every field has a type."""

    def __init__(self, body: dict[str, Any], known: Collection[str]) -> None:
        unknown = sorted(set(body) - set(known))
        if unknown:
            raise BadAsk(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        self._body = body

    @classmethod
    async def of(cls, request: web.Request, *known: str) -> Asked:
        """Read a request's body; an empty one asks for nothing in particular."""
        raw = await request.read()
        try:
            body = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError as error:
            raise BadAsk(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise BadAsk("the body must be a JSON object")
        return cls(body, known)

    def __contains__(self, name: str) -> bool:
        return self._body.get(name) is not None

    def take(self, name: str, kind: type[Value], default: Value) -> Value:
        """Return a field of this type, the default where it is missing or null."""
        value = self._body.get(name)
        if value is None:
            return default
        return self._checked(name, kind, value)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number between two bounds; the default need not lie between them."""
        value = self.maybe(name, int)
        if value is None:
            return default
        if not least <= value <= most:
            raise BadAsk(f"{name} must be between {least} and {most}")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a field that is true or false."""
        value = self.maybe(name, bool)
        return default if value is None else value

    def maybe(self, name: str, kind: type[Value]) -> Value | None:
        """Return a field of this type, None where it is missing or null."""
        value = self._body.get(name)
        return None if value is None else self._checked(name, kind, value)

    def one_of(self, name: str, choices: Sequence[Word], default: Word) -> Word:
        """Return a field that is one of these words."""
        value = self.maybe(name, str)
        if value is None:
            return default
        for choice in choices:
            if choice == value:
                return choice
        raise BadAsk(f"{name} must be one of {', '.join(choices)}")

    @staticmethod
    def _checked(name: str, kind: type[Value], value: Any) -> Value:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BadAsk(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")
        return value

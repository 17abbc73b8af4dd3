"""The JSON bodies of the control routes, read strictly: a typo is an answer of 400, not a default.

Refuses to know what the fields mean.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import orjson
from aiohttp import web

Value = TypeVar("Value")
Word = TypeVar("Word", bound=str)


class BadAsk(Exception):
    """The control request makes no sense; the message is a sentence for its sender."""


class Missing(BadAsk):
    """What the control request is about does not exist."""


async def object_of(request: web.Request) -> dict[str, Any]:
    """Read a request's body as a JSON object; an empty one asks for nothing in particular."""
    raw = await request.read()
    try:
        body = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise BadAsk(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadAsk("the body must be a JSON object")
    return body


class Asked:
    """One request body; every field has a type."""

    def __init__(self, body: dict[str, Any], known: Collection[str]) -> None:
        unknown = sorted(set(body) - set(known))
        if unknown:
            raise BadAsk(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        self._body = body

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

    def needed(self, name: str, kind: type[Value]) -> Value:
        """Return a field of this type that has no default."""
        value = self.maybe(name, kind)
        if value is None:
            raise BadAsk(f"{name} is needed")
        return value

    def amount(self, name: str, default: float, most: float = math.inf) -> float:
        """Return a number that is not negative: seconds, or with `most=1` a share."""
        value = self.take(name, float, default)
        if not (math.isfinite(value) and 0 <= value <= most):
            raise BadAsk(f"{name} must be at least 0" + ("" if most == math.inf else f" and at most {most:g}"))
        return value

    def between(self, name: str, default: tuple[float, float]) -> tuple[float, float]:
        """Return the two seconds between which something happens: [least, most]."""
        pair = self.maybe(name, list)
        if pair is None:
            return default
        numbers = [value for value in pair if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if len(pair) != 2 or len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] < math.inf:
            raise BadAsk(f"{name} must be two rising numbers of seconds: [least, most]")
        return float(numbers[0]), float(numbers[1])

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a field that is true or false."""
        value = self.maybe(name, bool)
        return default if value is None else value

    def maybe(self, name: str, kind: type[Value]) -> Value | None:
        """Return a field of this type, None where it is missing or null."""
        value = self._body.get(name)
        return None if value is None else self._checked(name, kind, value)

    def either(self, name: str, kind: type[Value], other: type[Word]) -> Value | Word:
        """Return a field of one of two types."""
        value = self._body.get(name)
        return self._checked(name, other, value) if isinstance(value, other) else self._checked(name, kind, value)

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

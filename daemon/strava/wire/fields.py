"""Reads one JSON answer field by field; a wrong value is refused by the name of its field.

It refuses to repair numbers and to quote a value: a message that may be logged tells names and kinds only.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TypeVar

import orjson

from daemon.core.errors import Permanent

T = TypeVar("T")

# What PostgreSQL's integer and bigint hold; Strava's ids have outgrown the first.
INTEGER_MAX = 2**31 - 1
BIGINT_MAX = 2**63 - 1
# No quantity of an activity comes near; it only keeps nonsense out of sums.
QUANTITY_MAX = 1e9


class NoJsonError(ValueError):
    """The body is not JSON at all: empty, HTML, or broken off."""


def load_json(body: bytes) -> object:
    """Return the decoded body; raises NoJsonError.

    orjson refuses a whole document for one lone surrogate in a name or one NaN. The slower second reading lets
    such a page through, so that the one bad field can be named or mended.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            raise NoJsonError("the body is not JSON") from error


def clean_text(text: str) -> str:
    """Return the text as PostgreSQL can store it: without NUL and without lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def load_list(body: bytes, where: str) -> list[Fields]:
    """Return a body that is a list of objects; the n-th is called `where[n]` in refusals."""
    loaded = load_json(body)
    if not isinstance(loaded, list):
        raise refusal(where, loaded, "a list")
    return [Fields(entry, f"{where}[{place}]") for place, entry in enumerate(loaded)]


def load_object(body: bytes, where: str) -> Fields:
    """Return a body that is one object."""
    return Fields(load_json(body), where)


def refusal(where: str, value: object, expected: str) -> Permanent:
    """Return the error for a field that does not hold what it must."""
    return Permanent(f"Strava's answer cannot be used: {where} is {_describe(value)}, expected {expected}")


def _describe(value: object) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number of another kind or out of bounds"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


class Fields:
    """One JSON object; each reader checks kind and bounds, and takes null for missing."""

    __slots__ = ("_values", "_where")

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise refusal(where, value, "an object")
        self._values = value
        self._where = where

    def _refuse(self, name: str, expected: str) -> Permanent:
        return refusal(f"{self._where}.{name}", self._values.get(name), expected)

    def _required(self, name: str, value: T | None, expected: str) -> T:
        if value is None:
            raise self._refuse(name, expected)
        return value

    def inner(self, name: str) -> Fields:
        """Return the object inside this one."""
        return Fields(self._values.get(name), f"{self._where}.{name}")

    def inner_or_none(self, name: str) -> Fields | None:
        """Return the object inside this one, None where there is none."""
        return None if self._values.get(name) is None else self.inner(name)

    def inner_list(self, name: str) -> list[Fields]:
        """Return the list of objects inside this one, empty where there is none."""
        values = self._values.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self._refuse(name, "a list")
        return [Fields(entry, f"{self._where}.{name}[{place}]") for place, entry in enumerate(values)]

    def whole_or_none(self, name: str, least: int = 0, most: int = INTEGER_MAX) -> int | None:
        """Return a whole number; 13085.0 counts as one."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._refuse(name, f"a whole number from {least} to {most}")
        return value

    def whole(self, name: str, least: int = 0, most: int = INTEGER_MAX) -> int:
        """Return a whole number that must be there."""
        return self._required(name, self.whole_or_none(name, least, most), "a whole number")

    def identity(self, name: str) -> int:
        """Return an id, which needs a bigint."""
        return self.whole(name, 1, BIGINT_MAX)

    def number_or_none(self, name: str, least: float = 0.0, most: float = QUANTITY_MAX) -> float | None:
        """Return a finite number within bounds."""
        value = self._values.get(name)
        if value is None:
            return None
        # Compared before it is converted: float() overflows on an int of 400 digits.
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self._refuse(name, f"a number from {least:g} to {most:g}")
        return float(value)

    def text_or_none(self, name: str) -> str | None:
        """Return a text that PostgreSQL can store."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._refuse(name, "a text")
        return clean_text(value)

    def text(self, name: str) -> str:
        """Return a text that must be there and hold something."""
        return self._required(name, self.text_or_none(name) or None, "a text that is not empty")

    def flag_or_none(self, name: str) -> bool | None:
        """Return true, false, or None where Strava does not say."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._refuse(name, "true or false")
        return value

    def instant(self, name: str) -> datetime:
        """Return an ISO 8601 instant in UTC; one without an offset is refused."""
        expected = "an instant such as 2018-11-04T14:53:46Z"
        try:
            read_at = datetime.fromisoformat(self.text(name))
            if read_at.tzinfo is None:
                raise self._refuse(name, expected)
            return read_at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._refuse(name, expected) from error

    def wall_clock(self, name: str) -> datetime:
        """Return the local date and time that a clock on the wall showed, whatever offset is written to it."""
        try:
            return datetime.fromisoformat(self.text(name)).replace(tzinfo=None)
        except ValueError as error:
            raise self._refuse(name, "a local time such as 2018-11-04T09:53:46Z") from error

    def epoch(self, name: str) -> datetime:
        """Return an instant that is told in seconds since 1970."""
        # The last second of the year 9999, beyond which datetime overflows.
        return datetime.fromtimestamp(self.whole(name, 1, 253_402_300_799), UTC)

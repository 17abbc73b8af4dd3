"""Puts settings and their faults into words for a person.

Refuses to let a secret's value into any of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr
from pydantic_core import ErrorDetails

from daemon.config.places import Place
from daemon.config.settings import SECTIONS, Settings
from daemon.core.errors import DomestiqueError

ENVIRONMENT_PREFIX = "DOMESTIQUE__"
_MASK = "***"
_NAMES = tuple(f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields)
# Secrets are longer than this: one pasted into the wrong place is not repeated.
_LONGEST_SHOWN = 20
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
_WISHES = {
    "bool": "true or false",
    "finite": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "number": "a number",
    "path": "text",
    "string": "text",
    "tuple": "a list of texts",
}


class ConfigError(DomestiqueError):
    """The settings cannot be used; the text is the whole report, one problem a line."""


class Setting(NamedTuple):
    """One setting in force: `section.key`, its value as plain data with secrets masked, and its source."""

    name: str
    value: str | int | float | list[str]
    source: str


def blame(location: tuple[int | str, ...], places: Mapping[tuple[str, ...], Place], root: Place) -> Place:
    """Find the nearest thing that stands somewhere: the key, else its table, else the file."""
    names = tuple(str(part) for part in location)
    return next((places[names[:n]] for n in range(len(names), 0, -1) if names[:n] in places), root)


def suggestion(name: str) -> str:
    """Guess what was meant: a near key of the same table, the same key of another, anything near."""
    section, _, key = name.partition(".")
    near = difflib.get_close_matches(key, SECTIONS[section].model_fields, 1) if section in SECTIONS else []
    candidates = [f"{section}.{other}" for other in near]
    candidates += [other for other in _NAMES if other.partition(".")[2] == (key or section)]
    candidates += difflib.get_close_matches(name, [*_NAMES, *SECTIONS], 1)
    return f"; did you mean {candidates[0]}?" if candidates else f"; the sections are {', '.join(SECTIONS)}"


def sentence(fault: ErrorDetails) -> str:
    """Tell one of pydantic's errors in the words of the file."""
    section, key, *index = (str(part) for part in fault["loc"])
    info = SECTIONS[section].model_fields.get(key)
    if info is None:
        return f"{section}.{key} is unknown{suggestion(f'{section}.{key}')}"
    origin = f" ({info.description})" if info.description else ""
    if fault["type"] == "missing":
        variable = f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()
        return (
            f"{section}.{key} is missing: add {key} = … under [{section}], or set {variable}, "
            f"or give systemd a credential named {section}.{key}{origin}"
        )
    name = f"{section}.{key}" + "".join(f"[{number}]" for number in index)
    got = f", got {_shown(fault['input'], secret=_holds_secret(info.annotation))}"
    return f"{name} {_demand(fault, got)}{origin}"


def _demand(fault: ErrorDetails, got: str) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    length = f"text of at least {context.get('min_length')} character(s)"
    bounds = {
        "greater_than": f"more than {context.get('gt')}",
        "greater_than_equal": f"at least {context.get('ge')}",
        "less_than_equal": f"at most {context.get('le')}",
        "literal_error": f"one of {context.get('expected')}",
        "string_too_short": length,
        "too_short": length if isinstance(fault["input"], str) else "a list of at least one",  # of a secret
    }
    if kind == "value_error":
        return str(context["error"])
    return f"must be {bounds.get(kind) or _WISHES.get(kind.partition('_')[0], fault['msg'])}{got}"


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _shown(value: object, *, secret: bool) -> str:
    if isinstance(value, str):
        short = len(value) <= _LONGEST_SHOWN and not secret
        return repr(value) if short else f"text of {len(value)} characters"
    if isinstance(value, int | float) and not isinstance(value, bool) and not secret:
        return repr(value)
    return "an empty list" if value == [] else _KINDS.get(type(value), "a date or time")


def _fields(settings: Settings) -> Iterator[tuple[str, str, Any]]:
    for section in SECTIONS:
        for key, value in getattr(settings, section):
            yield section, key, value


def describe(settings: Settings) -> list[Setting]:
    """List every setting for a person or for JSON."""
    shown: list[Setting] = []
    for section, key, value in _fields(settings):
        plain = value
        if isinstance(value, tuple):
            plain = [_MASK if isinstance(part, SecretStr) else part for part in value]
        elif isinstance(value, SecretStr):
            plain = _address(value.get_secret_value()) if (section, key) == ("database", "url") else _MASK
            plain = plain if value else ""
        elif isinstance(value, Path):
            plain = str(value)
        place = settings._places.get((section, key))
        if place is None and key in getattr(settings, section).model_fields_set:
            place = settings._places.get((section,))  # an inline table
        shown.append(Setting(f"{section}.{key}", plain, str(place or "default")))
    return shown


def _address(url: str) -> str:
    """Show which database is meant; user, password and options (they may hold one too) are masked."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{_MASK}@{host}{parts.path}" if parts.scheme else url


def secret_values(settings: Settings) -> list[str]:
    """Every secret in the clear, the database's password among them: for `logs.conceal` and nothing else."""
    found: list[str] = []
    for _, _, value in _fields(settings):
        parts = value if isinstance(value, tuple) else (value,)
        # An empty one is none: concealing it would conceal everything.
        found += [part.get_secret_value() for part in parts if isinstance(part, SecretStr) and part]
    url = settings.database.url.get_secret_value()
    if settings.database.embedded:
        found.remove(url)
    else:
        password = urlsplit(url).password or ""
        options = parse_qs(urlsplit(url).query).get("password", [])
        found += sorted({password, unquote(password), *options} - {""})
    return found

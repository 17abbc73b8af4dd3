"""Faults that are switched on from outside: which endpoint, which kind, how often.

Decides which faults strike a request; refuses to perform them, which is the server's part.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.faults import (
    APP_INACTIVE,
    DEAD_ACCESS_TOKEN,
    EMPTY_ANSWER,
    HTML_ERROR,
    NOT_FOUND,
    SERVER_ERROR,
    UNAVAILABLE,
    Refusal,
    rate_limit,
)

# Answered instead of the real answer.
REFUSALS: dict[str, Refusal] = {
    "error_500": SERVER_ERROR,
    "error_503": UNAVAILABLE,
    "html": HTML_ERROR,
    "empty_body": EMPTY_ANSWER,
    "app_inactive": APP_INACTIVE,
    "dead_token": DEAD_ACCESS_TOKEN,
    "not_found": NOT_FOUND,
    "rate_limited": rate_limit("overall rate limit"),
    "rate_limited_plain": rate_limit("rate limit"),
}
# Done to the connection or to the real answer.
DEEDS = ("reset", "delay", "truncated", "wrong_types", "lost_answer", "slow_down")
KINDS = (*REFUSALS, *DEEDS)
ANY = "*"
API = "api"
API_ENDPOINTS = frozenset({"athlete", "zones", "activities", "activity", "streams"})


@dataclass(slots=True, kw_only=True)
class Switch:
    """One fault: strikes `left` more times (None: for ever), each matching request with probability `rate`."""

    id: int
    endpoint: str
    kind: str
    left: int | None
    rate: float
    athlete_id: int | None
    seconds: float
    struck: int = 0

    def report(self) -> dict[str, Any]:
        """Return the switch as the control routes show it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Switchboard:
    """All switches; where several match, every delay and the oldest other fault strike."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._switches: dict[int, Switch] = {}
        self._last_id = 0

    def switch_on(
        self, *, endpoint: str, kind: str, count: int | None, rate: float, athlete_id: int | None, seconds: float
    ) -> Switch:
        """Add a fault."""
        self._last_id += 1
        switch = Switch(
            id=self._last_id,
            endpoint=endpoint,
            kind=kind,
            left=count,
            rate=rate,
            athlete_id=athlete_id,
            seconds=seconds,
        )
        self._switches[switch.id] = switch
        return switch

    def switch_off(self, switch_id: int | None = None) -> None:
        """Remove one fault, or all."""
        if switch_id is None:
            self._switches.clear()
        else:
            self._switches.pop(switch_id, None)

    def __iter__(self) -> Iterator[Switch]:
        return iter(self._switches.values())

    def strike(self, endpoint: str, athlete_id: int | None) -> list[Switch]:
        """Return the faults that hit this request, delays first, and count them down."""
        struck: list[Switch] = []
        for switch in self._switches.values():
            taken = switch.kind != "delay" and any(other.kind != "delay" for other in struck)
            if taken or not self._hits(switch, endpoint, athlete_id):
                continue
            switch.struck += 1
            switch.left = None if switch.left is None else switch.left - 1
            struck.append(switch)
        return sorted(struck, key=lambda switch: switch.kind != "delay")

    def _hits(self, switch: Switch, endpoint: str, athlete_id: int | None) -> bool:
        meant = switch.endpoint in {ANY, endpoint} or (switch.endpoint == API and endpoint in API_ENDPOINTS)
        matches = meant and switch.athlete_id in {None, athlete_id}
        return matches and switch.left != 0 and self._random.random() < switch.rate


def with_wrong_types(value: Any) -> Any:
    """Return a JSON value in which nothing below the first level has the type that it should have."""
    if isinstance(value, dict):
        return {key: _mistyped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_wrong_types(inner) if isinstance(inner, dict) else _mistyped(inner) for inner in value]
    return _mistyped(value)


def _mistyped(value: Any) -> Any:
    match value:
        case bool():
            return "perhaps"
        case int() | float():
            return {"value": value}
        case str():
            return [value]
        case list():
            return {"data": "none"}
        case dict():
            return "none"
        case _:
            return {}

"""Shapes of every sort, and endpoints that take and answer them, to be described."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from daemon.web.endpoints import Endpoint, Model, Query, Who


class Sport(StrEnum):
    """What was done."""

    RIDE = "ride"
    RUN = "run"


class Part(Model):
    """A part; None
    stands for nothing.
    """

    on: date
    note: str | None


class Whole(Model):
    """A whole."""

    state: Literal["done"] = "done"
    parts: list[Part]
    by_sport: dict[Sport, float]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Done:
    """A ride is done.

    And nobody is tired.
    """

    ride_id: int
    note: str | None


class Sent(Model):
    """What is sent."""

    parts: list[Part]
    name: str = Field("", max_length=9)


class Ask(Query):
    """What may be asked."""

    sport: Sport | None = Field(None, description="Only this one.")
    days: int = Field(7, ge=1, le=30)
    must: str


async def handler(_: web.Request) -> web.Response:
    """Answer nothing."""
    return web.Response()


def endpoint(method: Literal["GET", "POST", "PUT", "DELETE"], path: str, who: Who, **more: Any) -> Endpoint:
    return Endpoint(method, path, handler, who, "quota", "Does it.", **more)

"""What can be asked and sent about one athlete: queries and bodies."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, create_model
from pydantic_core import PydanticCustomError

from daemon.core.wellness import FIELDS, MOST_DAYS, Bounds
from daemon.intervals.wire import is_sendable
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.web.endpoints import Model, Query

_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(given: object) -> object:
    """Read a day from its text, here because pydantic takes a bare number for seconds since 1970."""
    if not isinstance(given, str):
        return given
    try:
        if _ISO_DAY.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:  # the 31st of February
        pass
    raise PydanticCustomError("day", "must be a day such as 2026-03-01")


Day: TypeAlias = Annotated[date, BeforeValidator(_day)]


class Since(Query):
    """How many days back, today included."""

    days: int = Field(180, ge=1, le=3660)


class MorningsSince(Query):
    """How many days back."""

    days: int = Field(30, ge=1, le=1_000)


class PageOfActivities(Query):
    """Which activities: `sport` as Strava names its type (`Ride`), `cursor` as the page before gave it."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200)
    sport: str | None = Field(None, pattern="^[A-Za-z]{1,50}$")


class FromDay(Query):
    """Only what counts from this local day."""

    from_on: Day | None = Field(None, alias="from")


class RecomputeFrom(Query):
    """From which local day on; with `preview` nothing is stored."""

    from_on: Day = Field(alias="from", ge=FROM_THE_BEGINNING)
    preview: bool = False


class ThresholdWish(Model):
    """A value in the unit of its kind; without `from` it counts from the athlete's today."""

    value: float
    from_on: Day | None = Field(None, alias="from")


def _sendable(secret: SecretStr) -> SecretStr:
    if not is_sendable(secret.get_secret_value()):
        raise PydanticCustomError("secret", "must be visible ASCII without spaces and not too long")
    return secret


_Secret: TypeAlias = Annotated[SecretStr, AfterValidator(_sendable)]


class ApiKey(Model):
    """The personal key that Intervals.icu shows in an athlete's settings."""

    api_key: _Secret


class Bearer(Model):
    """A token that an OAuth app of Intervals.icu was given for him."""

    bearer: _Secret


def _value(bounds: Bounds) -> tuple[object, object]:
    return (int if bounds.whole else float) | None, Field(None, ge=bounds.least, le=bounds.most)


# For the description alone: `core.wellness.parse_days` reads the list, and tells every fault of it at once.
PostedDay: Final = create_model(  # type: ignore[call-overload]
    "PostedDay",
    __base__=Model,
    __doc__="A local day; what is not named keeps its value, null takes it away.",
    on=(date, ...),
    **{name: _value(bounds) for name, bounds in FIELDS.items()},
)
PostedDays: Final = Annotated[list[PostedDay], Field(min_length=1, max_length=MOST_DAYS)]  # type: ignore[valid-type]

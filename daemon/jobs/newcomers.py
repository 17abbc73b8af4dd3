"""How an athlete comes in: by his consent in a browser, or by the tokens that another app held. One way for both.

Refuses to ask Strava anything, and to sign anybody in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from daemon.core.consent import split_scope
from daemon.core.news import Topic
from daemon.jobs import backfill, erase_athlete, recompute_load
from daemon.science.evidence import Kind
from daemon.science.thresholds import FROM_THE_BEGINNING
from daemon.science.validation import ACCEPTED
from daemon.store import athletes, farewells, jobs, outbox, thresholds
from daemon.store.database import Connection
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import store_tokens

EARLIEST_BIRTH: Final = date(1900, 1, 1)
LONGEST_NAME: Final = 200


def _threshold(kind: Kind) -> Any:
    lowest, highest = ACCEPTED[kind]
    return Field(None, ge=lowest, le=highest)


class Newcomer(BaseModel):
    """An athlete with his tokens, and what is known of him beside; one line of an import file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    athlete_id: int = Field(gt=0, lt=2**63)
    refresh_token: SecretStr = Field(min_length=1)
    scope: frozenset[str] = Field(min_length=1)
    access_token: SecretStr | None = None
    expires_at: datetime | None = None
    name: str | None = Field(None, max_length=LONGEST_NAME)
    sex: Literal["M", "F"] | None = None
    born_on: date | None = Field(None, ge=EARLIEST_BIRTH)
    ftp: float | None = _threshold(Kind.FTP)
    critical_speed: float | None = _threshold(Kind.CRITICAL_SPEED)
    css: float | None = _threshold(Kind.CRITICAL_SWIM_SPEED)
    lthr: float | None = _threshold(Kind.LTHR)
    max_hr: float | None = _threshold(Kind.MAX_HR)
    resting_hr: float | None = _threshold(Kind.RESTING_HR)

    @field_validator("scope", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        """Take Strava's own form, one string with commas, as well as a list."""
        return split_scope(value) if isinstance(value, str) else value

    @field_validator("expires_at")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @field_validator("name")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        return value.replace("\x00", "") if value is not None else None

    @property
    def thresholds(self) -> Mapping[Kind, float]:
        """Return those that are given, by kind."""
        return {kind: value for kind in Kind if (value := getattr(self, kind.value)) is not None}


async def admit(
    connection: Connection, cipher: Cipher, newcomer: Newcomer, backfill_days: int, now: datetime, source: str
) -> bool:
    """Store one athlete with tokens and thresholds, in the caller's transaction; returns whether he is new.

    Who rests is woken. His history is asked for so many days back. `source` says where it all came from.
    """
    athlete_id = newcomer.athlete_id
    departed = await athletes.lock_departed(connection, athlete_id)
    if departed is not None and departed.leaving_at is not None:
        # He comes back before the erasure that he was promised: it is kept, and he begins anew.
        await erase_athlete.erase(connection, athlete_id)
    await farewells.take_back(connection, athlete_id)
    is_new = await athletes.upsert(
        connection, athlete_id, name=newcomer.name, sex=newcomer.sex, scope=newcomer.scope
    )
    await store_tokens(
        connection, cipher, athlete_id, newcomer.refresh_token, newcomer.access_token, newcomer.expires_at
    )
    await athletes.born(connection, athlete_id, newcomer.born_on)
    await bring_thresholds(connection, athlete_id, newcomer.thresholds, now, source, is_new=is_new)
    await backfill.begin(connection, athlete_id, backfill_days, now)
    await outbox.write(connection, Topic.ATHLETE_CONNECTED, athlete_id, {"is_new": is_new})
    return is_new


async def bring_thresholds(
    connection: Connection,
    athlete_id: int,
    values: Mapping[Kind, float],
    now: datetime,
    source: str,
    *,
    is_new: bool,
) -> None:
    """Store values brought along, from the beginning of time; what is stored already is scored again by them."""
    moved = [
        kind.value
        for kind, value in values.items()
        if await thresholds.put(
            connection,
            athlete_id,
            kind.value,
            value,
            method="imported",
            effective_on=FROM_THE_BEGINNING,
            evidence={"source": source},
        )
    ]
    if moved and not is_new:
        reason = f"{', '.join(moved)} imported"
        await jobs.enqueue(connection, [recompute_load.new(athlete_id, FROM_THE_BEGINNING, reason, now)])

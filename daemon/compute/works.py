"""What the worker process can be asked to do: each piece of work carries its input and answers in bytes.

They go to the process pickled, which only ever reads what its own parent wrote; back comes JSON, because what is
computed from strangers' streams must not be able to name code. Refuses to know pipes and processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol

import orjson

from daemon.core.errors import Permanent, Retryable
from daemon.science import thresholds, validation
from daemon.science.arrays import FloatArray
from daemon.science.critical import Bests
from daemon.science.envelope import envelope
from daemon.science.evidence import Activity, Kind
from daemon.science.scoring import Choices, Done, Known, score_all
from daemon.science.statistics import ActivityFacts, Totals, summarize
from daemon.science.thresholds import InForce, Occasion, Row
from daemon.store.arrays import read_reals
from daemon.store.shown_activities import SentCurve
from daemon.strava.wire import parse_streams


class Work(Protocol):
    """One request."""

    def answer(self) -> bytes:
        """Do it; raises Retryable where the input is broken, anything else is a bug."""


@dataclass(frozen=True, slots=True)
class Summarize:
    """The statistics of one activity, from the raw body of a streams answer (None: there is none)."""

    body: bytes | None
    facts: ActivityFacts

    def answer(self) -> bytes:
        """Return the columns of the statistics; streams that cannot be used leave the facts, and a reason."""
        try:
            streams = parse_streams(self.body) if self.body is not None else None
            return _json(summarize(streams, self.facts).columns())
        except Retryable:
            raise  # no JSON: the answer was broken, not the streams
        except Permanent as error:
            reason = str(error)
        except Exception as error:
            reason = f"computing them failed: unexpected {type(error).__name__}"
        # Whatever Strava sent in place of streams, the activity itself is worth keeping, with the reason.
        bare = summarize(None, self.facts)
        return _json(replace(bare, quality={"rejected": reason, "sentences": [reason]}).columns())


@dataclass(frozen=True, slots=True)
class Rescore:
    """Loads of stored activities; `rows` is JSON as `activities.totals_from` makes it."""

    rows: bytes
    known: Known
    choices: Choices

    def answer(self) -> bytes:
        """Return the columns of `activity_loads`, in the order of the rows."""
        done = [
            Done(
                row["activity_id"],
                date.fromisoformat(row["local_on"]),
                row["sport_type"],
                Totals.from_columns(row["totals"]),
            )
            for row in orjson.loads(self.rows)
        ]
        return _json([scored.columns() for scored in score_all(done, self.known, self.choices)])


@dataclass(frozen=True, slots=True)
class Sent:
    """An activity as `activities.evidence` gives it: curves as PostgreSQL sends them. See `evidence.Activity`."""

    activity_id: int
    started_at: datetime
    local_on: date
    family: str
    moving_seconds: int
    power_curve: bytes | None
    graded_curve: bytes | None
    heart_rate_curve: bytes | None
    heart_rate_at_best_power: bytes | None
    heart_rate_at_best_graded: bytes | None
    best_swim_seconds: bytes | None

    def read(self) -> Activity:
        """Return it with its curves."""
        return Activity(
            activity_id=self.activity_id,
            started_at=self.started_at,
            local_on=self.local_on,
            family=self.family,
            moving_seconds=self.moving_seconds,
            power_curve=_read(self.power_curve),
            graded_curve=_read(self.graded_curve),
            heart_rate_curve=_read(self.heart_rate_curve),
            heart_rate_at_best_power=_read(self.heart_rate_at_best_power),
            heart_rate_at_best_graded=_read(self.heart_rate_at_best_graded),
            best_swim_seconds=_read(self.best_swim_seconds),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A look at an athlete's thresholds, as `science.thresholds.look`."""

    activities: Sequence[Sent]
    in_force: Mapping[Kind, InForce]
    occasion: Occasion
    today: date
    age_years: float | None

    def answer(self) -> bytes:
        """Return the rows to write, and why the other kinds are kept."""
        known = [one.read() for one in self.activities]
        decisions = thresholds.look(known, self.in_force, self.occasion, self.today, self.age_years)
        return _json(
            {
                "rows": [asdict(one) for one in decisions if isinstance(one, Row)],
                "kept": {one.kind.value: one.reason for one in decisions if not isinstance(one, Row)},
            }
        )


@dataclass(frozen=True, slots=True)
class Validate:
    """Whether the values in force can be true, as `science.validation.validate`."""

    activities: Sequence[Sent]
    values: Mapping[Kind, float]
    today: date

    def answer(self) -> bytes:
        """Return what is inconsistent."""
        known = [one.read() for one in self.activities]
        return _json([asdict(one) for one in validation.validate(known, self.values, self.today)])


@dataclass(frozen=True, slots=True)
class Seasons:
    """The bests of two seasons; `split_on` is the first day of the later one."""

    curves: Sequence[SentCurve]
    split_on: date

    def answer(self) -> bytes:
        """Return the envelope of each, the later one first."""
        later, earlier = list[Bests](), list[Bests]()
        for one in self.curves:
            season = later if one.local_on >= self.split_on else earlier
            season.append(Bests(one.activity_id, one.local_on, read_reals(one.curve)))
        return _json([envelope(later), envelope(earlier)])


def _read(sent: bytes | None) -> FloatArray | None:
    return read_reals(sent) if sent is not None else None


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)

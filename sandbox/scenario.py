"""A scenario: deeds with the second at which each is done, one JSON object a line, played from a file.

Refuses to start with a mistake anywhere in it, and to end because a deed fails: that is told in its progress.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import web

from sandbox.asked import BadAsk
from sandbox.stage import REFERENCES, Json, Stage, number_in

State = Literal["none", "playing", "done", "stopped"]
KEPT_FAILURES = 100
LOG = logging.getLogger("sandbox")


class BadScenario(Exception):
    """Lines that make no sense; the message has a sentence for each, with its number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One deed of a scenario; `at` is in seconds from the start."""

    line: int
    at: float
    do: str
    body: Json


def read_scenario(text: str, stage: Stage) -> list[Step]:
    """Read a whole scenario for this stage; empty lines and lines that begin with # are passed over.

    Raises BadScenario.
    """
    steps: list[Step] = []
    mistakes: list[str] = []
    labels: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            step = _step(number, line, steps[-1].at if steps else 0.0)
            stage.read(step.do, step.body)
            _check_references(step, stage, labels)
        except BadAsk as error:
            mistakes.append(f"line {number}: {error}")
            continue
        steps.append(step)
        if "as" in step.body:
            labels.add(step.body["as"])
    if mistakes:
        raise BadScenario("\n".join(mistakes))
    return steps


def _step(number: int, line: str, not_before: float) -> Step:
    try:
        decoded: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadAsk(f"not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise BadAsk("a step is a JSON object")
    at, do = decoded.pop("at", None), decoded.pop("do", None)
    if not isinstance(at, (int, float)) or isinstance(at, bool) or not math.isfinite(at):
        raise BadAsk("at is needed: seconds from the start")
    if at < not_before:
        raise BadAsk(f"at must not fall: {at:g} comes after {not_before:g}")
    if not isinstance(do, str):
        raise BadAsk("do is needed: what is done")
    return Step(number, float(at), do, decoded)


def _check_references(step: Step, stage: Stage, labels: set[str]) -> None:
    files = {ride.file for ride in stage.strava.rides}
    for name in REFERENCES:
        named = step.body.get(name)
        if not isinstance(named, str) or number_in(named) is not None:
            continue
        if named not in labels and named not in stage.labels and not (name == "template" and named in files):
            raise BadAsk(f"{name}: nothing before is called {named!r}")
    athlete_id = step.body.get("athlete_id")
    if athlete_id is not None and athlete_id not in stage.strava.world.athletes:
        raise BadAsk(f"no athlete {athlete_id}")


class Player:
    """Plays one scenario at a time on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._state: State = "none"
        self._steps: Sequence[Step] = ()
        self._speed = 1.0
        self._began = 0.0
        self._done = 0
        self._failed = 0
        self._failures: list[Json] = []
        self._task: asyncio.Task[None] | None = None

    def start(self, text: str, speed: float) -> Json:
        """Start a scenario; returns its progress. Raises BadScenario, and BadAsk while another one plays."""
        if self._state == "playing":
            raise BadAsk("a scenario is playing; DELETE /sandbox/scenario stops it")
        if not 0 < speed < math.inf:
            raise BadAsk("speed must be more than 0")
        self._steps = read_scenario(text, self.stage)
        self._state, self._speed, self._done, self._failed, self._failures = "playing", speed, 0, 0, []
        self._began = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._play(), name="scenario")
        return self.progress()

    async def stop(self) -> None:
        """Stop what is playing, if anything is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._state == "playing":
            self._state = "stopped"

    def progress(self) -> Json:
        """Return how far it has come, what comes next and what failed."""
        playing = self._state == "playing"
        upcoming = self._steps[self._done + self._failed] if playing and self._left() else None
        return {
            "state": self._state,
            "steps": len(self._steps),
            "done": self._done,
            "failed": self._failed,
            "failures": self._failures,
            "speed": self._speed,
            "at": round(self._now(), 3) if playing else None,
            "next": {"line": upcoming.line, "at": upcoming.at, "do": upcoming.do} if upcoming is not None else None,
        }

    def _left(self) -> int:
        return len(self._steps) - self._done - self._failed

    def _now(self) -> float:
        return (asyncio.get_running_loop().time() - self._began) * self._speed

    async def _play(self) -> None:
        for step in self._steps:
            # Counted from the start, so that slow steps do not push back the later ones.
            await asyncio.sleep(max(0.0, (step.at - self._now()) / self._speed))
            try:
                self.stage.perform(step.do, step.body)
            except BadAsk as error:
                self._fail(step, str(error))
            except Exception as error:
                self.stage.strava.journal.failures += 1
                LOG.exception("line %d of the scenario failed", step.line)
                self._fail(step, f"{type(error).__name__}: {error}")
            else:
                self._done += 1
        self._state = "done"

    def _fail(self, step: Step, reason: str) -> None:
        self._failed += 1
        self._failures = [*self._failures, {"line": step.line, "error": reason}][-KEPT_FAILURES:]


PLAYER = web.AppKey("player", Player)

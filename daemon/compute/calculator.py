"""The loop's side of the worker process: hand it a piece of work, await the answer.

The process is spawned, not forked, and works off one request at a time. It ends with us: its standard input
closes when we die, and it asks the kernel for a signal besides. This module refuses to compute.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, Self

import orjson
import structlog

from daemon.compute.process import AGAIN, ANSWER, DONE, LENGTH
from daemon.compute.works import Look, Rescore, Seasons, Sent, Summarize, Validate, Work
from daemon.core.errors import Permanent, Retryable
from daemon.core.instruments import SILENT, Instruments
from daemon.science.envelope import Best
from daemon.science.evidence import Kind
from daemon.science.scoring import Choices, Known
from daemon.science.statistics import ActivityFacts, Statistics
from daemon.science.thresholds import Row
from daemon.science.validation import Inconsistency

log = structlog.get_logger()

LONGEST_SECONDS: Final = 60.0  # the longest ride takes well under one
LIMIT_BYTES: Final = 1 << 20  # read at once: a slice of loads is half of it


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at thresholds came to: rows to write, and why the other kinds are kept."""

    rows: tuple[Row, ...]
    kept: Mapping[str, str]


class _Row(asyncio.Lock):
    """A lock that knows how many stand before it, whoever holds it included."""

    standing = 0

    async def acquire(self) -> Literal[True]:
        self.standing += 1
        try:
            return await super().acquire()
        except BaseException:
            self.standing -= 1
            raise

    def release(self) -> None:
        self.standing -= 1
        super().release()


class Calculator:
    """One worker process; started at need, replaced when it dies."""

    def __init__(self, instruments: Instruments = SILENT) -> None:
        self._instruments = instruments
        self._process: Process | None = None
        self._busy = _Row()
        # Work that can wait stands in a row of its own: at most one piece of it is before an activity's statistics.
        self._patient = _Row()

    async def __aenter__(self) -> Self:
        """Start the process, so that the first activity does not wait for it."""
        self._process = await _spawn()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        await self._end()

    @property
    def waiting(self) -> int:
        """Return how many pieces of work are not done yet, the one at work included."""
        # Whoever is first in the patient row stands in the other one too.
        return self._busy.standing + max(0, self._patient.standing - 1)

    async def summarize(self, body: bytes | None, facts: ActivityFacts) -> Statistics:
        """Return the statistics of one activity from the raw body of its streams answer (None: there is none).

        Streams that cannot be used leave the bare facts, and a reason in `quality`. Raises Retryable where the
        body is no JSON or the process died on the way, Permanent where it takes too long.
        """
        return Statistics.from_columns(orjson.loads(await self._ask(Summarize(body, facts))))

    async def rescore(self, rows: bytes, known: Known, choices: Choices) -> bytes:
        """Return loads of what `totals_from` gave, as `put_loads` takes them; raises as summarize."""
        async with self._patient:
            return await self._ask(Rescore(rows, known, choices))

    async def look(self, work: Look) -> Looked:
        """Return what becomes of an athlete's thresholds; raises as summarize."""
        async with self._patient:
            answer = orjson.loads(await self._ask(work))
        return Looked(tuple(_row(one) for one in answer["rows"]), answer["kept"])

    async def validate(
        self, activities: Sequence[Sent], values: Mapping[Kind, float], today: date
    ) -> list[Inconsistency]:
        """Return what is inconsistent among the values in force; raises as summarize."""
        async with self._patient:
            answer = orjson.loads(await self._ask(Validate(activities, values, today)))
        return [Inconsistency(tuple(map(Kind, one["kinds"])), one["sentence"]) for one in answer]

    async def bests(self, seasons: Seasons) -> tuple[list[Best], list[Best]]:
        """Return the bests of the later and of the earlier season; raises as summarize.

        Somebody looks at a page and it is short: it does not stand behind what can wait.
        """
        later, earlier = orjson.loads(await self._ask(seasons))
        return [_best(one) for one in later], [_best(one) for one in earlier]

    async def _ask(self, work: Work) -> bytes:
        async with self._busy:
            if self._process is None or self._process.returncode is not None:
                self._process = await _spawn()
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            request = pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    process.stdin.write(LENGTH.pack(len(request)))
                    process.stdin.write(request)
                    await process.stdin.drain()
                    how, length = ANSWER.unpack(await process.stdout.readexactly(ANSWER.size))
                    answer = await process.stdout.readexactly(length)
            except TimeoutError as error:
                await self._end()
                raise Permanent(f"computing took more than {LONGEST_SECONDS:.0f} s") from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                await self._end()
                log.warning("calculator.died", returncode=process.returncode)
                raise Retryable("the worker process died") from error
            except asyncio.CancelledError:
                await self._end()  # half a conversation cannot be continued
                raise
            self._instruments.computed(type(work).__name__.lower(), asyncio.get_running_loop().time() - began)
        if how == DONE:
            return answer
        raise (Retryable if how == AGAIN else Permanent)(answer.decode())

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def _best(columns: Mapping[str, Any]) -> Best:
    return Best(**{**columns, "local_on": date.fromisoformat(columns["local_on"])})


def _row(columns: Mapping[str, Any]) -> Row:
    def day(name: str) -> date | None:
        return date.fromisoformat(columns[name]) if columns[name] is not None else None

    effective_on = day("effective_on")
    assert effective_on is not None
    days = {"effective_on": effective_on, "recompute_from": day("recompute_from")}
    return Row(**{**columns, "kind": Kind(columns["kind"]), **days})


async def _spawn() -> Process:
    # In a session of its own: Ctrl-C is ours to handle.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "daemon.compute.process",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
        limit=LIMIT_BYTES,
    )

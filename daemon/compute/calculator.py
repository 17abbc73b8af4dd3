"""The loop's side of the worker process: hand it a body, await the statistics.

The process is spawned, not forked, and works off one request at a time. It ends with us: its standard input
closes when we die, and it asks the kernel for a signal besides. This module refuses to compute.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, Self

import orjson
import structlog

from daemon.core.errors import Permanent, Retryable
from daemon.science.statistics import ActivityFacts, Statistics

log = structlog.get_logger()

LONGEST_SECONDS: Final = 60.0  # the longest ride takes well under one


class Calculator:
    """One worker process; started at need, replaced when it dies."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start the process, so that the first activity does not wait for it."""
        self._process = await _spawn()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        await self._end()

    async def summarize(self, body: bytes | None, facts: ActivityFacts) -> Statistics:
        """Return the statistics of one activity from the raw body of its streams answer (None: there is none).

        Streams that cannot be used leave the bare facts, and a reason in `quality`. Raises Retryable where the
        body is no JSON or the process died on the way, Permanent where it takes too long.
        """
        answer = await self._ask({"facts": asdict(facts), "has_body": body is not None}, body or b"")
        if "again" in answer:
            raise Retryable(answer["again"])
        return Statistics.from_columns(answer["statistics"])

    async def _ask(self, header: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        async with self._busy:
            if self._process is None or self._process.returncode is not None:
                self._process = await _spawn()
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            head = orjson.dumps(header)
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    process.stdin.write(struct.pack("!II", len(head), len(body)) + head + body)
                    await process.stdin.drain()
                    (length,) = struct.unpack("!I", await process.stdout.readexactly(4))
                    answer: dict[str, Any] = orjson.loads(await process.stdout.readexactly(length))
                    return answer
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

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


async def _spawn() -> Process:
    # In a session of its own: Ctrl-C is ours to handle.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daemon.compute.process", stdin=PIPE, stdout=PIPE, start_new_session=True
    )

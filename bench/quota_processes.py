"""The processes of `bench.quota`: a sandbox, and the callers with what each of them told.

Every one is started here and ended here, by its own id, whatever becomes of the bench.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.quota_callers import Plan

ROOT = Path(__file__).resolve().parents[1]
KEPT_REQUESTS = 20_000  # by the sandbox
SETTLING_SECONDS = 0.04
LAST_WORDS_SECONDS = 0.1
RESTART_SECONDS = 0.3


class Sandbox:
    """A running sandbox's control routes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call `/sandbox{path}` and return what it says."""
        async with self._session.request(method, f"{self.url}/sandbox{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def settled(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return all that was counted, once every request has been answered; slow ones outlive their callers."""
        while True:
            counts = await self.control("GET", "/counts")
            requests = await self.control("GET", f"/requests?last={KEPT_REQUESTS}")
            if len(requests) >= min(counts["received"], KEPT_REQUESTS):
                return counts, requests
            await asyncio.sleep(SETTLING_SECONDS)

    async def allow(self, quarter_limit: int, day_limit: int) -> None:
        """Set what the read meter allows."""
        await self.control("PATCH", "/settings", {"read_limits": [quarter_limit, day_limit]})


@asynccontextmanager
async def running_sandbox(flags: Mapping[str, object]) -> AsyncIterator[Sandbox]:
    """Run `python -m sandbox` on a free port with these flags; it grumbles about connections that kills break."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--port=0", *(f"--{name}={value}" for name, value in flags.items()),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[-1]
        async with aiohttp.ClientSession() as session:
            yield Sandbox(url, session)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@dataclass(slots=True)
class Caller:
    """One calling process and what it told."""

    process: asyncio.subprocess.Process
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    unanswered: dict[str, int] = field(default_factory=dict)  # permits of each open step
    live_seconds: list[float] = field(default_factory=list)
    held_back: int = 0
    _is_to_end: bool = False

    async def listen(self) -> None:
        """Read what it tells until it has ended; raises RuntimeError where nobody meant it to end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            match line.decode().split():
                case ["ready"]:
                    self.ready.set()
                case ["enter", step, permits]:
                    self.unanswered[step] = int(permits)
                case ["answered", step] if step in self.unanswered:
                    self.unanswered[step] = max(0, self.unanswered[step] - 1)
                case ["exit", step]:
                    self.unanswered.pop(step, None)
                case ["live", seconds]:
                    self.live_seconds.append(float(seconds))
                case ["held_back"]:
                    self.held_back += 1
                case _:
                    pass
        if not self._is_to_end:
            raise RuntimeError(f"a calling process ended by itself (code {await self.process.wait()}): see above")

    async def end(self) -> None:
        """Kill it, by its own id."""
        self._is_to_end = True
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def begin(self) -> None:
        """Give the word to call."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")


class Callers:
    """All processes of one case; a killed one is replaced."""

    def __init__(self, plan: Plan, group: asyncio.TaskGroup) -> None:
        self._plan = plan
        self._group = group
        self._seeds = itertools.count(1)
        self._spares: list[Caller] = []
        self.living: list[Caller] = []  # none while the only one starts again
        self._all: list[Caller] = []

    async def start(self, processes: int, spares: int) -> None:
        """Start them all, ready to begin; spares, for beside windows so short a start of Python takes long."""
        started = await asyncio.gather(*(self._started() for _ in range(processes + spares)))
        self.living, self._spares = started[:processes], started[processes:]

    def begin(self) -> None:
        """Give all the word to call."""
        for caller in self.living:
            caller.begin()

    async def kill_one(self) -> int:
        """Kill the one that has run longest, have a spare take its place; return its permits in flight."""
        victim = self.living.pop(0)
        self._group.create_task(self._replace())
        await victim.end()
        await asyncio.sleep(LAST_WORDS_SECONDS)
        return sum(victim.unanswered.values())

    async def end(self) -> None:
        """End all that were ever started; their words are read to the end elsewhere."""
        await asyncio.gather(*(caller.end() for caller in self._all))

    def live(self) -> tuple[list[float], int]:
        """Return every live permit's seconds, and how often live work found the lane shut."""
        seconds = [seconds for caller in self._all for seconds in caller.live_seconds]
        return seconds, sum(caller.held_back for caller in self._all)

    async def _replace(self) -> None:
        await asyncio.sleep(RESTART_SECONDS)
        caller = self._spares.pop()
        self.living.append(caller)
        caller.begin()

    async def _started(self) -> Caller:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.quota_callers", cwd=ROOT, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
        )  # fmt: skip
        caller = Caller(process)
        self._all.append(caller)
        assert process.stdin is not None
        plan = {**asdict(self._plan), "seed": next(self._seeds)}
        process.stdin.write(orjson.dumps(plan) + b"\n")
        self._group.create_task(caller.listen())
        await caller.ready.wait()
        return caller

"""Owns every root task. One that ends unexpectedly ends the process, and the service manager starts it again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

import structlog

log = structlog.get_logger()


class RootTaskEnded(Exception):
    """A task that should run for as long as the process has ended."""


class Supervisor:
    """Starts root tasks by name; stops them in the reverse order, each one wholly before the next."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[str] | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        """Get ready to start tasks."""
        self._ended = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the tasks, last started first."""
        self._stopping = True
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task])

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` for as long as the process lives."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._done)
        self._tasks.append(task)

    @property
    def lost_a_task(self) -> bool:
        """Whether a root task has ended by itself."""
        return self._ended is not None and self._ended.done()

    async def until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set; raises RootTaskEnded when a task ends by itself."""
        assert self._ended is not None
        stopped = asyncio.ensure_future(stop.wait())
        either: list[asyncio.Future[Any]] = [stopped, self._ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self._ended.done():
            raise RootTaskEnded(self._ended.result())

    def _done(self, task: asyncio.Task[None]) -> None:
        # One that awaits something cancelled ends as cancelled too: unless we stop, that is an end like any other.
        error = None if task.cancelled() else task.exception()
        if self._stopping and error is None:
            return
        log.error("task.ended", task=task.get_name(), cancelled=task.cancelled(), exc_info=error)
        assert self._ended is not None
        if not self._ended.done():
            reason = "cancelled" if task.cancelled() else repr(error)
            self._ended.set_result(f"{task.get_name()} ended: {reason}")

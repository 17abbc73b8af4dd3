"""Processes of ours that begin with everything imported: a test run starts hundreds, and importing is most of it.

One server a test worker imports the daemon and the sandbox once and forks for each process that is asked for; each
is a session of its own with its own environment, files and signals, and runs its `__main__` as `python -m` does. It
ends with the test run, also when that is killed. Refuses whatever is about starting itself: those tests run Python.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import reduction
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PRELOADED: Final = "tests.support.preloaded"
_PR_SET_PDEATHSIG: Final = 1


class Forked:
    """A running process, as far as tests look at one."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; returns the exit status."""
        ended = asyncio.Event()
        loop, sentinel = asyncio.get_running_loop(), self._process.sentinel
        loop.add_reader(sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(sentinel)
        self._process.join()
        status = self._process.exitcode
        assert status is not None
        return status


async def start(
    module: str,
    arguments: Sequence[str],
    *,
    given: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
    complaints: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Forked:
    """Run `python -m module arguments` in the checkout; it reads `given`, and prints to `output` and `complaints`.

    All are files that the operating system knows; None: nothing to read, and where the test run itself prints to.
    """
    context = _context()
    surroundings = dict(os.environ if environment is None else environment)
    channels = (_Channel(given), _Channel(output), _Channel(complaints))
    process = context.Process(target=_become, args=(module, list(arguments), surroundings, channels), daemon=True)
    await asyncio.to_thread(process.start)  # the first one waits for the imports
    return Forked(process)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


class _Channel:
    """An open file that travels to the other process, where it is the number of an open file."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return _arrived, (None if self._file is None else reduction.DupFd(self._file.fileno()),)


def _arrived(travelled: Any) -> int | None:
    return None if travelled is None else travelled.detach()


def _become(module: str, arguments: list[str], environment: dict[str, str], channels: Sequence[int | None]) -> None:
    """Turn the forked process into the one that was asked for; runs there."""
    os.setsid()
    # The fork server ends with the test run, and we with the fork server.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    for number, channel in enumerate(channels):
        if channel is not None:
            os.dup2(channel, number)
            os.close(channel)
    if channels[0] is not None:  # else it is nothing already
        raw = io.FileIO(0, closefd=False)
        raw.name = "<stdin>"  # as it is called in every other process
        sys.stdin = io.TextIOWrapper(io.BufferedReader(raw))
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = [module, *arguments]
    try:
        status = importlib.import_module(f"{module}.__main__").main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(status)

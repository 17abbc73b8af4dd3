"""How the whole suite is laid out for its workers."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

# What asks for no number of examples gets these: a suite is run many times a day, and each time by other examples.
settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")

WAITING: Final = {"flow", "browser"}  # tests that start processes and wait for them
MEMORY: Final = Path("/dev/shm")
PLENTY_BYTES: Final = 8 * 2**30


def pytest_configure(config: pytest.Config) -> None:
    """Let tests write into memory where there is plenty of it.

    Each test of a whole daemon makes and removes a database of 1,300 files. A file system on a disk seeks long for
    their places, since it does not give away at once what has just become free: a third of such a test's CPU time.
    """
    if config.option.basetemp is None and _has_plenty(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # where pytest cleans up as well


def _has_plenty(folder: Path) -> bool:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    room = os.statvfs(folder)
    available = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return (
        not room.f_flag & os.ST_NOEXEC
        and room.f_bavail * room.f_frsize >= PLENTY_BYTES
        and available is not None
        and int(available[1]) * 1024 >= PLENTY_BYTES
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Lay the tests out so that each worker's stretch begins with its share of those that wait for processes.

    Workers get stretches, and steal what is left of another's from its end. In the order of the folders one of them
    would wait through all the long ones, and the rest stand by. Tests of one file otherwise stay together.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    root = Path(__file__).parent
    waiting = [item for item in items if item.path.relative_to(root).parts[0] in WAITING]
    others = [item for item in items if item.path.relative_to(root).parts[0] not in WAITING]
    size = math.ceil(len(others) / workers)
    items[:] = [
        item
        for number in range(workers)
        for item in (*waiting[number::workers], *others[number * size : (number + 1) * size])
    ]

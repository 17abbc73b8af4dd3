"""How the whole suite is laid out for its workers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import settings

# What asks for no number of examples gets these: a suite is run many times a day, and each time by other examples.
settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")

WAITING = {"flow", "browser"}  # tests that start processes and wait for them


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

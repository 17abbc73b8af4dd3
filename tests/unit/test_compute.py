"""The worker process: answers for any body, is replaced when it dies, and ends with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from daemon.compute.calculator import Calculator
from daemon.core.errors import Retryable
from daemon.science.statistics import ActivityFacts
from tests.support.daemon import ROOT, eventually

FACTS = ActivityFacts("Ride", 600, 600, 6000.0, True, False, None)
STEADY = orjson.dumps(
    {"time": {"data": list(range(601))}, "watts": {"data": [200] * 601}, "heartrate": {"data": [150] * 601}}
)


@pytest_asyncio.fixture
async def calculator() -> AsyncIterator[Calculator]:
    async with Calculator() as calculator:
        yield calculator


def children() -> set[int]:
    """Return the processes that this one has started."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(word) for word in text.split()}


async def test_a_body_becomes_the_same_statistics_as_in_this_process(calculator: Calculator) -> None:
    statistics = await calculator.summarize(STEADY, FACTS)
    assert statistics.power_count > 500
    assert (statistics.power_sum4 / statistics.power_count) ** 0.25 == pytest.approx(200)
    assert statistics.heart_rate_seconds is not None
    assert statistics.heart_rate_seconds[150 - 30] == statistics.heart_rate_known_seconds


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"time":{"data":[1,"x",null,{}]}}',
        b'{"time":{"data":[]},"watts":{"data":[1]}}',
        b'"text"',
        b"7",
    ],
)
async def test_whatever_the_streams_hold_the_facts_are_kept_with_a_reason(
    calculator: Calculator, body: bytes
) -> None:
    statistics = await calculator.summarize(body, FACTS)
    assert statistics.elapsed_seconds == 600
    assert statistics.power_count == 0
    assert statistics.quality["sentences"]


async def test_a_body_that_is_no_json_is_asked_for_again(calculator: Calculator) -> None:
    with pytest.raises(Retryable):
        await calculator.summarize(b"<html>502</html>", FACTS)
    assert (await calculator.summarize(STEADY, FACTS)).power_count > 0


async def test_requests_side_by_side_get_their_own_answers(calculator: Calculator) -> None:
    watts = [100, 150, 200, 250, 300]
    bodies = [orjson.dumps({"time": {"data": list(range(601))}, "watts": {"data": [w] * 601}}) for w in watts]
    answers = await asyncio.gather(*(calculator.summarize(body, FACTS) for body in bodies))
    assert [round((a.power_sum4 / a.power_count) ** 0.25) for a in answers] == watts


async def test_a_worker_that_is_killed_is_replaced(calculator: Calculator) -> None:
    before = children()
    (worker,) = [
        child for child in before if b"daemon.compute.process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(worker, signal.SIGKILL)
    outcomes = []
    for _ in range(2):
        try:
            outcomes.append(await calculator.summarize(STEADY, FACTS))
        except Retryable:
            continue
    assert outcomes
    assert outcomes[-1].power_count > 0


async def test_a_caller_that_is_cancelled_does_not_mix_up_the_next_answers(calculator: Calculator) -> None:
    asking = asyncio.ensure_future(calculator.summarize(STEADY, FACTS))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    bare = await calculator.summarize(None, FACTS)
    assert bare.power_count == 0


async def test_the_worker_ends_when_its_parent_is_killed() -> None:
    program = (
        "import asyncio, sys\n"
        "from daemon.compute.calculator import Calculator\n"
        "async def main():\n"
        "    async with Calculator() as c:\n"
        "        await asyncio.wait_for(c.summarize(None, __import__('daemon.science.statistics', fromlist=['x'])"
        ".ActivityFacts('Ride', 1, 1, 1.0, None, False, None)), 30)\n"
        "        print(c._process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    worker = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    parent.kill()
    await parent.communicate()

    async def has_ended() -> bool:
        try:
            return "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]
        except FileNotFoundError:
            return True

    await eventually(has_ended)

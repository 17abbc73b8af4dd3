"""The worker process: answers for any body, is replaced when it dies, and ends with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from daemon.compute.calculator import Calculator
from daemon.compute.works import Look, Sent
from daemon.core.errors import Permanent, Retryable
from daemon.science import thresholds
from daemon.science.arrays import FloatArray
from daemon.science.evidence import Activity, Kind
from daemon.science.lineage import Entry
from daemon.science.scoring import Known
from daemon.science.statistics import ActivityFacts, Totals
from daemon.science.thresholds import Occasion, Row
from tests.support.daemon import eventually
from tests.support.efforts import TESTS, TODAY, activity, curve, days_ago, held
from tests.support.forked import ROOT
from tests.support.told import Told
from tests.support.training import CHOICES, hour_at

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


async def test_it_tells_what_it_has_done_and_how_much_is_left() -> None:
    told = Told()
    async with Calculator(told) as calculator:
        assert calculator.waiting == 0
        known = Known((), None, {})
        patient = [asyncio.ensure_future(calculator.rescore(b"[]", known, CHOICES)) for _ in range(3)]
        hasty = asyncio.ensure_future(calculator.summarize(STEADY, FACTS))
        await asyncio.sleep(0)  # each of them begins
        assert calculator.waiting == 4
        await asyncio.gather(*patient, hasty)
        assert calculator.waiting == 0
    assert sorted(told.words) == [("computed", "rescore")] * 3 + [("computed", "summarize")]


async def the_worker() -> int:
    """Return the worker process; the kernel's list may miss a child while another one ends."""
    async with asyncio.timeout(20):
        while True:
            for child in children():
                try:
                    if b"daemon.compute.process" in Path(f"/proc/{child}/cmdline").read_bytes():
                        return child
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has ended meanwhile
            await asyncio.sleep(0.05)


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
    os.kill(await the_worker(), signal.SIGKILL)
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


KNOWN = Known((Entry(1, Kind.FTP, 250.0, "imported", date(1970, 1, 1), date(2026, 1, 1)),), None, {})


def rows(count: int) -> bytes:
    """Make rows as `activities.totals_from` gives them."""
    totals = {name: getattr(hour_at(250), name) for name in Totals.__dataclass_fields__}
    return orjson.dumps(
        [
            {"activity_id": number, "local_on": "2026-06-01", "sport_type": "Ride", "totals": totals}
            for number in range(count)
        ]
    )


async def test_loads_are_computed_again_in_the_order_of_their_rows(calculator: Calculator) -> None:
    loads = orjson.loads(await calculator.rescore(rows(300), KNOWN, CHOICES))
    assert [load["activity_id"] for load in loads] == list(range(300))
    assert {round(load["raw"], 6) for load in loads} == {100.0}


async def test_what_breaks_the_work_is_told_and_the_process_goes_on(calculator: Calculator) -> None:
    with pytest.raises(Permanent, match="rescore failed: unexpected KeyError"):
        await calculator.rescore(b'[{"activity_id": 1}]', KNOWN, CHOICES)
    assert (await calculator.summarize(STEADY, FACTS)).power_count > 0


async def test_an_activity_waits_for_one_slice_at_most_however_many_are_asked_for(calculator: Calculator) -> None:
    done: list[str] = []

    async def slice_of_work(name: str) -> None:
        await calculator.rescore(rows(50), KNOWN, CHOICES)
        done.append(name)

    async def live() -> None:
        await calculator.summarize(STEADY, FACTS)
        done.append("live")

    await asyncio.gather(*(slice_of_work(f"slice {number}") for number in range(6)), live())

    assert done.index("live") <= 1
    assert len(done) == 7


async def test_a_look_at_thresholds_decides_as_in_this_process(calculator: Calculator) -> None:
    evidence = [
        activity(100 * turn + seconds, days_ago(5 + 25 * turn), power=curve(held(seconds), seconds, between=140.0))
        for turn in range(3)
        for seconds in TESTS
    ]
    looked = await calculator.look(Look([sent(one) for one in evidence], {}, Occasion.WEEKLY, TODAY, None))
    here = thresholds.look(evidence, {}, Occasion.WEEKLY, TODAY, None)

    (row,) = looked.rows
    (expected,) = (one for one in here if isinstance(one, Row))
    assert (row.kind, row.method, row.effective_on) == (Kind.FTP, "critical_power", expected.effective_on)
    assert row.value == pytest.approx(expected.value, rel=1e-6)  # curves are stored as real
    assert row.standard_error == pytest.approx(expected.standard_error, rel=1e-3)
    assert row.recompute_from == expected.recompute_from
    assert looked.kept == {one.kind.value: one.reason for one in here if not isinstance(one, Row)}
    doubts = await calculator.validate([sent(one) for one in evidence], {Kind.FTP: 900.0}, TODAY)
    assert [(one.kinds, one.sentence) for one in doubts] == [((Kind.FTP,), "ftp is 900, and 50 to 550 are seen.")]


def sent(one: Activity) -> Sent:
    """Send an activity as PostgreSQL would."""

    def reals(values: FloatArray | None) -> bytes | None:
        if values is None:
            return None
        head = struct.pack("!iiiii", 1, 0, 700, values.size, 1)
        return head + b"".join(struct.pack("!if", 4, value) for value in values)

    return Sent(
        activity_id=one.activity_id,
        started_at=one.started_at,
        local_on=one.local_on,
        family=one.family,
        moving_seconds=one.moving_seconds,
        power_curve=reals(one.power_curve),
        graded_curve=reals(one.graded_curve),
        heart_rate_curve=reals(one.heart_rate_curve),
        heart_rate_at_best_power=reals(one.heart_rate_at_best_power),
        heart_rate_at_best_graded=reals(one.heart_rate_at_best_graded),
        best_swim_seconds=reals(one.best_swim_seconds),
    )

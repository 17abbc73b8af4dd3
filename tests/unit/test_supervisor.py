"""The supervisor: who ends the process, and in which order tasks are stopped."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from daemon.loops.supervisor import RootTaskEnded, Supervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_stop_returns() -> None:
    stop = asyncio.Event()
    async with Supervisor() as supervisor:
        supervisor.start("one", forever())
        asyncio.get_running_loop().call_soon(stop.set)
        await supervisor.until(stop)


async def test_a_stop_that_was_set_before_returns_at_once() -> None:
    stop = asyncio.Event()
    stop.set()
    async with Supervisor() as supervisor:
        await supervisor.until(stop)


async def test_a_task_that_ends_by_itself_ends_the_wait() -> None:
    async def ends() -> None:
        await asyncio.sleep(0)

    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("other", forever())
            supervisor.start("short", ends())
            with pytest.raises(RootTaskEnded, match="short ended: None"):
                await supervisor.until(asyncio.Event())
    assert [(line["event"], line["task"]) for line in logs] == [("task.ended", "short")]


async def test_a_task_that_raises_ends_the_wait_and_is_logged_with_its_error() -> None:
    async def raises() -> None:
        raise ValueError("broken")

    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("broken", raises())
            with pytest.raises(RootTaskEnded, match=r"broken ended: ValueError\('broken'\)"):
                await supervisor.until(asyncio.Event())
    assert isinstance(logs[0]["exc_info"], ValueError)


async def test_a_task_that_ended_before_anybody_waited_is_not_forgotten() -> None:
    async def ends() -> None:
        return

    with capture_logs():
        async with Supervisor() as supervisor:
            supervisor.start("early", ends())
            for _ in range(3):
                await asyncio.sleep(0)
            with pytest.raises(RootTaskEnded, match="early"):
                await supervisor.until(asyncio.Event())


async def test_a_task_that_awaits_something_cancelled_has_ended_too() -> None:
    shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def awaits() -> None:
        await shared

    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("limping", awaits())
            asyncio.get_running_loop().call_soon(shared.cancel)
            with pytest.raises(RootTaskEnded, match="limping ended: cancelled"):
                await supervisor.until(asyncio.Event())
    assert logs[0]["cancelled"] is True


async def test_of_two_that_end_the_first_is_named() -> None:
    async def ends(after: asyncio.Event) -> None:
        await after.wait()

    first, second = asyncio.Event(), asyncio.Event()
    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("second", ends(second))
            supervisor.start("first", ends(first))
            first.set()
            await asyncio.sleep(0)
            second.set()
            with pytest.raises(RootTaskEnded, match="first"):
                await supervisor.until(asyncio.Event())
    assert {line["task"] for line in logs} == {"first", "second"}


async def test_cancelling_the_wait_propagates_and_stops_the_tasks() -> None:
    stopped = []

    async def tells() -> None:
        try:
            await forever()
        finally:
            stopped.append("one")

    async def lives() -> None:
        async with Supervisor() as supervisor:
            supervisor.start("one", tells())
            started.set()
            await supervisor.until(asyncio.Event())

    started = asyncio.Event()
    life = asyncio.ensure_future(lives())
    await started.wait()
    await asyncio.sleep(0)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
    assert stopped == ["one"]


async def test_cancelling_the_wait_in_the_moment_that_a_task_ends_is_still_a_cancellation() -> None:
    goes_on = asyncio.Event()

    async def ends() -> None:
        await goes_on.wait()

    with capture_logs():
        async with Supervisor() as supervisor:
            supervisor.start("short", ends())
            waits = asyncio.ensure_future(supervisor.until(asyncio.Event()))
            await asyncio.sleep(0)
            goes_on.set()
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits


async def test_tasks_are_stopped_in_reverse_order_each_wholly_before_the_next() -> None:
    steps = []

    async def work(name: str) -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            steps.append(f"{name} stops")
            for _ in range(5):
                await asyncio.sleep(0)
            steps.append(f"{name} stopped")
            raise

    async with Supervisor() as supervisor:
        for name in ("one", "two", "three"):
            supervisor.start(name, work(name))
        await asyncio.sleep(0)
    assert steps == [f"{name} {step}" for name in ("three", "two", "one") for step in ("stops", "stopped")]


async def test_tasks_are_stopped_when_the_body_raises_and_its_error_goes_on() -> None:
    stopped = asyncio.Event()

    async def tells() -> None:
        try:
            await forever()
        finally:
            stopped.set()

    with pytest.raises(ZeroDivisionError):
        async with Supervisor() as supervisor:
            supervisor.start("one", tells())
            await asyncio.sleep(0)
            raise ZeroDivisionError
    assert stopped.is_set()


async def test_a_task_that_ends_in_peace_while_stopping_is_no_news_but_one_that_breaks_is() -> None:
    async def breaks() -> None:
        try:
            await forever()
        finally:
            raise RuntimeError("at the end")

    async def returns() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            return

    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("peaceful", returns())
            supervisor.start("breaking", breaks())
            await asyncio.sleep(0)
    assert [line["task"] for line in logs] == ["breaking"]

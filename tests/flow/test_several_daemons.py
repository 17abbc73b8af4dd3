"""Three daemons on one PostgreSQL server that is nobody's own: they share all work, and none is missed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from daemon.store.embedded import EmbeddedServer
from daemon.vault.cipher import new_key
from tests.support.balancer import balanced
from tests.support.daemon import Daemon, callback_url, eventually
from tests.support.ports import free_port
from tests.support.relay import relayed
from tests.support.sandbox import Sandbox, running_sandbox

ATHLETES = 9


class Fleet:
    """Daemons that know of each other by their database alone."""

    def __init__(self, sandbox: Sandbox, daemons: list[Daemon]) -> None:
        self.sandbox = sandbox
        self.daemons = daemons
        self.made: list[int] = []

    async def upload(self, athletes: list[int]) -> None:
        for athlete_id in athletes:
            number = len(self.made)
            self.made.append(
                await self.sandbox.make_activity(athlete_id=athlete_id, seed=number, duration=600, event_repeat=2)
            )

    async def all_loads_stand(self) -> bool:
        count = await self.daemons[-1].value("SELECT count(*) FROM activity_loads")
        return bool(count == len(self.made))


@pytest_asyncio.fixture
async def fleet(tmp_path: Path, prepared: Path) -> AsyncIterator[Fleet]:
    """Three daemons behind a balancer, with a server of PostgreSQL's over TCP."""
    shutil.copytree(prepared, tmp_path / "server")
    port, ports = free_port(), [free_port() for _ in range(3)]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(tmp_path / "server"))
        line = await stack.enter_async_context(relayed(server.connect_arguments()))
        how = line.arguments
        address = f"postgresql://{how['user']}:{how['password']}@{how['host']}:{how['port']}/{how['database']}"
        await stack.enter_async_context(balanced(port, ports))
        sandbox = await stack.enter_async_context(
            running_sandbox("--callback", callback_url(port), "--retry-seconds", "0.5", athletes=ATHLETES)
        )
        key = new_key().get_secret_value()
        daemons = []
        for number, own_port in enumerate(ports):
            directory = tmp_path / str(number)
            directory.mkdir()
            daemon = Daemon(
                directory,
                sandbox,
                own_port,
                jobs__workers="3",
                jobs__lease_seconds="3",
                database__url=f'"{address}"',
                vault__keys=f'["{key}"]',
            )
            daemon.server = how
            stack.push_async_callback(ended, daemon)
            daemons.append(daemon)
        for daemon in daemons:
            await daemon.start()
        yield Fleet(sandbox, daemons)


async def ended(daemon: Daemon) -> None:
    if daemon.process is not None:
        await daemon.stop()


async def test_three_daemons_share_the_work_and_none_is_missed_when_it_is_killed(fleet: Fleet) -> None:
    first, second, third = fleet.daemons
    athletes = await third.import_athletes()
    await fleet.sandbox.fault("delay", endpoint="activity", seconds=0.3)  # more than one of them can carry at once

    async def each_has_done_something() -> bool:
        await fleet.upload(athletes)
        await eventually(fleet.all_loads_stand)
        did = [
            daemon.log_lines(event)
            for daemon in fleet.daemons
            for event in ("webhook.stored", "activity.processed")
        ]
        return all(did)

    await eventually(each_has_done_something, 120)
    await fleet.sandbox.clear_faults()

    # One dies in the middle of looks and of a run; the others end what it began.
    await fleet.sandbox.fault("delay", endpoint="activity", seconds=15.0)  # nine at one instant
    await fleet.upload(athletes)

    async def all_are_at_work() -> bool:
        running = await third.value("SELECT count(*) FROM jobs WHERE state = 'running'")
        return bool(running == len(athletes))

    await eventually(all_are_at_work)
    status, output, complaints = await third.command("scheduler", "run", "resting_hr")
    assert status == 0, output + complaints
    assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
    await fleet.sandbox.clear_faults()
    await fleet.upload(athletes)
    assert await second.stop(signal.SIGKILL) == -signal.SIGKILL
    await fleet.upload(athletes)

    await eventually(fleet.all_loads_stand, 120)
    events = await fleet.sandbox.events(settled=60)
    told = {event["body"]["object_id"] for event in events if event["outcome"] == "acknowledged"}
    assert told == set(fleet.made)
    applied = await third.rows("SELECT body->>'activity_id' FROM outbox WHERE topic = 'activity.processed'")
    assert sorted(int(row[0]) for row in applied) == sorted(fleet.made)

    async def the_run_has_ended() -> bool:
        return bool(await third.value("SELECT state = 'finished' FROM scheduler_runs WHERE job = 'resting_hr'"))

    await eventually(the_run_has_ended)
    assert await third.value("SELECT count(*) FROM scheduler_runs WHERE job = 'resting_hr'") == 1

    async def is_ready() -> bool:
        return (await third.get("/readyz"))[0] == 200

    await eventually(is_ready)

    # One ledger: never over, and every request that Strava counted was paid for.
    counts = await fleet.sandbox.counts()
    assert counts["rate_limited"] == 0
    charged = await third.value(
        "SELECT quarter_charged + (SELECT coalesce(sum(live + interactive + scheduled + backfill), 0)"
        " FROM quota_quarters) FROM quota_ledgers"
    )
    assert charged >= 2 * len(fleet.made)

"""The sandbox at its full size: how fast it starts, what it takes, how fast it answers.

`python -m bench.sandbox` starts `python -m sandbox --athletes 10000 --history-days 365` and asks it over HTTP from
one client, so that the client's own time is inside the figures.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

ATHLETES, DAYS = 10_000, 365
COLD_PAGES, WARM_PAGES, STREAMS, ANYBODY = 20, 200, 200, 400
PAGE = 200
KEYS = "time,distance,latlng,altitude,velocity_smooth,heartrate,cadence,watts,temp,moving,grade_smooth"
ROOT = Path(__file__).resolve().parents[1]


def megabytes(process_id: int, field: str) -> float:
    """Return VmRSS (now) or VmHWM (the peak) of a process."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def processor_seconds(process_id: int) -> float:
    """Return the seconds that a process has kept a core busy."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def rate(process_id: int, count: int, ask: Callable[[int], Awaitable[int]]) -> str:
    """Ask so often, one after another; return answers per second, of the clock and of the sandbox's own core."""
    began, used, size = time.perf_counter(), processor_seconds(process_id), 0
    for number in range(count):
        size += await ask(number)
    elapsed, busy = time.perf_counter() - began, processor_seconds(process_id) - used
    return (
        f"{count / elapsed:6.1f}/s ({count / max(busy, 0.01):6.1f} per core second, {size / count / 1024:4.0f} KiB)"
    )


async def measure(url: str, process_id: int) -> None:
    """Ask a running sandbox and print what it answers per second."""
    limits = {"overall_limits": [10**6, 10**7], "read_limits": [10**6, 10**7]}
    async with aiohttp.ClientSession() as session:

        async def get(path: str, token: str) -> Any:
            async with session.get(f"{url}/api/v3{path}", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status in {200, 404}, await answer.text()
                return await answer.read()

        await session.patch(f"{url}/sandbox/settings", json=limits)
        async with session.get(f"{url}/sandbox/athletes") as answer:
            tokens = [one["access_token"] for one in await answer.json()]

        async def page(number: int) -> int:
            return len(await get(f"/athlete/activities?per_page={PAGE}", tokens[number % COLD_PAGES]))

        print(f"list pages of {PAGE}, cold    {await rate(process_id, COLD_PAGES, page)}")
        await page(0)
        print(f"list pages of {PAGE}, warm    {await rate(process_id, WARM_PAGES, page)}")

        made: list[tuple[int, str]] = []
        for number in range(STREAMS):
            wish = {"kind": "ride", "duration": 3_600, "seed": number, "event": False}
            async with session.post(f"{url}/sandbox/activities", json=wish) as answer:
                made.append(((await answer.json())["id"], tokens[0]))

        async def streams(number: int) -> int:
            activity_id, token = made[number]
            return len(await get(f"/activities/{activity_id}/streams?keys={KEYS}&key_by_type=true", token))

        print(f"streams of 1 h rides       {await rate(process_id, STREAMS, streams)}")
        before = megabytes(process_id, "VmRSS")

        async def anybody(number: int) -> int:
            return len(await get("/athlete/activities?per_page=30", tokens[(number * 7) % len(tokens)]))

        print(f"30 newest of anybody       {await rate(process_id, ANYBODY, anybody)}")
        print(f"memory                     {before:.0f} MB, then {megabytes(process_id, 'VmRSS'):.0f} MB")
        print(f"peak                       {megabytes(process_id, 'VmHWM'):.0f} MB")


async def main() -> None:
    """Start a sandbox of full size and measure it."""
    began = time.perf_counter()
    command = ["-m", "sandbox", "--port", "0", "--athletes", str(ATHLETES), "--history-days", str(DAYS)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        print(f"{ATHLETES} athletes x {DAYS} days up after {time.perf_counter() - began:.2f} s")
        print(f"memory at the start        {megabytes(process.pid, 'VmHWM'):.0f} MB")
        await measure(url, process.pid)
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main())

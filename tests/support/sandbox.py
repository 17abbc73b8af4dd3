"""A sandbox Strava of one's own for a test: a process that is gone when the block ends.

Speaks HTTP only, as the daemon does; refuses to reach into the sandbox.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any

import aiohttp

from tests.support.forked import Forked, start

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 30.0  # a busy machine is no receiver that does not answer; tests of those say so
GREETING = "sandbox listening on "


class Sandbox:
    """A running sandbox: its addresses, and its control routes as methods that return decoded JSON."""

    def __init__(self, url: str, process_id: int, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.api_url = f"{url}/api/v3"
        self.intervals_url = f"{url}/api/v1"
        self.oauth_url = f"{url}/oauth"
        self.client_id = 12345
        self.client_secret = "sandbox-secret"
        self.process_id = process_id
        self.session = session

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call `/sandbox{path}`; fails the test with the sandbox's own sentence on a refusal."""
        async with self.session.request(method, f"{self.url}/sandbox{path}", json=body) as answer:
            decoded = await answer.json()
            assert answer.status < 400, f"{method} /sandbox{path}: {decoded}"
            return decoded

    async def counts(self) -> dict[str, Any]:
        """Return what the sandbox counted: per meter and window, per endpoint, per status."""
        counted: dict[str, Any] = await self.control("GET", "/counts")
        return counted

    async def requests(self, last: int = 1000) -> list[dict[str, Any]]:
        """Return the newest requests one by one, in the order of their answers."""
        entries: list[dict[str, Any]] = await self.control("GET", f"/requests?last={last}")
        return entries

    async def athletes(self) -> list[dict[str, Any]]:
        """Return what an operator would import, tokens included."""
        athletes: list[dict[str, Any]] = await self.control("GET", "/athletes")
        return athletes

    async def rides(self) -> list[dict[str, Any]]:
        """Return the files served, with what their devices wrote."""
        rides: list[dict[str, Any]] = await self.control("GET", "/rides")
        return rides

    async def make_activity(self, **wishes: Any) -> int:
        """Let an athlete upload an activity and return its id; fields as in `POST /sandbox/activities`."""
        made = await self.control("POST", "/activities", wishes)
        activity_id: int = made["id"]
        return activity_id

    async def edit_activity(self, activity_id: int, **changes: Any) -> dict[str, str]:
        """Edit an activity and return the `updates` of its event."""
        edited = await self.control("PATCH", f"/activities/{activity_id}", changes)
        updates: dict[str, str] = edited["updates"]
        return updates

    async def delete_activity(self, activity_id: int, *, event: bool = True) -> None:
        """Delete an activity."""
        await self.control("DELETE", f"/activities/{activity_id}", {"event": event})

    async def revoke(self, athlete_id: int, *, event: bool = True) -> None:
        """Let an athlete take his authorization back."""
        await self.control("POST", f"/athletes/{athlete_id}/revoke", {"event": event})

    async def authorize(self, athlete_id: int, **wishes: Any) -> dict[str, Any]:
        """Let an athlete connect (again); `scope` as he grants it. Returns him with new tokens."""
        athlete: dict[str, Any] = await self.control("POST", f"/athletes/{athlete_id}/authorize", wishes)
        return athlete

    async def age_tokens(self, athlete_id: int, **wishes: Any) -> dict[str, Any]:
        """Change tokens: `expires_in` seconds, `dead=True`, `rotate=True`. Returns the athlete."""
        athlete: dict[str, Any] = await self.control("POST", f"/tokens/{athlete_id}", wishes)
        return athlete

    async def send_event(self, body: dict[str, Any], *, repeat: int = 1, delay: float = 0.0) -> list[int]:
        """Send any event body to the callback; returns the deliveries' ids."""
        sent = await self.control("POST", "/events", {"body": body, "repeat": repeat, "delay": delay})
        deliveries: list[int] = sent["events"]
        return deliveries

    async def events(self, *, settled: float = 0.0) -> list[dict[str, Any]]:
        """Return every delivery; `settled` waits so many seconds at most until none is under way."""
        shown = await self.control("GET", f"/events?settled={settled}")
        assert shown["settled"] is not False, f"events are still under way after {settled} s"
        deliveries: list[dict[str, Any]] = shown["events"]
        return deliveries

    async def change_wellness(
        self, athlete_id: int, on: str, *, event: bool = True, **values: float | None
    ) -> list[int]:
        """Change a day at the fake Intervals.icu, by its own names; returns the ids of the deliveries."""
        body = {"on": on, "values": values, "event": event}
        changed = await self.control("PATCH", f"/athletes/{athlete_id}/wellness", body)
        deliveries: list[int] = changed["events"]
        return deliveries

    async def fault(self, kind: str, **wishes: Any) -> dict[str, Any]:
        """Switch a fault on; fields as in `POST /sandbox/faults`."""
        switch: dict[str, Any] = await self.control("POST", "/faults", {"kind": kind, **wishes})
        return switch

    async def clear_faults(self) -> None:
        """Switch every fault off."""
        await self.control("DELETE", "/faults")

    async def settings(self, **wishes: Any) -> dict[str, Any]:
        """Change limits, windows, clock or contested habits while it runs; returns the habits."""
        changed: dict[str, Any] = await self.control("PATCH", "/settings", wishes)
        return changed


async def _greeting(output: IO[bytes]) -> str:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), output)
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await reader.readline()).decode().strip()
    finally:
        transport.close()
    assert line.startswith(GREETING), f"the sandbox did not start: {line!r}, see its stderr above"
    return line.removeprefix(GREETING)


async def _stop(process: Forked) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def running_sandbox(*flags: str, athletes: int = 1, history_days: int = 0) -> AsyncIterator[Sandbox]:
    """Run `python -m sandbox` on a free port with these flags; by default one athlete without a past."""
    readable, writable = os.pipe()
    arguments = ["--port", "0", "--athletes", str(athletes), "--history-days", str(history_days)]
    arguments += ["--answer-seconds", str(ANSWER_SECONDS), *flags]
    with os.fdopen(readable, "rb", buffering=0) as greeting:
        with os.fdopen(writable, "wb", buffering=0) as output:
            process = await start("sandbox", arguments, output=output)
        try:
            url = await _greeting(greeting)
        except BaseException:
            await _stop(process)
            raise
    try:
        async with aiohttp.ClientSession() as session:
            yield Sandbox(url, process.pid, session)
    finally:
        await _stop(process)

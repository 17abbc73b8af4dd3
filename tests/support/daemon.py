"""A daemon of one's own for a test: a process, its settings file, its log, and a way to look into its database."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import aiohttp
import asyncpg

from daemon import config
from daemon.clock import SystemClock
from daemon.jobs.newcomers import Newcomer, admit
from daemon.store.database import Database
from daemon.store.embedded import EmbeddedServer
from daemon.vault.cipher import Cipher, new_key
from tests.support import forked
from tests.support.embedded import UNREADY
from tests.support.news import hold_to_the_description
from tests.support.sandbox import Sandbox

WEBHOOK_SECRET = "flow-tests-webhook-secret-1"
VERIFY_TOKEN = "flow-tests-verify-token"
INTERVALS_SECRET = "flow-tests-intervals-secret"
SUBSCRIPTION_ID = 131300
READY_SECONDS = 90.0
IMPORTED = (
    "name", "sex", "ftp", "critical_speed", "css", "lthr", "max_hr", "resting_hr", "scope", "refresh_token",
    "access_token", "expires_at",
)  # fmt: skip

Body = bytes | Callable[[], AsyncIterator[bytes]]


class Daemon:
    """Settings on disk and the process that runs on them; may be started, killed and started again."""

    def __init__(self, directory: Path, sandbox: Sandbox, port: int, **overrides: str) -> None:
        self.directory = directory
        self.sandbox = sandbox
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.webhook_url = f"{self.url}/webhook/{WEBHOOK_SECRET}"
        self.config = directory / "config.toml"
        self.log = directory / "daemon.log"
        self.environment: dict[str, str] = {}
        self.process: forked.Forked | None = None
        self.server: Mapping[str, Any] | None = None  # how to reach a database that is not the embedded one
        self._write_config(port, overrides)

    def _write_config(self, port: int, overrides: dict[str, str]) -> None:
        keys = {
            "strava.api_url": f'"{self.sandbox.api_url}"',
            "strava.oauth_url": f'"{self.sandbox.oauth_url}"',
            "strava.client_id": str(self.sandbox.client_id),
            "strava.client_secret": f'"{self.sandbox.client_secret}"',
            "strava.verify_token": f'"{VERIFY_TOKEN}"',
            "strava.webhook_secret": f'"{WEBHOOK_SECRET}"',
            "strava.subscription_id": str(SUBSCRIPTION_ID),
            "intervals.api_url": f'"{self.sandbox.intervals_url}"',
            "intervals.webhook_secret": f'"{INTERVALS_SECRET}"',
            "web.port": str(port),
            "database.directory": '"."',
            "vault.keys": f'["{new_key().get_secret_value()}"]',
            "jobs.lease_seconds": "30",  # less only where a test kills: a pause of a busy machine loses no lease
            "backfill.days": "0",  # where calls are counted, only what the test is about may call
        } | {name.replace("__", "."): value for name, value in overrides.items()}
        sections: dict[str, list[str]] = {}
        for name, value in keys.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, []).append(f"{key} = {value}")
        text = "\n\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in sections.items())
        self.config.write_text(text + "\n", encoding="utf-8")

    async def start(self, *, until: str = "/readyz") -> None:
        """Start the process and wait until `until` answers 200."""
        with self.log.open("ab") as log:
            self.process = await forked.start(
                "daemon",
                ["run", "--config", str(self.config)],
                complaints=log,
                environment=_environment(self.environment),
            )
        process = self.process

        async def answers() -> bool:
            assert process.returncode is None, f"the daemon ended: {self.log.read_text()[-2000:]}"
            return (await self.get(until))[0] == 200

        await eventually(answers, READY_SECONDS)

    async def get(self, path: str, token: str = "") -> tuple[int, Any]:
        """Ask the daemon's own server, as an administrator with a token; status 0 where it does not answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self.sandbox.session.get(f"{self.url}{path}", headers=headers) as response:
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError):
            return 0, None

    async def new_token(self, scope: str = "read") -> str:
        """Make an admin token as the operator does, and return it."""
        status, output, complaints = await self.command("tokens", "create", f"test-{scope}", "--scope", scope)
        assert status == 0, complaints
        (token,) = re.findall(r"dmq_[0-9a-f]{64}", output)
        return str(token)

    async def post_event(self, body: Body, url: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Send one webhook body, on 503 again as Strava does, and return the status."""
        async with asyncio.timeout(60):
            while (status := await self.post_once(body, url, headers)) == 503:
                await asyncio.sleep(0.05)
            return status

    async def post_once(self, body: Body, url: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Send one webhook body and return the status."""
        data = body() if callable(body) else body
        async with self.sandbox.session.post(url or self.webhook_url, data=data, headers=headers) as response:
            await response.read()
            return response.status

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run one `domestique` command on the same settings; returns status, output and complaints."""
        with tempfile.TemporaryFile() as output:
            status, complaints = await self._run(arguments, None, output)
            output.seek(0)
            return status, output.read().decode(), complaints

    async def piped(self, *arguments: str, source: Path | None = None, target: Path | None = None) -> str:
        """Run a command between files, as a shell does; returns what it complained about, its status before it."""
        nothing = Path(os.devnull)
        with (source or nothing).open("rb") as given, (target or nothing).open("wb") as output:
            status, complaints = await self._run(arguments, given, output)
        assert "Traceback" not in complaints, complaints
        return f"{status}: {complaints}"

    async def _run(self, arguments: Sequence[str], given: IO[bytes] | None, output: IO[bytes]) -> tuple[int, str]:
        """Run a command to its end; returns its status and what it complained about."""
        with tempfile.TemporaryFile() as complaints:
            process = await forked.start(
                "daemon",
                [*arguments, "--config", str(self.config)],
                given=given,
                output=output,
                complaints=complaints,
                environment=_environment(self.environment),
            )
            async with asyncio.timeout(90):
                status = await process.wait()
            complaints.seek(0)
            return status, complaints.read().decode()

    async def import_athletes(self, **more: Any) -> list[int]:
        """Bring in every athlete of the sandbox, through the command line if no daemon runs; returns their ids."""
        lines = []
        for row in await self.sandbox.athletes():
            known = {"athlete_id": row["id"]} | {key: row[key] for key in IMPORTED if row[key] is not None}
            lines.append(json.dumps(known | more))
        if self.process is not None and self.process.returncode is None:
            return await self._admit([Newcomer.model_validate_json(line) for line in lines])
        file = self.directory / "athletes.jsonl"
        file.write_text("\n".join(lines), encoding="utf-8")
        status, _, complaints = await self.command("athletes", "import", str(file))
        assert status == 0, complaints
        return [json.loads(line)["athlete_id"] for line in lines]

    async def _admit(self, newcomers: list[Newcomer]) -> list[int]:
        """Do what `athletes import` does beside a daemon, without a process of its own."""
        settings, now = config.load(self.config), SystemClock().now()
        cipher, days = Cipher(settings.vault.keys), settings.backfill.days
        async with Database(self._arguments(), 1) as database, database.transaction() as connection:
            for newcomer in newcomers:
                await admit(connection, cipher, newcomer, days, now, "athletes import")
        return [newcomer.athlete_id for newcomer in newcomers]

    def log_lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return what was logged, of one event or all."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if event is None or line["event"] == event]

    @asynccontextmanager
    async def look_inside(self) -> AsyncIterator[asyncpg.Connection]:
        """Connect to the database that the daemon uses."""
        password_and_more = self._arguments()
        connection: asyncpg.Connection = await asyncpg.connect(**password_and_more)
        try:
            yield connection
        finally:
            connection.terminate()  # close() waits for an answer, which a server that has just ended never gives

    async def news_are_as_described(self) -> None:
        """Hold what was told so far against the description, unless the database is away."""
        try:
            rows = await self.rows("SELECT topic, athlete_id, body FROM outbox")
        except UNREADY:
            return
        hold_to_the_description({**row, "body": json.loads(row["body"])} for row in rows)

    async def rows(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Run one query on the daemon's database."""
        async with self.look_inside() as connection:
            found: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return found

    async def value(self, sql: str, *values: Any) -> Any:
        """Run one query and return its only value."""
        rows = await self.rows(sql, *values)
        return rows[0][0] if rows else None

    def _arguments(self) -> dict[str, Any]:
        return dict(self.server or EmbeddedServer(self.directory).connect_arguments())


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOMESTIQUE__")}
    return {**kept, **more}


async def eventually(holds: Callable[[], Awaitable[object]], seconds: float = 60.0) -> None:
    """Ask until it holds, up to a deadline: for what only other processes can bring about."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"did not come true within {seconds} s: {holds.__qualname__}") from None


def callback_url(port: int) -> str:
    """Return where a sandbox shall push to."""
    return f"http://127.0.0.1:{port}/webhook/{WEBHOOK_SECRET}"


def intervals_flags(port: int) -> tuple[str, ...]:
    """Return the flags with which a sandbox's Intervals.icu pushes to a daemon on this port."""
    url = f"http://127.0.0.1:{port}/webhook/intervals/{INTERVALS_SECRET}"
    return ("--intervals-callback", url, "--intervals-secret", INTERVALS_SECRET)

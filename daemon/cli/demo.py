"""`domestique demo`: the main job on this machine. A sandbox Strava, a database, the daemon, and what they do.

The demo drives the parts as their users do: the sandbox over HTTP, the daemon as a process, athletes through the
import, results through the outbox. It keeps its database, so that the second start takes seconds.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer
from rich.text import Text

from daemon import config, logs
from daemon.cli.house import settings_from
from daemon.cli.output import complain, console, print_table, shown
from daemon.cli.ports import free_port
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core.errors import DomestiqueError, Permanent
from daemon.core.listening import asked_at
from daemon.core.news import Topic
from daemon.jobs import backfill
from daemon.jobs.newcomers import Newcomer, admit
from daemon.science.power import FourthPowers
from daemon.science.statistics import Statistics
from daemon.store import activities, outbox
from daemon.store.database import Database
from daemon.store.opening import open_database
from daemon.store.outbox import News
from daemon.vault.cipher import Cipher, new_key

CLIENT_ID: Final = 12345
CLIENT_SECRET: Final = "sandbox-secret"  # noqa: S105 — the sandbox publishes it
SUBSCRIPTION_ID: Final = 131300
START_SECONDS: Final = 60.0
EVENT_EVERY_SECONDS: Final = 2.0
TEAM: Final = 8
HISTORY_DAYS: Final = 120


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that is up, and a session to talk to it."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> Any:
        """Ask a control route."""
        async with self.session.get(f"{self.url}/sandbox{path}") as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Tell a control route."""
        async with self.session.post(f"{self.url}/sandbox{path}", json=body) as response:
            response.raise_for_status()


def demo(
    rides: Annotated[
        Path | None,
        typer.Option(
            help="A folder of FIT files and Strava JSON activities: each once, then a table.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself after so long; 0: at Ctrl-C.")] = 0,
    directory: Annotated[Path, typer.Option(help="Where the demo keeps its database.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the daemon listens.")] = 8000,
) -> None:
    """Watch the main job: events come in, and seconds later the activity's load stands in PostgreSQL."""
    try:
        asyncio.run(_demo(rides, seconds, directory, port))
    except DomestiqueError as error:
        complain(f"domestique: {error}")
        raise typer.Exit(1) from error


async def _demo(rides: Path | None, seconds: float, directory: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    directory.mkdir(parents=True, exist_ok=True)
    daemon_port = port if port and await free_port(port) else await free_port(0)
    async with AsyncExitStack() as stack:
        flags = ["--athletes", str(TEAM), "--history-days", str(HISTORY_DAYS)]
        flags += ["--rides", str(rides)] if rides is not None else ["--every", str(EVENT_EVERY_SECONDS)]
        webhook_secret = _kept(directory / "webhook_secret", lambda: secrets.token_urlsafe(24))
        callback = f"http://127.0.0.1:{daemon_port}/webhook/{webhook_secret}"
        url = await stack.enter_async_context(_sandbox(flags, callback, directory / "sandbox.log"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        sandbox = Sandbox(url, session)
        days = 0 if rides is not None else HISTORY_DAYS  # rides are all that shall happen
        settings = _settings(directory, url, daemon_port, webhook_secret, days)
        # The daemon first: it owns the embedded server, and we join it as any other command would.
        console.print(f"sandbox Strava   {url}")
        await stack.enter_async_context(
            _daemon(directory / "config.toml", settings, session, directory / "daemon.log")
        )
        console.print(f"the page         http://127.0.0.1:{daemon_port}/   connect there as anybody of the team")
        console.print(f"daemon           http://127.0.0.1:{daemon_port}/health")
        console.print(f"look around      python -m daemon status --config {directory}/config.toml")
        opened = await stack.enter_async_context(open_database(settings))
        athletes = await _import(opened.database, settings, sandbox)
        console.print(f"{athletes} athletes connected; Ctrl-C ends\n")
        if rides is not None:
            await _process_rides(opened.database, sandbox, stop)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds or None):
                    await _follow(opened.database, stop)
        counts = await sandbox.get("/counts")
        received, refused = counts["received"], counts["rate_limited"]
        console.print(f"\n{received} requests to the sandbox, {refused} over the limit. Ending …")


def _kept(path: Path, make: Any) -> str:
    """Return what the file holds, made at the first start: the database outlives the demo, so must its keys."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make(), encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def _settings(directory: Path, sandbox_url: str, port: int, webhook_secret: str, days: int) -> Settings:
    key = _kept(directory / "vault_key", lambda: new_key().get_secret_value())
    path = directory / "config.toml"
    path.touch(mode=0o600)
    path.write_text(
        f"""# Written by `domestique demo` at each start.
[strava]
api_url = "{sandbox_url}/api/v3"
oauth_url = "{sandbox_url}/oauth"
client_id = {CLIENT_ID}
client_secret = "{CLIENT_SECRET}"
verify_token = "sandbox-verify"
webhook_secret = "{webhook_secret}"
subscription_id = {SUBSCRIPTION_ID}
callback_url = "http://127.0.0.1:{port}"

[web]
port = {port}

[database]
directory = "."

[backfill]
days = {days}

[vault]
keys = ["{key}"]
""",
        encoding="utf-8",
    )
    settings = settings_from(path)
    logs.conceal(*config.secret_values(settings))
    return settings


@asynccontextmanager
async def _process(arguments: list[str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m …` in a session of its own, so that Ctrl-C reaches only us; end it on leaving."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(15):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


@asynccontextmanager
async def _sandbox(flags: list[str], callback: str, log: Path) -> AsyncIterator[str]:
    arguments = ["sandbox", "--port", "0", "--callback", callback, "--retry-seconds", "5", *flags]
    async with _process(arguments, log) as process:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await process.stdout.readline()).decode()
        except TimeoutError as error:
            raise Permanent(f"the sandbox did not start; see {log}") from error
        if "http://" not in line:
            raise Permanent(f"the sandbox ended at once; see {log}")
        yield line[line.index("http://") :].strip()


@asynccontextmanager
async def _daemon(path: Path, settings: Settings, session: aiohttp.ClientSession, log: Path) -> AsyncIterator[None]:
    address = f"{asked_at(settings.web.host, settings.web.port)}/readyz"
    async with _process(["daemon", "run", "--config", str(path)], log) as process:
        with console.status("starting the database and the daemon …"):
            await _ready(process, session, address, log)
        yield


async def _ready(
    process: asyncio.subprocess.Process, session: aiohttp.ClientSession, address: str, log: Path
) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(address) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise Permanent(f"the daemon is not ready after {START_SECONDS:.0f} s; see {log}") from error
    raise Permanent(f"the daemon ended at once; the last line of {log} says why")


async def _import(database: Database, settings: Settings, sandbox: Sandbox) -> int:
    cipher, now = Cipher(settings.vault.keys), SystemClock().now()
    connected = [row for row in await sandbox.get("/athletes") if row["connected"]]
    fields = Newcomer.model_fields
    async with database.transaction() as connection:
        for row in connected:
            known = {name: value for name, value in row.items() if name in fields and value is not None}
            newcomer = Newcomer.model_validate({**known, "athlete_id": row["id"]})
            await admit(connection, cipher, newcomer, settings.backfill.days, now, "the demo")
    return len(connected)


async def _follow(database: Database, stop: asyncio.Event) -> None:
    """Print each piece of news as it comes, until `stop`."""
    async for news in _news(database, stop):
        if news.topic == Topic.ACTIVITY_PROCESSED and news.body["found_by"] != backfill.KIND:
            _print_line(news)
        elif news.topic == Topic.ACTIVITY_DELETED:
            console.print(f"{news.written_at:%H:%M:%S}  {news.body['activity_id']} was deleted", style="dim")


async def _news(database: Database, stop: asyncio.Event) -> AsyncIterator[News]:
    async with database.connection() as connection:
        position = await outbox.end(connection)
    while not stop.is_set():
        async with database.connection() as connection:
            fresh = await outbox.read_after(connection, position, 100)
        for news in fresh:
            position = news.position
            yield news
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await stop.wait()


def _print_line(news: News) -> None:
    body = news.body
    load = f"{body['load']:6.1f}" if body["load"] is not None else "     –"
    explanation = body["explanation"]
    if body["streams"] == "wanted":
        explanation = "The streams are not there yet: they are looked for again in five minutes."
    name = shown(body["name"] if len(body["name"]) <= 26 else body["name"][:25] + "…")
    console.print(
        f"{news.written_at:%H:%M:%S}  {body['sport_type']:<15} {name:<26} {body['method']:<11} load {load} ",
        Text(shown(explanation), "dim"),
        soft_wrap=True,
    )


async def _process_rides(database: Database, sandbox: Sandbox, stop: asyncio.Event) -> None:
    """Announce each ride as Strava would, wait until all are processed, and hold them against their devices."""
    rides = await sandbox.get("/rides")
    waiting = {ride["activity_id"]: ride for ride in rides if ride.get("activity_id") and ride.get("athlete_id")}
    for ride in waiting.values():
        await sandbox.post("/events", {"body": _event(ride)})
    rows = []
    with console.status(f"{len(waiting)} rides are on their way …"):
        pending = set(waiting)
        while pending and not stop.is_set():
            async with database.connection() as connection:
                for activity_id in sorted(pending):
                    load = await activities.load(connection, activity_id)
                    statistics = await activities.statistics(connection, activity_id)
                    if load is not None and statistics is not None:
                        pending.discard(activity_id)
                        rows.append(_row(waiting[activity_id], load, statistics))
            await asyncio.sleep(0.1)
    rows.sort(key=lambda row: row["file"])
    headings = {
        "file": "file",
        "sport_type": "sport",
        "method": "method",
        "normalized": "NP W",
        "device_normalized": "device NP",
        "difference": "off by",
        "load": "load",
        "device_load": "device TSS",
    }
    print_table(rows, headings, "no rides in that folder")
    console.print()
    for row in rows:
        for sentence in row["found"]:
            console.print(Text(shown(row["file"]), "bold"), sentence, soft_wrap=True)
    for ride in rides:
        if ride.get("activity_id") not in waiting:
            console.print(Text(shown(ride["file"]), "bold"), f"cannot be read: {ride['reason']}", soft_wrap=True)


def _event(ride: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "object_type": "activity",
        "object_id": ride["activity_id"],
        "aspect_type": "create",
        "owner_id": ride["athlete_id"],
        "subscription_id": SUBSCRIPTION_ID,
        "event_time": int(SystemClock().now().timestamp()),
        "updates": {},
    }


def _row(ride: Mapping[str, Any], load: Mapping[str, Any], statistics: Statistics) -> dict[str, Any]:
    normalized = None
    if statistics.device_watts:
        normalized = FourthPowers(statistics.power_sum4, statistics.power_count).normalized
    device = ride.get("normalized_power")
    sentences = statistics.quality.get("sentences")
    return {
        "file": ride["file"],
        "sport_type": ride["sport_type"],
        "method": load["method"],
        "normalized": normalized,
        "device_normalized": device,
        "difference": f"{100 * (normalized / device - 1):+.2f} %" if normalized and device else None,
        "load": load["raw"],
        "device_load": ride.get("training_stress_score"),
        "found": [
            *(sentences if isinstance(sentences, list) else []),
            *(f"{method}: {why}" for method, why in load["refused"].items()),
        ],
    }

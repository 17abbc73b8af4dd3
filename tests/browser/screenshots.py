"""Take the pictures of the pages for `docs/`: an athlete with a history, and a house that needs its operator.

python -m tests.browser.screenshots [FOLDER]    FOLDER is docs, where nothing else is said

Everything on them came the way of an athlete's own data: nothing is drawn in, and no page knows of it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page

from tests.support.browser import browsing, chromium, visiting
from tests.support.daemon import Daemon, callback_url, eventually, intervals_flags
from tests.support.forked import ROOT
from tests.support.ports import free_port
from tests.support.sandbox import running_sandbox
from tests.support.signed_in import sign_in
from tests.support.trouble import fall_ill

HISTORY_DAYS: Final = 550  # a year of curves, and half of one to hold it against
HISTORY_SECONDS: Final = 1200.0
ABUNDANT: Final = "1000000"  # the pictures are not about the quota
SEED: Final = "11"  # somebody who rides much and runs a little
# What an import could bring is left out: these thresholds are to be told from the athlete's own efforts.
UNTOLD: Final = dict.fromkeys(("ftp", "critical_speed", "css"))


@asynccontextmanager
async def lived(directory: Path) -> AsyncIterator[tuple[Daemon, int]]:
    """Run a sandbox and a daemon until one athlete's history, thresholds and fitness stand; yields both."""
    port = free_port()
    flags = (
        *("--seed", SEED, "--callback", callback_url(port)),
        *intervals_flags(port),
        *(f"--{meter}-limits={ABUNDANT},{ABUNDANT}" for meter in ("overall", "read")),
    )
    settings = {
        "backfill__days": str(HISTORY_DAYS),
        "quota__overall_quarter_limit": ABUNDANT,
        "quota__overall_day_limit": ABUNDANT,
        "quota__read_quarter_limit": ABUNDANT,
        "quota__read_day_limit": ABUNDANT,
        "quota__requests_per_second": "200.0",
    }
    async with running_sandbox(*flags, history_days=HISTORY_DAYS) as sandbox:
        daemon = Daemon(directory, sandbox, port, **settings)
        await daemon.start()
        try:
            (athlete_id,) = await daemon.import_athletes(**UNTOLD)
            await _give_wellness(daemon, athlete_id)
            await eventually(lambda: _all_is_told(daemon), HISTORY_SECONDS)
            yield daemon, athlete_id
        finally:
            await daemon.stop(signal.SIGTERM)


async def _give_wellness(daemon: Daemon, athlete_id: int) -> None:
    (athlete,) = await daemon.sandbox.athletes()
    key = daemon.directory / "intervals_key"
    key.write_text(athlete["intervals_api_key"] + "\n", encoding="ascii")
    status, _, complaints = await daemon.command(
        "athletes", "intervals", str(athlete_id), "--api-key-file", str(key)
    )
    assert status == 0, complaints


async def _all_is_told(daemon: Daemon) -> bool:
    return bool(
        await daemon.value(
            "SELECT (SELECT bool_and(state = 'finished') FROM backfills)"
            " AND (SELECT count(*) > 0 FROM wellness) AND (SELECT count(*) > 0 FROM thresholds)"
            " AND NOT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'running')"
            " AND run_at < now() + interval '1 minute')"
        )
    )


async def athlete(browser: Browser, daemon: Daemon, athlete_id: int, folder: Path) -> None:
    """Take the athlete's page on a desk by day, and on a phone in the dark."""
    async with daemon.look_inside() as connection:
        session = await sign_in(connection, athlete_id, datetime.now(UTC))
    cookie: Any = {"name": "domestique-athlete", "value": session.key, "url": daemon.url}
    looks: dict[str, dict[str, Any]] = {
        "athlete.png": {"viewport": {"width": 1280, "height": 1400}, "color_scheme": "light"},
        "athlete-dark-phone.png": {
            "viewport": {"width": 360, "height": 780},
            "color_scheme": "dark",
            "device_scale_factor": 2,
        },
    }
    for name, look in looks.items():
        async with visiting(browser, **look) as seen:
            await seen.context.add_cookies([cookie])
            await seen.page.goto(f"{daemon.url}/athlete")
            await _settled(seen.page)
            await seen.page.screenshot(path=folder / name)


@asynccontextmanager
async def troubled(directory: Path) -> AsyncIterator[Daemon]:
    """Run a house of twelve athletes at night: some things have failed, and some wait for a person."""
    port = free_port()
    flags = (
        *("--seed", SEED, "--callback", callback_url(port), *intervals_flags(port)),
        *("--overall-limits", "200,2000", "--read-limits", "100,1000"),
    )
    async with running_sandbox(*flags, athletes=12, history_days=30) as sandbox:
        daemon = Daemon(directory, sandbox, port, backfill__days="30")
        await daemon.start()
        try:
            athlete_ids = await daemon.import_athletes()
            await daemon.stop(signal.SIGTERM)
            await daemon.start()  # who was there at the start is measured at once
            await fall_ill(daemon, athlete_ids)
            await daemon.command("scheduler", "run", "ingestion_tick")
            yield daemon
        finally:
            await daemon.stop(signal.SIGTERM)


async def operator(browser: Browser, daemon: Daemon, folder: Path) -> None:
    """Take the operator's page."""
    token = await daemon.new_token("operate")
    async with visiting(browser, viewport={"width": 1280, "height": 1300}, color_scheme="light") as seen:
        await seen.page.goto(f"{daemon.url}/operator")
        await seen.page.get_by_label("Admin token").fill(token)
        await seen.page.get_by_role("button", name="Sign in").click()
        await seen.page.locator("#dead [data-row]").first.wait_for()
        await seen.page.screenshot(path=folder / "operator.png")


async def _settled(page: Page) -> None:
    busy = page.locator('.part[aria-busy="true"]')
    while await busy.count():
        await busy.first.wait_for(state="detached")


async def take(folder: Path) -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as directory:
        async with lived(Path(directory)) as (daemon, athlete_id), browsing() as browser:
            await athlete(browser, daemon, athlete_id, folder)
    with tempfile.TemporaryDirectory() as directory:
        async with troubled(Path(directory)) as daemon, browsing() as browser:
            await operator(browser, daemon, folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs", help="where the pictures go")
    folder: Path = parser.parse_args().folder
    if chromium() is None:
        print("There is no Chromium here to take pictures with: `apt-get install chromium`", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

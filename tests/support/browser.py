"""Chromium as Debian packages it, driven over Playwright; where there is none, tests say so and are skipped.

A page that breaks its content security policy, throws, or asks any other host fails the test that opened it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# Nothing is looked for on a network that a test has no business with; as root there is no sandbox to be had.
QUIET: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
SERIOUS: Final = frozenset({"serious", "critical"})


def chromium() -> str | None:
    """Return where the system's Chromium is."""
    return next((found for found in map(shutil.which, NAMES) if found is not None), None)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run one browser."""
    path = chromium()
    assert path is not None
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """One visitor: a context of his own, and all that his pages complained about."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"threw {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        # A page may ask for what is not there; that is told by the test, the browser prints it as an error.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https"} and parts.hostname is not None:
            self.hosts.add(parts.hostname)

    async def serious_issues(self, within: str = "html") -> list[str]:
        """Return what axe-core finds of serious and critical, in a line each; `within` a part of a long page."""
        # Evaluated over the debugger's protocol: our policy would refuse it as a script of the page.
        source = AXE_FILE_PATH.read_text(encoding="utf-8")
        await self.page.evaluate(f"() => {{ {source}; return null; }}")
        found: dict[str, Any] = await self.page.evaluate("part => window.axe.run(part)", within)
        return [
            f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(
            await self.page.evaluate(
                "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@asynccontextmanager
async def visiting(browser: Browser, **options: Any) -> AsyncIterator[Visit]:
    """Open a page as a new visitor; `options` as of `Browser.new_context`. Fails where it complained."""
    context = await browser.new_context(**options)
    try:
        visit = Visit(context, await context.new_page())
        yield visit
        assert visit.complaints == []
        assert visit.hosts <= {"127.0.0.1", "localhost"}, visit.hosts
    finally:
        await context.close()

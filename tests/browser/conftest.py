"""Browsers and daemons for the pages' tests; skipped where the system has no Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.flow.conftest import make_house, prepared
from tests.support.browser import Visit, browsing, chromium, visiting

__all__ = ["make_house", "prepared"]

PATIENCE_MS: Final = 60_000

expect.set_options(timeout=PATIENCE_MS)


class MakeVisit(Protocol):
    """Opens a page as a new visitor, with the options of a browser context."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[Visit]:
        """Return the visit."""


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a worker."""
    if chromium() is None:
        pytest.skip("there is no Chromium here: `apt-get install chromium` brings it, and these tests run")
    async with browsing() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> MakeVisit:
    """Open a page: `async with visit(viewport=…) as visit: …`."""

    def make(**options: Any) -> AbstractAsyncContextManager[Visit]:
        return visiting(browser, **options)

    return make

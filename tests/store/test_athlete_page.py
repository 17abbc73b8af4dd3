"""The athlete's page as a document: to whom it is given, and what it says where the database is away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

import aiohttp

from daemon.clock import SystemClock
from daemon.core.errors import Retryable
from daemon.store.database import Database
from daemon.web.athlete_page import AthletePage
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.queue import add_athletes
from tests.support.signed_in import sign_in


class AwayDatabase(Database):
    """A database that never answers."""

    def connection(self) -> NoReturn:
        raise Retryable("the database restarts")


async def opened(database: Database, headers: Mapping[str, str]) -> tuple[int, str, Mapping[str, str]]:
    """Open the page as a browser that sends these headers; no redirect is followed."""
    app = application(AthletePage(Sessions(database, SystemClock())).routes())
    async with (
        serving(app, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
        session.get(f"{address}/athlete", headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_the_page_is_for_whoever_is_signed_in_and_carries_the_proof_for_its_forms(database: Database) -> None:
    async with database.connection() as connection:
        await add_athletes(connection, [1])
        session = await sign_in(connection, 1, datetime.now(UTC))
    status, text, headers = await opened(database, session.reading)
    assert status == 200
    proof = session.changing["X-CSRF-Token"]
    assert f'<meta name="csrf" content="{proof}">' in text
    assert f'name="csrf" value="{proof}"' in text
    assert "style=" not in text and "onclick" not in text
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


async def test_whoever_is_not_signed_in_is_led_to_the_first_page(database: Database) -> None:
    for cookie in ({}, {"Cookie": "domestique-athlete=a-session-of-nobody"}):
        status, _, headers = await opened(database, cookie)
        assert (status, headers["Location"]) == (303, "/")


async def test_while_the_database_is_away_the_page_says_so_and_nobody_is_signed_out() -> None:
    away = AwayDatabase({}, 1)
    status, text, headers = await opened(away, {"Cookie": "domestique-athlete=a-session-of-1"})
    assert status == 503
    assert "The database does not answer" in text
    assert "Set-Cookie" not in headers

"""The way in for operators: who is let in, whose forms are not ours, and what pages show to whom."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from daemon.core import attempts
from daemon.core.bearer import Scope
from daemon.store.database import Database
from tests.support.admin import TOKENS
from tests.support.clocks import SetClock
from tests.support.operator_house import OperatorHouse, operator_house
from tests.support.schedule import connect_athletes


@pytest_asyncio.fixture
async def house(database: Database) -> AsyncIterator[OperatorHouse]:
    async with operator_house(database, SetClock()) as house:
        yield house


async def opened(house: OperatorHouse, path: str) -> tuple[int, str]:
    """Open a page as a browser does, redirects followed."""
    async with house.session.get(house.address + path, headers={"Accept": "text/html"}) as answer:
        return answer.status, await answer.text()


async def proof(house: OperatorHouse) -> str:
    """Open the form and return what it holds for us to bring along."""
    _, text = await opened(house, "/operator/sign-in")
    (found,) = re.findall(r'name="csrf" value="([0-9a-f]{64})"', text)
    return str(found)


async def send(house: OperatorHouse, fields: dict[str, str], **headers: str) -> tuple[int, str, str]:
    """Send the form; returns status, text and where it leads."""
    async with house.session.post(
        f"{house.address}/operator/sign-in", data=fields, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, await answer.text(), answer.headers.get("Location", "")


async def sign_in(house: OperatorHouse, scope: Scope) -> str:
    """Sign in and return the session's proof, as its page holds it."""
    fields = {"csrf": await proof(house), "token": TOKENS[scope]}
    assert (await send(house, fields))[::2] == (303, "/operator")
    _, text = await opened(house, "/operator")
    (csrf,) = re.findall(r'<meta name="csrf" content="([0-9a-f]{64})">', text)
    return str(csrf)


async def test_whoever_is_not_signed_in_is_shown_the_form_wherever_he_goes(house: OperatorHouse) -> None:
    for path in ("/operator", "/operator/athletes", "/operator/athletes/1"):
        status, text = await opened(house, path)
        assert (status, "Admin token" in text) == (200, True)


async def test_a_wrong_token_is_told_so_and_a_good_one_opens_the_page(house: OperatorHouse) -> None:
    csrf = await proof(house)
    for wrong in ("dmq_" + "0" * 64, "", "ü\x00"):
        status, text, _ = await send(house, {"csrf": csrf, "token": wrong})
        assert (status, "unknown, expired or revoked" in text) == (401, True)

    await sign_in(house, Scope.OPERATE)

    status, text = await opened(house, "/operator/sign-in")  # leads on
    assert (status, 'data-may-operate="yes"' in text) == (200, True)


async def test_wrong_tokens_are_counted_and_then_not_even_looked_up(house: OperatorHouse) -> None:
    csrf = await proof(house)
    statuses = [
        (await send(house, {"csrf": csrf, "token": "dmq_" + f"{number:064}"}))[0]
        for number in range(attempts.EACH.burst + 1)
    ]

    assert statuses == [401] * attempts.EACH.burst + [429]
    status, text, _ = await send(house, {"csrf": csrf, "token": TOKENS[Scope.READ]})
    assert (status, "Too many wrong tokens" in text) == (429, True)


async def test_a_form_of_somebody_else_signs_nobody_in(house: OperatorHouse) -> None:
    csrf, good = await proof(house), TOKENS[Scope.OPERATE]
    strangers: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"token": good}, {}),
        ({"token": good, "csrf": "0" * 64}, {}),
        ({"token": good, "csrf": csrf}, {"Origin": "https://elsewhere.example"}),
        ({"token": good, "csrf": csrf}, {"Origin": "http://["}),
        ({"token": good, "csrf": csrf}, {"Sec-Fetch-Site": "cross-site"}),
        ({"token": good, "csrf": csrf}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for fields, headers in strangers:
        status, text, _ = await send(house, fields, **headers)
        assert (status, "please send it again" in text) == (403, True)
    house.session.cookie_jar.clear()
    assert (await send(house, {"token": good, "csrf": csrf}))[0] == 403  # the proof without its cookie
    assert "Admin token" in (await opened(house, "/operator"))[1]


async def test_our_own_form_is_taken_with_what_a_browser_says_of_it(house: OperatorHouse) -> None:
    fields = {"csrf": await proof(house), "token": TOKENS[Scope.READ]}

    status, _, leads = await send(house, fields, **{"Origin": house.address, "Sec-Fetch-Site": "same-origin"})

    assert (status, leads) == (303, "/operator")


async def test_a_body_that_is_no_form_or_too_long_is_refused(house: OperatorHouse) -> None:
    await proof(house)
    address = f"{house.address}/operator/sign-in"
    async with house.session.post(address, json={"token": TOKENS[Scope.READ]}) as answer:
        assert answer.status == 403
    async with house.session.post(address, data={"token": "x" * 5000}) as answer:
        assert answer.status == 400


async def test_a_session_changes_things_with_its_proof_alone_and_ends_with_its_token(
    house: OperatorHouse, database: Database
) -> None:
    csrf = await sign_in(house, Scope.OPERATE)
    url = f"{house.address}/jobs/retry?kind=ride"
    async with house.session.post(url) as answer:
        assert (answer.status, (await answer.json())["type"]) == (403, "/problems/forged")
    async with house.session.post(url, headers={"X-CSRF-Token": csrf}) as answer:
        assert answer.status == 200
    assert (await house.session.get(f"{house.address}/overview")).status == 200

    async with database.connection() as connection:
        await connection.execute("UPDATE admin_tokens SET revoked_at = now()")

    assert (await house.session.get(f"{house.address}/overview")).status == 401
    assert "Admin token" in (await opened(house, "/operator"))[1]


async def test_who_may_only_read_is_offered_no_button_and_the_server_refuses_all_the_same(
    house: OperatorHouse,
) -> None:
    csrf = await sign_in(house, Scope.READ)

    _, text = await opened(house, "/operator")

    assert 'data-may-operate="no"' in text
    async with house.session.delete(f"{house.address}/jobs/1", headers={"X-CSRF-Token": csrf}) as answer:
        assert (answer.status, (await answer.json())["type"]) == (403, "/problems/not-allowed")


async def test_signing_out_needs_the_proof_and_then_nobody_is_signed_in(house: OperatorHouse) -> None:
    csrf = await sign_in(house, Scope.READ)
    address = f"{house.address}/operator/sign-out"
    async with house.session.post(address) as answer:
        assert answer.status == 403

    async with house.session.post(address, data={"csrf": csrf}) as answer:
        assert "Admin token" in await answer.text()

    assert (await house.session.get(f"{house.address}/overview")).status == 401


async def test_the_pages_of_athletes_find_page_and_explain(house: OperatorHouse, database: Database) -> None:
    await sign_in(house, Scope.READ)
    async with database.connection() as connection:
        await connect_athletes(connection, range(1, 53))
        await connection.execute("UPDATE athletes SET name = '<b>Zoë</b>' WHERE athlete_id = 52")

    status, first = await opened(house, "/operator/athletes?search=&state=")
    assert (status, first.count("/operator/athletes/")) == (200, 50)
    (following,) = re.findall(r'href="(/operator/athletes\?[^"]+)">Next page', first)
    _, second = await opened(house, following.replace("&amp;", "&"))
    assert "&lt;b&gt;Zoë&lt;/b&gt;" in second
    assert (await opened(house, "/operator/athletes?limit=many"))[0] == 400
    assert "Nobody is found so" in (await opened(house, "/operator/athletes?search=nobody"))[1]

    status, text = await opened(house, "/operator/athletes/52")
    assert (status, "he was never looked at" in text) == (200, True)
    for nobody in ("53", "x", "0"):
        assert (await opened(house, f"/operator/athletes/{nobody}"))[0] == 404


async def test_without_the_database_the_pages_say_so(house: OperatorHouse, database: Database) -> None:
    await sign_in(house, Scope.READ)
    await database.__aexit__()
    try:
        for path in ("/operator", "/operator/sign-in"):
            status, text = await opened(house, path)
            assert (status, "database does not answer" in text) == (503, True)
        async with aiohttp.ClientSession() as session, session.get(f"{house.address}/operator") as answer:
            assert answer.status == 200  # the form needs no database
    finally:
        await database.__aenter__()

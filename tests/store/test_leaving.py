"""Going over real sockets: by the page, by a script, by the operator's hand; and what one takes along."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from zipfile import ZipFile

import pytest
import pytest_asyncio

from daemon.core.bearer import Scope
from daemon.jobs import athlete_export
from daemon.store import farewells
from tests.support.admin import bearer
from tests.support.consenting import Visitor
from tests.support.front_door import VIEWED, FrontDoor, csrf_of, is_signed_in, standing
from tests.support.workshop import Workshop


@pytest_asyncio.fixture
async def house(shop: Workshop) -> AsyncIterator[FrontDoor]:
    async with standing(shop) as door:
        yield door


async def gone(house: FrontDoor, visitor: Visitor) -> str:
    """Leave by the page, and return what it says last."""
    page = await visitor.get(VIEWED)
    seen = await visitor.post(VIEWED, {"csrf": csrf_of(page.text), "confirm": " Erase "})
    assert seen.status == 200, seen.text
    return seen.text


async def erased(house: FrontDoor) -> None:
    """Let the patience of the erasure pass, and run it."""
    await house.shop.value("UPDATE jobs SET run_at = now() WHERE kind = 'erase_athlete'")
    await house.shop.work_off()


async def test_who_types_the_word_is_signed_out_everywhere_and_erased_and_strava_knows(house: FrontDoor) -> None:
    shop, stranger = house.shop, house.shop.stranger()
    visitor, other = await house.visitor(), await house.visitor()
    await visitor.connect(stranger)
    await other.connect(stranger)
    page = await visitor.get(VIEWED)
    assert (await visitor.post(VIEWED, {"confirm": "erase"})).status == 403
    refused = await visitor.post(VIEWED, {"csrf": csrf_of(page.text), "confirm": "yes"})
    assert (refused.status, "Nothing was erased" in refused.text) == (422, True)

    assert "Within a minute all of this is erased" in await gone(house, visitor)

    assert not await is_signed_in(visitor) and not await is_signed_in(other)
    await erased(house)
    assert await house.athletes() == []
    (row,) = [row for row in await shop.sandbox.athletes() if row["id"] == stranger]
    assert row["connected"] is False
    assert await shop.value("SELECT count(*) FROM farewells") == 0


async def test_where_strava_is_down_he_is_erased_all_the_same_and_strava_is_told_later(house: FrontDoor) -> None:
    shop, visitor, stranger = house.shop, await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    await gone(house, visitor)
    await shop.value("DELETE FROM jobs WHERE kind <> 'erase_athlete'")
    await shop.value("UPDATE jobs SET run_at = now()")
    await shop.sandbox.fault("error_503", endpoint="revoke", count=1)

    assert await shop.step() == 1

    assert await house.athletes() == []
    assert await shop.value("SELECT count(*) FROM credentials") == 0
    assert await shop.value("SELECT athlete_id FROM farewells") == stranger
    await shop.work_off()
    (row,) = [row for row in await shop.sandbox.athletes() if row["id"] == stranger]
    assert row["connected"] is False
    assert await shop.value("SELECT count(*) FROM farewells") == 0


async def test_who_comes_back_before_he_was_erased_begins_anew_and_is_not_erased_afterwards(
    house: FrontDoor,
) -> None:
    shop, visitor, stranger = house.shop, await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    await shop.work_off()
    await shop.value("UPDATE athletes SET born_on = '1986-06-01'")
    await gone(house, visitor)

    assert (await visitor.connect(stranger)).status == 200

    assert await shop.rows("SELECT leaving_at, state, born_on FROM athletes") == [
        {"leaving_at": None, "state": "active", "born_on": None}
    ]
    await erased(house)
    assert await house.athletes() == [stranger]
    assert await is_signed_in(visitor)


async def test_who_connects_again_need_not_be_said_farewell_to(house: FrontDoor) -> None:
    shop, visitor, stranger = house.shop, await house.visitor(), house.shop.stranger()
    async with shop.rooms.database.connection() as connection:
        await farewells.add(connection, stranger, b"sealed", shop.rooms.clock.now())
    await visitor.connect(stranger)
    assert await shop.value("SELECT count(*) FROM farewells") == 0


async def test_the_athletes_own_script_can_do_the_same_with_a_word_in_json(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    csrf = csrf_of((await visitor.get(VIEWED)).text)
    for body in ({}, {"confirm": "yes"}, {"confirm": "erase", "more": 1}):
        async with visitor.session.post(
            f"{house.address}/me/disconnect", json=body, headers={"X-CSRF-Token": csrf}
        ) as answer:
            assert (answer.status, (await answer.json(content_type=None))["type"]) == (400, "/problems/bad-body")
    async with visitor.session.post(
        f"{house.address}/me/disconnect", json={"confirm": "erase"}, headers={"X-CSRF-Token": csrf}
    ) as answer:
        assert (answer.status, (await answer.json())["athlete_id"]) == (202, stranger)
    assert not await is_signed_in(visitor)


# By the operator's hand


async def test_an_operator_may_erase_and_a_reader_may_take_the_file(house: FrontDoor) -> None:
    shop, visitor, stranger = house.shop, await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    place, session = f"{house.address}/athletes/{stranger}", visitor.session
    async with session.get(f"{place}/export", headers=bearer(Scope.READ)) as answer:
        assert (answer.status, answer.content_type) == (200, "application/zip")
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="domestique-{stranger}-')
        assert "json/activities.json" in ZipFile(io.BytesIO(await answer.read())).namelist()
    async with session.delete(place, headers=bearer(Scope.READ)) as answer:
        assert answer.status == 403

    async with session.delete(place, headers=bearer(Scope.OPERATE)) as answer:
        assert (answer.status, (await answer.json())["activities"]) == (202, 0)

    assert not await is_signed_in(visitor)
    await erased(house)
    assert await house.athletes() == []
    for method, scope in (("GET", Scope.READ), ("DELETE", Scope.OPERATE)):
        path = f"{place}/export" if method == "GET" else place
        async with session.request(method, path, headers=bearer(scope)) as answer:
            assert (answer.status, (await answer.json(content_type=None))["type"]) == (
                404,
                "/problems/unknown-athlete",
            )
    assert (await shop.sandbox.counts())["endpoints"]["revoke"] >= 1


async def test_the_athlete_takes_his_own_file_and_nobody_who_is_not_signed_in_gets_one(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    assert (await visitor.get("/me/export")).status == 401
    await visitor.connect(stranger)
    async with visitor.session.get(f"{house.address}/me/export") as answer:
        athlete = json.loads(ZipFile(io.BytesIO(await answer.read())).read("json/athlete.json"))
    assert athlete["athlete"]["athlete_id"] == stranger


async def test_who_asks_for_many_files_at_once_gets_one_and_holds_up_nobody(
    house: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    begun, go_on, make = asyncio.Event(), asyncio.Event(), athlete_export.make

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await make(*arguments)

    monkeypatch.setattr(athlete_export, "make", slow)
    first = asyncio.create_task(visitor.session.get(f"{house.address}/me/export"))
    async with asyncio.timeout(60):
        await begun.wait()
    async with visitor.session.get(f"{house.address}/me/export") as second:
        assert (second.status, "being made already" in (await second.json())["detail"]) == (409, True)
    go_on.set()
    async with await first as answer:
        assert answer.status == 200
    async with visitor.session.get(f"{house.address}/me/export") as again:
        assert again.status == 200

"""A browser that asks for what is not there is shown a page."""

from __future__ import annotations

from tests.browser.conftest import MakeVisit
from tests.flow.conftest import MakeHouse


async def test_a_wrong_address_is_a_page_that_leads_back(make_house: MakeHouse, visit: MakeVisit) -> None:
    daemon = await make_house()
    async with visit(viewport={"width": 360, "height": 640}, color_scheme="dark") as seen:
        answer = await seen.page.goto(f"{daemon.url}/nowhere")
        assert answer is not None and answer.status == 404
        assert "no such page" in await seen.page.inner_text("h1")
        assert await seen.serious_issues() == []
        assert await seen.overflow() == 0
    status, body = await daemon.get("/nowhere")
    assert (status, body["type"]) == (404, "/problems/not-found")

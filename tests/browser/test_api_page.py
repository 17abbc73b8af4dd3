"""The description of the API, as somebody reads it who is about to write a client."""

from __future__ import annotations

from tests.browser.conftest import MakeVisit
from tests.flow.conftest import MakeHouse

CHAPTERS = ("section[aria-labelledby=about-scheduler]", "header", "section:first-of-type")


async def test_an_address_is_found_and_read_by_keyboard_on_a_phone_in_the_dark(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house()
    async with visit(viewport={"width": 360, "height": 640}, color_scheme="dark") as seen:
        page = seen.page
        answer = await page.goto(f"{daemon.url}/api")
        assert answer is not None and answer.status == 200
        assert await seen.overflow() == 0

        await page.locator("nav[aria-label=Chapters] a", has_text="scheduler").focus()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#about-scheduler")
        fold = page.locator("article", has=page.locator("#get_scheduler_runs")).locator("summary").last
        await fold.focus()
        await page.keyboard.press("Enter")
        fields = page.get_by_role("table", name="A page of runs")
        assert "missed_webhooks" in await fields.inner_text()

        await page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
        assert await seen.overflow() == 0
        for chapter in CHAPTERS:  # the page is long, and all chapters are made by one template
            assert await seen.serious_issues(chapter) == []

        await page.get_by_role("link", name="/problems/already-running").last.click()
        assert "already running" in (await page.inner_text("h1")).lower()
        assert await seen.serious_issues() == []

    async with visit(viewport={"width": 1280, "height": 900}, color_scheme="light") as seen:
        await seen.page.goto(f"{daemon.url}/api")
        await seen.page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
        assert await seen.serious_issues(CHAPTERS[0]) == []
        assert await seen.overflow() == 0

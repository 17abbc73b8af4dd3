"""Coming and going in a browser: by keyboard alone, on a telephone in the dark, and with what may go wrong."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import MakeVisit
from tests.flow.conftest import MakeHouse
from tests.support.browser import Visit
from tests.support.daemon import Daemon, eventually

TELEPHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
MOST_TABS = 30


async def house_with_a_door(make_house: MakeHouse) -> Daemon:
    """Start a daemon that knows at which address Strava leads athletes back."""
    daemon = await make_house("--connected", "0", started=False, athletes=2)
    lines = daemon.config.read_text(encoding="utf-8").splitlines()
    lines.insert(lines.index("[strava]") + 1, f'callback_url = "{daemon.url}"')
    daemon.config.write_text("\n".join(lines), encoding="utf-8")
    await daemon.start()
    return daemon


async def tab_to(page: Page, words: str) -> None:
    """Walk to what is called so, as somebody does who has no mouse; it must be seen where one is."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        text = await focused.evaluate("e => (e.innerText || e.labels?.[0]?.innerText || e.value || '').trim()")
        if words in text:
            style = await focused.evaluate("e => getComputedStyle(e).outlineStyle")
            assert style != "none", words
            return
    pytest.fail(f"no key leads to {words!r}")


async def is_fit_to_be_seen(seen: Visit) -> None:
    assert await seen.serious_issues() == []
    assert await seen.overflow() == 0


async def test_by_keyboard_from_the_first_page_to_strava_and_back_and_at_last_away(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await house_with_a_door(make_house)
    (first, _) = sorted(row["id"] for row in await daemon.sandbox.athletes())
    async with visit(viewport=TELEPHONE, color_scheme="dark") as seen:
        page = seen.page
        await page.goto(daemon.url)
        await is_fit_to_be_seen(seen)
        await tab_to(page, "Connect with Strava")
        await page.keyboard.press("Enter")

        await page.wait_for_url(f"{daemon.sandbox.oauth_url}/authorize?**")
        await tab_to(page, "or the id of another")
        await page.keyboard.type(str(first))
        await tab_to(page, "Authorize")
        await page.keyboard.press("Enter")

        await page.wait_for_url(f"{daemon.url}/athlete")

        async def is_synced() -> bool:
            return await daemon.value("SELECT synced_at FROM sync_states WHERE athlete_id = $1", first) is not None

        await eventually(is_synced)
        cookies = {cookie["name"]: cookie for cookie in await seen.context.cookies(daemon.url)}
        session = cookies["domestique-athlete"]
        assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
        assert "domestique-connect" not in cookies

        await page.goto(daemon.url)  # whoever is signed in is led on
        await page.wait_for_url(f"{daemon.url}/athlete")
        await page.goto(f"{daemon.url}/athlete/leave")
        await is_fit_to_be_seen(seen)
        async with page.expect_download() as download:
            await tab_to(page, "Take it along first")
            await page.keyboard.press("Enter")
        assert (await download.value).suggested_filename.startswith(f"domestique-{first}-")
        await tab_to(page, "type the word")
        await page.keyboard.type("no")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was erased")
        await is_fit_to_be_seen(seen)
        await tab_to(page, "type the word")
        await page.keyboard.type("erase")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_contain_text("Goodbye")
        await is_fit_to_be_seen(seen)

    async def is_erased() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM athletes") == 0)

    await eventually(is_erased)
    connected = {row["id"]: row["connected"] for row in await daemon.sandbox.athletes()}
    assert connected[first] is False


async def test_who_unticks_declines_or_comes_twice_is_shown_what_to_do(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await house_with_a_door(make_house)
    async with visit(viewport=DESKTOP, color_scheme="light") as seen:
        page = seen.page

        async def go(unticked: str | None, button: str) -> None:
            await page.goto(daemon.url)
            await page.get_by_role("link", name="Connect with Strava").click()
            if unticked is not None:
                await page.locator(f"input[value='{unticked}']").uncheck()
            await page.get_by_role("button", name=button).click()

        await go(None, "Cancel")
        await expect(page.locator("h1")).to_have_text("You have not connected.")
        await is_fit_to_be_seen(seen)
        await go("activity:read_all", "Authorize")
        await expect(page.locator("h1")).to_have_text("One box was left empty.")
        await is_fit_to_be_seen(seen)
        await go("profile:read_all", "Authorize")
        await expect(page.locator("h1")).to_contain_text("You are connected")
        await expect(page.get_by_role("link", name="Grant the rest")).to_be_visible()
        await is_fit_to_be_seen(seen)
        await page.reload()  # the way back is good for once
        await expect(page.locator("h1")).to_contain_text("not good any more")
        await is_fit_to_be_seen(seen)
    async with visit(viewport=TELEPHONE) as other:
        await other.page.goto(f"{daemon.url}/athlete/leave")
        await other.page.wait_for_url(f"{daemon.url}/")
        await is_fit_to_be_seen(other)

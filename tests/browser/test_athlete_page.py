"""The athlete's page in a browser: a daemon, a sandbox, and somebody who looks at it, by keyboard or on a phone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.conftest import PATIENCE_MS, MakeVisit
from tests.flow.conftest import MakeHouse
from tests.support.browser import Visit
from tests.support.daemon import Daemon, eventually
from tests.support.signed_in import sign_in

PHONE: Final[Mapping[str, Any]] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "color_scheme": "dark",
}
MOST_TABS: Final = 60


async def come_in(seen: Visit, daemon: Daemon, athlete_id: int, address: str = "/athlete") -> Page:
    """Open the page as a signed-in athlete and wait until every part of it is there."""
    async with daemon.look_inside() as connection:
        await connection.execute("DELETE FROM web_sessions")
        session = await sign_in(connection, athlete_id, datetime.now(UTC))
    await seen.context.add_cookies([{"name": "domestique-athlete", "value": session.key, "url": daemon.url}])
    seen.page.set_default_timeout(PATIENCE_MS)
    await seen.page.goto(f"{daemon.url}{address}")
    await expect(seen.page.locator('.part[aria-busy="true"]')).to_have_count(0)
    return seen.page


async def press_until_focused(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Walk with a key until something has the focus; fails where that takes too many steps."""
    for _ in range(MOST_TABS):
        await page.keyboard.press(key)
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{wanted} was not reached by {key}")


async def live(daemon: Daemon, athlete_id: int) -> None:
    """Let an athlete have a fortnight: rides with power, a run, and what nothing measured."""
    days = [("ride", 12), ("run", 9), ("ride", 6), ("manual", 3), ("ride", 1)]
    for seed, (kind, days_ago) in enumerate(days):
        start_at = int((datetime.now(UTC) - timedelta(days=days_ago)).timestamp())
        await daemon.sandbox.make_activity(
            athlete_id=athlete_id, kind=kind, duration=1500, start_at=start_at, seed=seed, name=f"Day {seed} {kind}"
        )

    async def all_is_told() -> bool:
        return bool(
            await daemon.value("SELECT count(*) = 5 FROM activity_loads")
            and await daemon.value("SELECT count(*) = 0 FROM jobs WHERE state IN ('queued', 'running')"
                                   " AND run_at < now() + interval '1 minute'")
        )  # fmt: skip

    await eventually(all_is_told)


async def test_loads_and_their_explanations_are_read_by_keyboard_and_on_a_phone_in_the_dark(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    await live(daemon, athlete_id)

    async with visit(viewport={"width": 1280, "height": 900}, color_scheme="light") as seen:
        page = await come_in(seen, daemon, athlete_id)
        assert (await page.inner_text(".form strong")).lstrip("+−").isdecimal()
        assert await seen.serious_issues() == []

        await press_until_focused(page, page.locator(".skip"))
        await page.keyboard.press("Enter")
        scrubber = page.locator("#fitness .scrubber")
        await press_until_focused(page, scrubber)
        today = await scrubber.get_attribute("aria-valuetext")
        await page.keyboard.press("ArrowLeft")
        before = await scrubber.get_attribute("aria-valuetext")
        if "Day 4 ride" not in (before or ""):  # his day has changed since it was ridden
            await page.keyboard.press("ArrowLeft")
            before = await scrubber.get_attribute("aria-valuetext")
        assert today is not None and before is not None and "Day 4 ride" in before and before != today
        summary = page.locator("#fitness .behind summary")
        await press_until_focused(page, summary)
        await page.keyboard.press("Enter")
        await expect(page.locator("#fitness .behind tbody tr", has_text="Day 4 ride")).to_contain_text("power")

        row = page.locator(".activity", has_text="Day 4 ride")
        await press_until_focused(page, row)
        await page.keyboard.press("Enter")
        told = page.locator("#explanation")
        await expect(told).to_contain_text("an hour at the FTP of")
        await expect(told).to_contain_text("Normalized power")
        await expect(told.get_by_text("View on Strava", exact=True)).to_be_visible()
        assert await seen.serious_issues() == []
        await page.emulate_media(color_scheme="dark")
        assert await seen.serious_issues() == []
        await page.keyboard.press("Escape")
        await expect(told).to_be_hidden()
        await expect(row).to_be_focused()
        assert "#" not in page.url

    async with visit(**PHONE) as seen:
        activity_id = await daemon.value("SELECT activity_id FROM activities WHERE name = 'Day 3 manual'")
        page = await come_in(seen, daemon, athlete_id, f"/athlete#activity-{activity_id}")
        told = page.locator("#explanation")
        await expect(told.locator(".verdict .badge.estimated")).to_be_visible()
        await expect(told).to_contain_text("Better methods, and why they could not be used")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []
        await told.get_by_role("button", name="Close").tap()
        for details in await page.locator("details:not([open]) > summary").all():
            if await details.is_visible():
                await details.tap()
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []


async def test_what_lands_at_strava_is_on_the_open_page_within_seconds(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    async with daemon.sandbox.session.get(f"{daemon.url}/athlete", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")

    async with visit(viewport={"width": 1280, "height": 900}) as seen:
        page = await come_in(seen, daemon, athlete_id)
        await expect(page.locator("#activities")).to_contain_text("No activities yet.")
        await expect(page.locator("#today")).to_contain_text("There is no load yet.")
        await expect(page.locator("#live")).to_have_text("Live")
        assert await seen.serious_issues() == []
        await page.locator("h1").evaluate("element => { element.dataset.same = 'page'; }")

        activity_id = await daemon.sandbox.make_activity(
            athlete_id=athlete_id, kind="ride", duration=1500, seed=3, name="Before breakfast"
        )
        row = page.locator(f'.activity[href="#activity-{activity_id}"]')
        await expect(row).to_contain_text("Before breakfast")
        await expect(row.locator(".badge")).to_have_text("power")
        await expect(page.locator("#news")).to_contain_text("Form")
        await expect(page.locator("#today .tiles")).to_contain_text("in 1 activity")
        await expect(page.locator("#power")).to_contain_text("20 min")

        await daemon.sandbox.edit_activity(activity_id, name="After breakfast")
        await expect(row).to_contain_text("After breakfast")

        field = page.locator("#by-hand [name=value]")
        await field.fill("a lot")
        await field.press("Enter")
        await expect(page.locator("#by-hand-outcome")).to_contain_text("such as 265")
        load = await row.locator(".score strong").inner_text()
        await field.fill("150")
        await field.press("Enter")
        await expect(page.locator("#by-hand-outcome")).to_contain_text("FTP is 150 W now")
        await expect(page.locator(".kind", has_text="FTP")).to_contain_text("150 W")
        await expect(row.locator(".score strong")).not_to_have_text(load)

        await daemon.sandbox.delete_activity(activity_id)
        await expect(row).to_have_count(0)
        assert await page.locator("h1").get_attribute("data-same") == "page"  # it was never loaded again


async def test_what_is_not_there_says_why_and_what_to_do(make_house: MakeHouse, visit: MakeVisit) -> None:
    daemon = await make_house()
    (athlete_id,) = await daemon.import_athletes()
    await live(daemon, athlete_id)
    trouble = {"type": "/problems/database-away", "title": "the database does not answer", "detail": "try again"}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, body=orjson.dumps(trouble), content_type="application/problem+json")

    async def is_fetching(route: Route) -> None:
        profile = orjson.loads(await (await route.fetch()).body())
        done_at = datetime.now(UTC) + timedelta(hours=1)
        history = {
            "state": "fetching", "found": 400, "done": 123, "left": 277, "failed": 0, "calls_left": 277,
            "done_at": done_at.isoformat(), "reason": None,
        }  # fmt: skip
        await route.fulfill(body=orjson.dumps(profile | {"history": history}), content_type="application/json")

    async with visit(**PHONE) as seen:
        await seen.page.route("**/me/curves/power", refuse)
        await seen.page.route("**/me/live", lambda route: route.abort())
        await seen.page.route("**/me", is_fetching)
        page = await come_in(seen, daemon, athlete_id)
        await expect(page.locator("#standing")).to_contain_text(
            "123 of 400 activities; the quota will have carried"
        )
        await expect(page.locator("#live")).to_have_text("Not live; trying again")
        power = page.locator("#power")
        await expect(power).to_contain_text("The database does not answer. Try again.")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []

        await seen.page.unroute("**/me/curves/power", refuse)
        await power.get_by_role("button", name="Try again").tap()
        await expect(power.locator(".readout")).to_contain_text(" W")

        await daemon.rows("DELETE FROM web_sessions")
        await page.locator("#sync").tap()
        await expect(page.locator("#standing")).to_contain_text("You are signed out.")
        await expect(page.locator("#live")).to_have_text("Not live")

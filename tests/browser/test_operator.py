"""What an operator does at night: signs in, reads what is wrong, mends it; on a phone as well, and by keyboard."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, MakeVisit
from tests.flow.conftest import MakeHouse
from tests.support.browser import Visit
from tests.support.daemon import Daemon, eventually
from tests.support.trouble import bury_jobs, fall_ill


async def sign_in(daemon: Daemon, visit: Visit, token: str) -> Page:
    """Open the operator's page, send the form, and return the page it leads to."""
    page = visit.page
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{daemon.url}/operator")
    await page.get_by_label("Admin token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def test_after_a_wrong_token_a_right_one_shows_what_is_wrong_and_mends_it(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house(athletes=4)
    athlete_ids = await daemon.import_athletes()
    token = await daemon.new_token("operate")
    async with visit(viewport={"width": 1280, "height": 900}) as seen:
        page = await sign_in(daemon, seen, "dmq_" + "0" * 64)
        await expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
        assert await seen.serious_issues() == []
        page = await sign_in(daemon, seen, token)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("checks pass")
        await expect(page.locator("#dead")).to_contain_text("Nothing has been given up")
        assert await seen.serious_issues() == []

        # Trouble comes while he looks: the page shows it by itself, with what to do.
        *_, broken, worn_out = await fall_ill(daemon, athlete_ids)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("warn")
        dead = page.locator("#dead")
        await expect(dead.locator(f"[data-row='{broken}']")).to_be_visible()
        await expect(dead).to_contain_text("unexpected KeyError; the log has the traceback")
        await expect(dead).to_contain_text("a bug, its traceback is in the log")
        await expect(page.locator("#troubles")).to_contain_text("Strava answered 500")
        await expect(page.locator("#troubles")).to_contain_text("needs authorization")
        assert await seen.serious_issues() == []

        # One is retried: the focus stays in the section, although its button is gone.
        await page.get_by_role("button", name=f"Retry job {broken}").press("Enter")
        await expect(page.locator("#said")).to_have_text(f"Job {broken} is queued again.")
        await expect(dead.locator(f"[data-row='{broken}']")).to_have_count(0)
        await expect(page.locator("#dead-title")).to_be_focused()
        await eventually(lambda: settled(daemon, broken))

        # One is dropped, once he means it.
        drop = page.get_by_role("button", name=f"Drop job {worn_out}")
        await drop.click()
        await page.get_by_role("button", name="Keep it").click()
        await expect(drop).to_be_focused()
        await drop.click()
        await expect(page.get_by_role("dialog")).to_contain_text("its worker died at every attempt")
        assert await seen.serious_issues() == []
        await page.get_by_role("button", name="Drop it for good").click()
        await expect(page.locator("#said")).to_have_text(f"Job {worn_out} is dropped.")
        await expect(dead.locator(f"[data-row='{worn_out}']")).to_have_count(0)
        assert await daemon.value("SELECT count(*) FROM jobs WHERE job_id = $1", worn_out) == 0

        # The rest is retried at once.
        await page.get_by_role("button", name="Retry all 3 of look_at_activity").click()
        await expect(page.locator("#said")).to_contain_text("3 of look_at_activity are queued again")
        await expect(dead).to_contain_text("Nothing has been given up")

        # A timer is run now, and its result comes.
        row = page.locator("[data-row='background_sync']")
        await row.get_by_role("button").click()
        await expect(page.locator("#said")).to_contain_text("background_sync is asked for")
        await eventually(lambda: ran(daemon, "background_sync"))
        await expect(row).not_to_contain_text("never ran")

        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Operator: sign in")


async def test_a_read_only_token_sees_all_on_a_phone_in_the_dark_and_is_offered_nothing(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house(athletes=3)
    athlete_ids = await daemon.import_athletes()
    died = await bury_jobs(daemon, athlete_ids)
    token = await daemon.new_token("read")
    async with visit(viewport={"width": 360, "height": 740}, color_scheme="dark") as seen:
        page = await sign_in(daemon, seen, token)
        await expect(page.locator("#dead")).to_contain_text("its worker died at every attempt")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []
        for button in await page.locator("#operator button").all():
            assert not await button.is_visible()
        csrf = await page.locator("meta[name=csrf]").get_attribute("content")
        status = await page.evaluate(
            "async ([path, csrf]) => (await fetch(path, {method: 'POST', headers: {'X-CSRF-Token': csrf}})).status",
            [f"/jobs/{died[0]}/retry", csrf],
        )
        assert status == 403

        # All of it by keyboard: the first stop leads to the content, and every table behind a picture opens.
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        for name in ("meters", "minutes"):
            summary = page.locator(f"details[data-key='{name}'] > summary")
            await summary.focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(f"details[data-key='{name}']")).to_have_attribute("open", "")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []

        # From the list to the athlete and why he is looked at.
        await page.goto(f"{daemon.url}/operator/athletes?search={athlete_ids[1]}")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []
        await page.locator("tbody a").click()
        await expect(page.get_by_role("heading", level=2)).to_have_text("When he is looked at, and why")
        assert await seen.overflow() == 0
        assert await seen.serious_issues() == []


async def test_a_daemon_that_is_gone_is_told_and_what_was_read_stays(
    make_house: MakeHouse, visit: MakeVisit
) -> None:
    daemon = await make_house()
    token = await daemon.new_token("read")
    async with visit() as seen:
        page = await sign_in(daemon, seen, token)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("All is well")

        await daemon.stop()
        lost = page.locator("#lost")
        await expect(page.get_by_role("heading", level=1)).to_have_text("The daemon does not answer.")
        await expect(lost).to_contain_text("systemctl status domestique")
        assert await seen.serious_issues() == []

        await daemon.start()
        await expect(lost).to_be_empty()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("All is well")

        async with daemon.look_inside() as connection:  # its token is withdrawn meanwhile
            await connection.execute("UPDATE admin_tokens SET revoked_at = now()")
        await expect(lost).to_contain_text("Your sign-in has ended")
        await lost.get_by_role("link").click()
        await expect(page.get_by_label("Admin token")).to_be_visible()


async def settled(daemon: Daemon, job_id: int) -> bool:
    """Tell whether a worker has done with a job that was retried."""
    return bool(await daemon.value("SELECT state FROM jobs WHERE job_id = $1", job_id) != "dead")


async def ran(daemon: Daemon, job: str) -> bool:
    """Tell whether a run that was asked for on the page has begun."""
    return bool(await daemon.value("SELECT count(started_at) FROM scheduler_runs WHERE job = $1", job))

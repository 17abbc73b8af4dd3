"""Connecting over real sockets, with the sandbox for Strava: every way there, back, and not quite back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from structlog.testing import capture_logs

from daemon.core.consent import ASKED, BEGUN_FOR
from daemon.store import athletes, connect_states
from daemon.web.connect import EACH, ConnectPages
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.consenting import Visitor, query_of
from tests.support.front_door import VIEWED, FrontDoor, csrf_of, is_signed_in, standing, strava_settings
from tests.support.workshop import Workshop

NO_PRIVATE = tuple(scope for scope in ASKED if scope != "activity:read_all")


@pytest_asyncio.fixture
async def house(shop: Workshop) -> AsyncIterator[FrontDoor]:
    async with standing(shop) as door:
        yield door


# The whole way


async def test_who_consents_is_stored_signed_in_and_looked_at_at_once(house: FrontDoor) -> None:
    shop, visitor, stranger = house.shop, await house.visitor(), house.shop.stranger()
    (row,) = [row for row in await shop.sandbox.athletes() if row["id"] == stranger]
    first = await visitor.get("/")
    assert 'href="/connect"' in first.text and "Connect with Strava" in first.text
    assert "script-src 'self'" in first.headers["Content-Security-Policy"]

    with capture_logs() as logs:
        seen = await visitor.connect(stranger)

    assert seen.status == 200
    assert f"You are connected, {row['name']}" in seen.text
    # Not a redirect: along one that began at another site no SameSite=Strict cookie is sent.
    assert '<meta http-equiv="refresh" content="0; url=/athlete">' in seen.text
    assert (await visitor.get("/")).location == "/athlete"
    assert await is_signed_in(visitor)
    stored = await shop.rows("SELECT name, sex, scope, state FROM athletes WHERE athlete_id = $1", stranger)
    assert stored == [{"name": row["name"], "sex": row["sex"], "scope": sorted(ASKED), "state": "active"}]
    queued = await shop.rows("SELECT kind, lane::text FROM jobs WHERE state = 'queued' ORDER BY fair_at, kind")
    assert {(job["kind"], job["lane"]) for job in queued} == {
        ("read_profile", "interactive"),
        ("sync_athlete", "interactive"),
        ("backfill", "backfill"),
    }
    assert house.woken == 1
    secrets = await shop.sandbox.athletes()
    (mine,) = [one for one in secrets if one["id"] == stranger]
    assert not any(mine["refresh_token"] in str(line) or mine["access_token"] in str(line) for line in logs)

    await shop.work_off()

    assert (
        await shop.value("SELECT value FROM thresholds WHERE athlete_id = $1 AND kind = 'ftp'", stranger)
        == (row["ftp"])
    )
    assert await shop.value("SELECT synced_at FROM sync_states WHERE athlete_id = $1", stranger) is not None


async def test_the_session_is_for_this_browser_alone_and_ends_when_he_signs_out(house: FrontDoor) -> None:
    visitor, other, stranger = await house.visitor(), await house.visitor(), house.shop.stranger()
    await visitor.connect(stranger)
    assert not await is_signed_in(other)
    page = await visitor.get(VIEWED)
    assert (await visitor.post("/sign-out", {"csrf": "forged"})).status == 403
    assert await is_signed_in(visitor)

    left = await visitor.post("/sign-out", {"csrf": csrf_of(page.text)})

    assert (left.status, left.location) == (303, "/")
    assert not await is_signed_in(visitor)
    assert (await visitor.post("/sign-out", {})).location == "/"


async def test_connecting_again_from_elsewhere_signs_in_the_same_athlete_and_wakes_him(house: FrontDoor) -> None:
    shop, stranger = house.shop, house.shop.stranger()
    first, second = await house.visitor(), await house.visitor()
    await first.connect(stranger)
    version = await shop.value("SELECT version FROM credentials")
    async with shop.rooms.database.connection() as connection:
        reason = "Strava refused the refresh token"
        assert await athletes.rest(connection, stranger, reason, version, deauthorized=True)

    assert (await second.connect(stranger)).status == 200

    assert await house.athletes() == [stranger]
    assert await is_signed_in(first) and await is_signed_in(second)
    row = await shop.rows("SELECT state, deauthorized_at FROM athletes")
    assert row == [{"state": "active", "deauthorized_at": None}]
    assert not await shop.value("SELECT resting FROM turns")
    assert await shop.value("SELECT version FROM credentials") > version
    await shop.work_off()  # with the tokens of the second consent: those of the first are dead
    assert await shop.value("SELECT count(*) FROM jobs WHERE state <> 'done' AND run_at < now()") == 0


# States


async def test_a_state_is_good_once(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    back = await visitor.consent(await visitor.begin(), stranger)
    assert (await visitor.get(back)).status == 200

    again = await visitor.get(back)

    assert again.status == 400
    assert "used already" in again.text


async def test_a_state_is_good_in_the_browser_that_it_was_given_to(house: FrontDoor) -> None:
    """Else somebody could sign you in as himself, and read along what you do."""
    attacker, victim, stranger = await house.visitor(), await house.visitor(), house.shop.stranger()
    back = await attacker.consent(await attacker.begin(), stranger)
    await victim.begin()  # even with a cookie of his own

    seen = await victim.get(back)

    assert (seen.status, "another browser" in seen.text) == (400, True)
    assert not await is_signed_in(victim)
    assert await house.athletes() == []


async def test_a_state_is_good_for_ten_minutes(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    back = await visitor.consent(await visitor.begin(), stranger)
    await house.shop.value("UPDATE connect_states SET expires_at = expires_at - $1::interval", BEGUN_FOR)

    seen = await visitor.get(back)

    assert (seen.status, "ten minutes" in seen.text) == (400, True)
    assert await house.athletes() == []


async def test_only_hashes_of_states_are_stored_and_old_ones_are_forgotten(house: FrontDoor) -> None:
    visitor = await house.visitor()
    state = query_of(await visitor.begin())["state"]
    assert len(state) >= 43  # 256 random bits
    (row,) = await house.shop.rows("SELECT * FROM connect_states")
    assert state not in str(row)

    database, now = house.shop.rooms.database, house.shop.rooms.clock.now()
    async with database.connection() as connection:
        await connect_states.prune(connection, now + timedelta(minutes=9))
        assert await connection.fetchval("SELECT count(*) FROM connect_states") == 1
        await connect_states.prune(connection, now + timedelta(minutes=11))
        assert await connection.fetchval("SELECT count(*) FROM connect_states") == 0


async def test_two_tabs_can_be_begun_and_both_come_back(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    first, second = await visitor.begin(), await visitor.begin()
    assert query_of(first)["state"] != query_of(second)["state"]
    backs = [await visitor.consent(asked, stranger) for asked in (second, first)]
    assert (await visitor.get(backs[0])).status == 200
    # The cookie went with the first return: nothing of it is left lying about.
    assert (await visitor.get(backs[1])).status == 400


async def test_begun_under_another_name_of_this_host_it_goes_on_under_the_one_that_strava_comes_back_to(
    house: FrontDoor,
) -> None:
    visitor = await house.visitor()
    elsewhere = house.address.replace("127.0.0.1", "localhost")
    seen = await visitor.get(f"{elsewhere}/connect")
    assert (seen.status, seen.location) == (302, f"{house.address}/connect?here")
    # Once only: behind a proxy that hides the name it would never end.
    seen = await visitor.get(f"{elsewhere}/connect?here")
    assert seen.location.startswith(house.shop.sandbox.oauth_url)


async def test_who_begins_too_often_is_told_to_wait_and_others_are_not(house: FrontDoor) -> None:
    visitor = await house.visitor()
    for _ in range(EACH.burst):
        await visitor.begin()
    seen = await visitor.get("/connect")
    assert (seen.status, int(seen.headers["Retry-After"]) <= EACH.every_seconds) == (429, True)
    other = await visitor.get("/connect", **{"X-Forwarded-For": "192.0.2.7"})
    assert other.status == 302


# Not quite back


async def test_who_declines_is_told_what_that_means_and_nothing_is_stored(house: FrontDoor) -> None:
    visitor = await house.visitor()
    denied = await visitor.post(await visitor.begin(), {"decision": "cancel"})
    seen = await visitor.get(denied.location)
    assert (seen.status, "You have not connected" in seen.text) == (200, True)
    assert await house.shop.value("SELECT count(*) FROM connect_states") == 0


async def test_without_his_activities_nobody_comes_in_and_he_is_told_which_box(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    seen = await visitor.connect(stranger, NO_PRIVATE)
    assert (seen.status, "One box was left empty" in seen.text) == (200, True)
    assert 'href="/connect"' in seen.text
    assert await house.athletes() == []
    # A scope that somebody has written into the address does not help: the answer to the code counts.
    back = await visitor.consent(await visitor.begin(), stranger, NO_PRIVATE)
    seen = await visitor.get(re.sub(r"scope=[^&]*", "scope=read,activity:read_all", back))
    assert "One box was left empty" in seen.text
    assert await house.athletes() == []


async def test_without_his_profile_he_comes_in_and_is_told_what_is_missing(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    seen = await visitor.connect(stranger, ["activity:read_all"])
    assert "threshold power that you have set at Strava stays unknown" in seen.text
    assert "http-equiv" not in seen.text  # there is something to read
    assert 'href="/athlete"' in seen.text and 'href="/connect"' in seen.text
    assert await is_signed_in(visitor)
    assert await house.shop.value("SELECT count(*) FROM jobs WHERE kind = 'read_profile'") == 0


async def test_a_code_that_strava_does_not_know_is_told_with_the_way_to_another(house: FrontDoor) -> None:
    visitor = await house.visitor()
    asked = query_of(await visitor.begin())
    seen = await visitor.get(f"/connect/strava?state={asked['state']}&code=made-up&scope=read,activity:read_all")
    assert (seen.status, "does not know this consent" in seen.text) == (400, True)


async def test_where_strava_has_no_place_left_the_athlete_is_told_and_nothing_is_stored(house: FrontDoor) -> None:
    sandbox, visitor, stranger = house.shop.sandbox, await house.visitor(), house.shop.stranger()
    await sandbox.revoke(stranger, event=False)
    back = await visitor.consent(await visitor.begin(), stranger)
    await sandbox.settings(athlete_limit=1)
    try:
        seen = await visitor.get(back)
    finally:
        await sandbox.settings(athlete_limit=0)
    assert (seen.status, "no place left" in seen.text) == (403, True)
    assert await house.athletes() == []


async def test_while_strava_is_down_he_is_asked_to_come_again(house: FrontDoor) -> None:
    visitor, stranger = await house.visitor(), house.shop.stranger()
    back = await visitor.consent(await visitor.begin(), stranger)
    await house.shop.sandbox.fault("error_503", endpoint="token", count=1)
    seen = await visitor.get(back)
    assert (seen.status, seen.headers["Retry-After"], "does not answer now" in seen.text) == (503, "60", True)
    assert (await visitor.connect(stranger)).status == 200


async def test_a_mangled_return_is_answered_with_a_page(house: FrontDoor) -> None:
    visitor = await house.visitor()
    for path in ("/connect/strava", "/connect/strava?state=a", "/connect/strava?error=server_error&state=a"):
        seen = await visitor.get(path)
        assert (seen.status, "no way back from Strava" in seen.text) == (400, True), path


async def test_without_an_address_the_operator_is_told_instead_of_a_dead_button(shop: Workshop) -> None:
    sessions = Sessions(shop.rooms.database, shop.rooms.clock)
    pages = ConnectPages(shop.rooms, sessions, strava_settings(shop, ""), 30, lambda: 7.0, lambda: None)
    async with serving(application(pages.routes()), "127.0.0.1", 0) as address:
        visitor = Visitor(address)
        seen, dead = await visitor.get("/"), await visitor.get("/connect")
        await visitor.session.close()
    assert "strava.callback_url" in seen.text and 'href="/connect"' not in seen.text
    assert dead.status == 503

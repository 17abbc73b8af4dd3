"""An athlete consents in a browser, and the app exchanges what it was sent."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox import faults
from sandbox.authorization import read_wish
from sandbox.consent import consent_page
from sandbox.options import parse_options
from sandbox.riders import invent_athletes
from tests.support.served_sandbox import Callback, Serve, Served

CLIENT = {"client_id": "12345", "client_secret": "sandbox-secret"}
BACK = "http://localhost:9000/back"
QUESTION = {
    "client_id": "12345",
    "redirect_uri": BACK,
    "response_type": "code",
    "approval_prompt": "force",
    "scope": "activity:read_all,profile:read_all",
    "state": "a b&c",
}


class Page(HTMLParser):
    """What a browser would find on a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def page(served: Served, path: str = "/oauth/authorize", **changes: str) -> tuple[int, str]:
    async with served.client.get(path, params=QUESTION | changes, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def decide(served: Served, form: Any, **changes: str) -> dict[str, str]:
    """Post a decision and return what the app finds in the address that the athlete comes back to."""
    params = QUESTION | changes
    async with served.client.post("/oauth/authorize", params=params, data=form, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        location = answer.headers["Location"]
    assert location.startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query, keep_blank_values=True).items()}


async def consent(served: Served, *scopes: str, athlete_id: int | None = None, **changes: str) -> dict[str, str]:
    chosen = str(served.athlete_id if athlete_id is None else athlete_id)
    form = [("athlete_id", chosen), *(("granted", scope) for scope in scopes), ("decision", "authorize")]
    return await decide(served, form, **changes)


async def exchange(served: Served, code: str) -> tuple[int, Any]:
    form = CLIENT | {"grant_type": "authorization_code", "code": code}
    async with served.client.post("/oauth/token", data=form) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/mobile/authorize", "/api/v3/oauth/authorize"])
async def test_the_page_needs_no_script_and_nothing_from_elsewhere(serve: Serve, path: str) -> None:
    served = await serve("--athletes", "2")
    status, text = await page(served, path)
    found = Page(text)
    assert status == 200
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "link", "img", "iframe"})
    assert not [one for _, one in found.tags if {"src", "href", "action"} & one.keys()]
    assert [int(one["value"] or 0) for one in found.all("option")] == list(served.strava.world.athletes)
    boxes = [one for one in found.all("input") if one.get("type") == "checkbox"]
    assert [one["value"] for one in boxes] == ["read", "activity:read_all", "profile:read_all"]
    assert all("checked" in one for one in boxes)
    assert [one["value"] for one in boxes if "disabled" in one] == ["read"]


def test_whatever_an_app_or_a_name_contains_is_text_on_the_page() -> None:
    athlete = next(iter(invent_athletes(1, 1)))
    nasty = "\"><script>alert('x')</script>"
    named = type(athlete)(id=1, firstname=nasty, lastname="&amp;", sex=None, home=athlete.home)
    text = consent_page(
        client_id=1, returns_to=nasty, scopes=["read", nasty], athletes=[named], chosen_id=1, note=nasty
    )
    assert "<script" not in text
    assert Page(text).all("script") == []
    # The name, the address, the note, and the scope as value, as meaning and as code.
    assert text.count("&lt;script&gt;") == 6


async def test_ten_thousand_athletes_do_not_make_a_page_of_a_megabyte(serve: Serve) -> None:
    served = await serve("--athletes", "600", "--connected", "0")
    _, text = await page(served)
    assert len(text) < 40_000
    last = list(served.strava.world.athletes)[-1]
    back = await decide(served, {"athlete_id": str(served.athlete_id), "other_athlete_id": str(last)})
    assert (await exchange(served, back["code"]))[1]["athlete"]["id"] == last


async def test_a_consent_becomes_a_code_and_the_code_becomes_tokens_with_the_athlete(serve: Serve) -> None:
    served = await serve("--connected", "0")
    assert served.strava.tokens.of(served.athlete_id) is None
    back = await consent(served, "activity:read_all", "profile:read_all")
    assert list(back) == ["state", "code", "scope"]
    assert back["state"] == QUESTION["state"]
    assert back["scope"] == "read,activity:read_all,profile:read_all"
    status, shown = await exchange(served, back["code"])
    assert status == 200
    assert shown["scope"] == back["scope"]
    assert (shown["athlete"]["id"], shown["athlete"]["resource_state"]) == (served.athlete_id, 2)
    assert (await served.get("/athlete/zones", token=shown["access_token"]))[0] == 200
    assert (await served.refresh(shown["refresh_token"]))[0] == 200


async def test_what_is_unticked_is_not_granted_and_read_cannot_be_unticked(serve: Serve) -> None:
    served = await serve()
    back = await consent(served, "profile:read_all")
    assert back["scope"] == "read,profile:read_all"
    _, shown = await exchange(served, back["code"])
    assert (await served.get("/athlete/activities", token=shown["access_token"]))[0] == 401
    assert (await consent(served))["scope"] == "read"


async def test_more_cannot_be_ticked_than_the_app_asked_for(serve: Serve) -> None:
    back = await consent(await serve(), "activity:read_all", "activity:write", scope="activity:read_all")
    assert back["scope"] == "read,activity:read_all"


async def test_a_no_comes_back_as_access_denied_with_the_state_and_no_code(serve: Serve) -> None:
    served = await serve()
    back = await decide(served, {"athlete_id": str(served.athlete_id), "decision": "cancel"})
    assert back == {"state": QUESTION["state"], "error": "access_denied"}


async def test_the_apps_own_parameters_stay_in_the_address(serve: Serve) -> None:
    served = await serve()
    back = await consent(served, redirect_uri=f"{BACK}?mine=1", state="")
    assert (back["mine"], back["state"]) == ("1", "")


async def test_a_code_is_good_once_and_for_ten_minutes(serve: Serve) -> None:
    served = await serve()
    first, second = await consent(served), await consent(served)
    assert (await exchange(served, first["code"]))[0] == 200
    status, body = await exchange(served, first["code"])
    assert (status, body["errors"][0]["field"]) == (400, "code")
    await served.control("PATCH", "/settings", clock_offset=601)
    assert (await exchange(served, second["code"]))[0] == 400


async def test_a_fresh_code_can_be_invalid_for_two_seconds_and_is_not_spent_by_trying(serve: Serve) -> None:
    served = await serve()
    await served.control("PATCH", "/settings", code_ready_after=2)
    back = await consent(served)
    assert (await exchange(served, back["code"]))[0] == 400
    await served.control("PATCH", "/settings", clock_offset=2.5)
    assert (await exchange(served, back["code"]))[0] == 200


async def test_a_revocation_also_ends_codes_that_were_not_exchanged(serve: Serve) -> None:
    served = await serve()
    back = await consent(served)
    await served.control("POST", f"/athletes/{served.athlete_id}/revoke")
    assert (await exchange(served, back["code"]))[0] == 400


async def test_connecting_again_kills_the_tokens_that_were_there(serve: Serve) -> None:
    served = await serve()
    before = served.grant
    access, refresh = before.access_token, before.refresh_token
    back = await consent(served, "activity:read_all")
    assert (await served.get("/athlete", token=access))[0] == 200  # a code alone changes nothing
    assert (await exchange(served, back["code"]))[0] == 200
    assert (await served.get("/athlete", token=access))[0] == 401
    assert (await served.refresh(refresh))[0] == 400


async def test_who_granted_it_all_before_is_sent_back_without_a_page_unless_the_app_forces_one(
    serve: Serve,
) -> None:
    served = await serve()
    assert (await page(served, approval_prompt="auto"))[0] == 200  # this browser has not signed in yet
    await exchange(served, (await consent(served, "activity:read_all"))["code"])
    assert (await page(served, approval_prompt="auto", scope="activity:read_all"))[0] == 302
    assert (await page(served, approval_prompt="auto", scope="activity:read"))[
        0
    ] == 302  # the wider one was granted
    assert (await page(served, approval_prompt="auto", scope="profile:read_all"))[0] == 200
    status, text = await page(served, scope="activity:read_all")
    assert status == 200
    assert [one["value"] for one in Page(text).all("option") if "selected" in one] == [str(served.athlete_id)]


async def test_an_athlete_who_does_not_exist_gets_the_page_again_with_a_sentence(serve: Serve) -> None:
    served = await serve()
    for nobody in ("1", "²", "<b>", "9" * 5_000):
        form = {"athlete_id": nobody, "decision": "authorize"}
        async with served.client.post("/oauth/authorize", params=QUESTION, data=form) as answer:
            text = await answer.text()
            assert answer.status == 400
            assert "There is no athlete" in text
            assert "<b>" not in text
    assert (await served.control("GET", "/counts"))["failures"] == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"client_id": "1"}, faults.INVALID_CLIENT),
        ({"client_id": ""}, faults.INVALID_CLIENT),
        ({"redirect_uri": ""}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "localhost"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "http://elsewhere.example/back"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "http://localhost.elsewhere.example"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "http://localhost@elsewhere.example"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "javascript://localhost/%0aalert(1)"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "http://[::1"}, faults.INVALID_REDIRECT_URI),
        ({"redirect_uri": "http://localhost:99999999/"}, faults.INVALID_REDIRECT_URI),
        ({"response_type": "token"}, faults.INVALID_RESPONSE_TYPE),
        ({"response_type": ""}, faults.INVALID_RESPONSE_TYPE),
        ({"approval_prompt": "maybe"}, faults.INVALID_APPROVAL_PROMPT),
        ({"scope": ""}, faults.INVALID_SCOPE),
        ({"scope": "view_private"}, faults.INVALID_SCOPE),
        ({"scope": "read,read"}, faults.INVALID_SCOPE),
        ({"scope": "read activity:read"}, faults.INVALID_SCOPE),
    ],
)
async def test_a_senseless_question_is_refused_in_stravas_words(
    serve: Serve, method: str, changed: dict[str, str], refusal: faults.Refusal
) -> None:
    served = await serve()
    params = QUESTION | changed
    async with served.client.request(method, "/oauth/authorize", params=params, allow_redirects=False) as answer:
        assert (answer.status, await answer.read()) == (refusal.status, refusal.body)


@pytest.mark.parametrize(
    ("domain", "redirect_uri"),
    [
        ("app.example", "https://app.example/back"),
        ("app.example", "https://deep.app.example/back"),
        ("app.example", "myapp://app.example"),
        ("app.example", "http://127.0.0.1:9000/back"),
        ("*", "https://anywhere.example/"),
    ],
)
def test_the_address_may_lie_in_the_apps_domain_and_on_this_machine(domain: str, redirect_uri: str) -> None:
    wish = read_wish(QUESTION | {"redirect_uri": redirect_uri}, parse_options(["--callback-domain", domain]))
    assert wish.granted("c", "read").startswith(redirect_uri)


async def test_beyond_the_limit_nobody_new_connects_but_who_is_connected_may_again(serve: Serve) -> None:
    served = await serve("--athletes", "3", "--connected", "1", "--athlete-limit", "2")
    first, second, third = served.strava.world.athletes
    late = await consent(served, athlete_id=third)
    assert (await exchange(served, (await consent(served, athlete_id=second))["code"]))[0] == 200
    form = {"athlete_id": str(third), "decision": "authorize"}
    async with served.client.post("/oauth/authorize", params=QUESTION, data=form) as answer:
        assert (answer.status, await answer.read()) == (403, faults.ATHLETE_LIMIT_REACHED.body)
    status, body = await exchange(served, late["code"])
    assert (status, body["errors"][0]["field"]) == (403, "limit of connected athletes")
    assert (await exchange(served, (await consent(served, athlete_id=first))["code"]))[0] == 200
    async with served.client.post(f"/sandbox/athletes/{third}/authorize") as answer:
        assert answer.status == 400
    await served.control("PATCH", "/settings", athlete_limit=0)
    assert (await exchange(served, (await consent(served, athlete_id=third))["code"]))[0] == 200


async def test_a_place_that_a_revocation_frees_can_be_taken(serve: Serve, callback: Callback) -> None:
    served = await serve("--athletes", "2", "--connected", "1", "--athlete-limit", "1", "--callback", callback.url)
    first, second = served.strava.world.athletes
    await served.control("POST", f"/athletes/{first}/revoke", event=False)
    assert (await exchange(served, (await consent(served, athlete_id=second))["code"]))[0] == 200


async def test_consent_is_no_call_of_the_api_but_can_be_struck_by_a_fault(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="error_503", endpoint="authorize", count=1)
    assert (await page(served))[0] == 503
    assert (await page(served))[0] == 200
    counts = await served.control("GET", "/counts")
    assert counts["endpoints"] == {"authorize": 2}
    assert counts["meters"]["overall"]["quarter"]["counted"] == 0
    await served.control("POST", "/faults", kind="wrong_types", endpoint="*")
    assert (await page(served))[0] == 200  # a page has no types to be wrong


async def test_no_code_reaches_the_journal(serve: Serve) -> None:
    served = await serve()
    code = (await consent(served))["code"]
    async with served.client.post(
        "/oauth/token", params=CLIENT | {"grant_type": "authorization_code", "code": code}
    ):
        pass
    entries = await served.control("GET", "/requests")
    assert code not in str(entries)
    assert "sandbox-secret" not in str(entries)

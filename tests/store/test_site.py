"""The daemon's whole site, wired as it runs: what is served is described, and what is described is served."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from daemon import config
from daemon.core.bearer import Scope
from daemon.front import Running, site
from daemon.jobs.kinds import KINDS, WELLNESS
from daemon.loops.inbox import Budget, Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.loops.news import Feed
from daemon.loops.pulse import Pulse
from daemon.loops.staleness import FleetStaleness
from daemon.loops.worker import Work, Worker
from daemon.metrics import Metrics
from daemon.store.opening import window_lengths
from daemon.web.doors import Doors
from daemon.web.endpoints import Who
from daemon.web.openapi import TAGS, refusals
from daemon.web.problems import every
from daemon.web.server import application, serving
from daemon.web.site import NOT_DESCRIBED, Site
from tests.support.admin import bearer, make_tokens
from tests.support.daemon import INTERVALS_SECRET, VERIFY_TOKEN, WEBHOOK_SECRET, Daemon
from tests.support.workshop import Workshop

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = "/static/{version}/{name}"


class House:
    """The site, served; `described` is its openapi.json."""

    def __init__(self, site: Site, address: str, session: aiohttp.ClientSession) -> None:
        self.site = site
        self.address = address
        self.session = session
        self.described: Any = {}

    async def ask(
        self, path: str, method: str = "GET", scope: Scope | None = Scope.OPERATE, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        given = bearer(scope) | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.address + path, headers=given) as answer:
            return answer, await answer.read()


def wired(shop: Workshop, directory: Path) -> Site:
    """Wire the pages as the daemon does; none of its loops runs."""
    settings = config.load(Daemon(directory, shop.sandbox, 8000).config)
    rooms, client_id, lengths = shop.rooms, settings.strava.client_id, window_lengths(settings)
    fleet = FleetStaleness(rooms.database, client_id, rooms.clock)
    running = Running(
        pulse=Pulse(rooms.database, client_id, lengths, rooms.gate.shut_reason, fleet, rooms.clock),
        worker=Worker(rooms, KINDS, Work(workers=1, lease_seconds=60, max_attempts=1)),
        readers=Worker(rooms, WELLNESS, Work(workers=1, lease_seconds=60, max_attempts=1)),
        inbox=Inbox(rooms.database, lambda: None),
        hints=IntervalsHints(rooms.database, Budget(1, 1), rooms.clock, lambda: None),
        feed=Feed(rooms.database),
        metrics=Metrics(tuple(KINDS)),
    )
    return site(settings, rooms, running)


@pytest_asyncio.fixture
async def house(shop: Workshop, tmp_path: Path) -> AsyncIterator[House]:
    await make_tokens(shop.rooms.database)
    site = wired(shop, tmp_path)
    async with (
        serving(application(site.routes()), "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
    ):
        house = House(site, address, session)
        async with session.get(f"{address}/openapi.json") as answer:
            house.described = await answer.json()
        yield house


async def test_what_is_routed_is_described_or_named_with_a_reason_and_nothing_else_is(house: House) -> None:
    routed = {
        (route.method, route.resource.canonical)
        for route in application(house.site.routes()).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(method.upper(), path) for path, methods in house.described["paths"].items() for method in methods}
    exempt = {(method, path) for method, path in routed if path in NOT_DESCRIBED or path == FILES}

    assert routed - exempt == described
    assert {path for _, path in exempt} == {*NOT_DESCRIBED, FILES}  # what is gone needs no reason


def test_a_page_that_is_neither_described_nor_named_is_not_served(house: House) -> None:
    async def shown(_: web.Request) -> web.Response:
        return web.Response()

    doors = Doors(None, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="/secret: make it an Endpoint"):
        Site(doors, house.site.endpoints[:-1], [web.get("/secret", shown)])


async def test_the_description_is_valid_and_whole(house: House) -> None:
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(house.described)] == []

    operations = [each for methods in house.described["paths"].values() for each in methods.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert {tag for each in operations for tag in each["tags"]} <= TAGS.keys()
    assert all(each["summary"].endswith(".") for each in operations)
    for name in references(house.described):
        found = house.described
        for part in name.removeprefix("#/").split("/"):
            found = found[part]
    assert not [name for name in house.described["components"]["schemas"] if "__" in name]  # two of one name
    bare = {re.sub(r"{\w+}", "{}", path) for path in house.described["paths"]}
    assert len(bare) == len(house.described["paths"])


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for each in schema for name in references(each)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    return own | {name for each in schema.values() for name in references(each)}


async def test_the_description_holds_no_secret_and_loads_nothing_from_elsewhere(house: House) -> None:
    _, written = await house.ask("/openapi.json", scope=None)
    _, page = await house.ask("/api", scope=None)
    for text in (written.decode(), page.decode()):
        assert not [secret for secret in (WEBHOOK_SECRET, VERIFY_TOKEN, INTERVALS_SECRET) if secret in text]
    for mark in ('src="http', 'href="http', "<script", "style="):
        assert mark not in page.decode()


async def test_every_problem_is_told_on_the_page_and_at_its_own_address(house: House) -> None:
    answer, page = await house.ask("/api", scope=None)
    assert answer.status == 200
    for problem in every().values():
        assert problem.when.endswith(".") and problem.then.endswith("."), problem
        assert f'id="problems-{problem.name}"' in page.decode()
        answer, told = await house.ask(problem.type, scope=None)
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert problem.title.lower() in told.decode().lower()
    assert (await house.ask("/problems/none-such", scope=None))[0].status == 404


async def test_the_page_tells_every_address_with_a_call_that_names_no_real_host(house: House) -> None:
    page = (await house.ask("/api", scope=None))[1].decode()
    for path, methods in house.described["paths"].items():
        for method, operation in methods.items():
            assert f'<h3 id="{operation["operationId"]}">' in page, (method, path)
    assert page.count("https://domestique.example.org") >= len(house.described["paths"])


async def test_every_address_behind_a_door_names_a_parameter_that_it_does_not_know(house: House) -> None:
    for endpoint in house.site.endpoints:
        if endpoint.who in {Who.READ, Who.OPERATE}:
            path = re.sub(r"\{\w+\}", "4711", endpoint.path)
            answer, body = await house.ask(f"{path}?no_such=1", endpoint.method)
            assert answer.status == 400, (endpoint.method, path)
            assert b"/problems/bad-query" in body and b"no_such: is not a parameter" in body


async def test_what_is_read_has_a_tag_answers_304_to_it_and_to_head_without_a_body(house: House) -> None:
    for path in ("/openapi.json", "/api", "/scheduler/jobs", "/scheduler/runs", "/backfill"):
        answer, body = await house.ask(path)
        tag = answer.headers["ETag"]
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, no-cache")
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again, nothing = await house.ask(path, If_None_Match=known)
            assert (again.status, again.headers["ETag"], nothing) == (304, tag, b""), (path, known)
        other, whole = await house.ask(path, If_None_Match='"other"')
        assert (other.status, whole) == (200, body)
        head, nothing = await house.ask(path, "HEAD")
        assert (head.status, head.headers["ETag"], nothing) == (200, tag, b"")
        assert head.headers["Content-Length"] == str(len(body))


async def test_errors_of_the_server_itself_are_problems_for_programs_and_pages_for_browsers(house: House) -> None:
    for path, method, status, name in (
        ("/nowhere", "GET", 404, "not-found"),
        ("/quota", "POST", 405, "method-not-allowed"),
    ):
        answer, body = await house.ask(path, method)
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert f'"/problems/{name}"'.encode() in body
        shown, _ = await house.ask(path, method, Accept="text/html")
        assert (shown.status, shown.content_type) == (status, "text/html")
    assert set((await house.ask("/quota", "POST"))[0].headers["Allow"].split(",")) == {"GET", "HEAD"}


def test_every_problem_that_an_address_may_answer_is_one_that_is_told(house: House) -> None:
    assert {problem for endpoint in house.site.endpoints for problem in refusals(endpoint)} <= set(every().values())


def documented_calls() -> list[tuple[str, list[str]]]:
    """Return every call of this API that a page shows, as file and arguments; the sandbox's tell another API."""
    found = []
    for page in sorted(DOCS.rglob("*.md")):
        if page.name == "sandbox.md":
            continue
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = re.findall(
            r"^(?:\$ |# )?[^`\n]*?\bcurl (-[^\n]*|\"?\$HOST[^\n]*|https?:[^\n]*)$", text, re.MULTILINE
        )
        found += [(page.name, shlex.split(re.split(r" [>|]", line)[0])) for line in lines]
    return found


async def test_every_call_that_the_documents_show_is_described_and_says_what_it_sends(house: House) -> None:
    calls = documented_calls()
    assert {name for name, _ in calls} >= {"api.md", "install.md", "wellness.md"}
    for name, words in calls:
        (address,) = [word for word in words if re.match(r"https?://|\$HOST", word)]
        path = re.sub(r"^(https?://[^/]+|\$HOST)|\?.*$", "", address)
        bodies = [value for flag, value in pairwise(words) if flag in {"-d", "--data"}]
        method = dict(pairwise(words)).get("-X", "POST" if bodies else "GET").lower()
        assert [
            methods
            for pattern, methods in house.described["paths"].items()
            if method in methods and re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path)
        ], (name, method, path)
        assert not bodies or "Content-Type: application/json" in words, (name, path)
        for body in bodies:
            orjson.loads(body)

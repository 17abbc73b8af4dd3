"""The page about the sandbox says what is there, all of it, and what it shows works as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from sandbox.authorization import PATHS
from sandbox.deeds import DEEDS, activities, settings
from sandbox.deeds.disorder import ENDPOINTS
from sandbox.options import parse_options
from sandbox.scenario import read_scenario
from sandbox.server import build
from sandbox.sessions import KINDS as SESSION_KINDS
from sandbox.sessions import SHAPES
from sandbox.stage import Stage
from sandbox.switches import KINDS
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.served_sandbox import Serve

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8300"
NEXT = "--- next ---"


def section(title: str) -> str:
    """Return the text below a heading, up to the next one."""
    _, _, after = PAGE.partition(f"\n## {title}\n")
    assert after, f"the page has no section {title}"
    return after.partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def first_cells(text: str) -> set[str]:
    """Return what stands in backquotes in the first column of the tables."""
    cells = re.findall(r"^\|(.*?)\|", text, flags=re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"}


def control_routes(app: web.Application) -> set[str]:
    served = ((route.method, route.resource) for route in app.router.routes() if route.method != "HEAD")
    named = {f"{method} {resource.canonical}" for method, resource in served if resource is not None}
    return {route for route in named if " /sandbox" in route}


async def test_every_control_route_is_on_the_page_and_no_other(serve: Serve) -> None:
    served = await serve()
    told = {cell for cell in first_cells(section("Control routes")) if " /sandbox" in cell}
    assert told == control_routes(build(served.strava))


def test_every_flag_is_on_the_page_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--help"])
    there = flags_in(capsys.readouterr().out)
    assert {word.split()[0] for word in first_cells(section("Flags"))} == there
    assert flags_in(PAGE) == there


def test_every_setting_fault_deed_and_field_is_on_the_page() -> None:
    assert first_cells(section("Settings")) == set(settings.FIELDS)
    for words in settings.WORDS.values():
        assert all(f"`{word}`" in section("Settings") for word in words)
    assert first_cells(section("Scenarios")) == set(DEEDS)
    control = section("Control routes")
    assert {*KINDS, "foreign_use"} <= first_cells(control)
    named = set(re.findall(r"`([^`]+)`", control))
    assert named >= {*ENDPOINTS, *activities.MAKE_FIELDS, *SESSION_KINDS, *SHAPES}


async def test_the_addresses_that_are_given_to_apps_are_served(serve: Serve) -> None:
    served = await serve()
    given = re.findall(rf"`{ADDRESS}(/[^`]*)`", section("Point your app at it"))
    assert given == ["/api/v3", "/oauth/authorize", "/oauth/token"]
    assert set(PATHS) >= {"/oauth/authorize", "/oauth/mobile/authorize"}
    for path in ("/oauth/authorize", "/oauth/mobile/authorize", "/api/v3/athlete"):
        async with served.client.get(path) as answer:
            assert answer.status in {400, 401}


async def test_the_scenario_on_the_page_can_be_played(serve: Serve) -> None:
    (shown,) = blocks(section("Scenarios"), "json")
    served = await serve()
    steps = read_scenario(shown, Stage(served.strava, DEEDS))
    assert [step.do for step in steps] == [orjson.loads(line)["do"] for line in shown.splitlines()]


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(athletes=5) as running:
        yield running


async def run(*command: str, **more: str) -> str:
    """Run a command and return what it wrote; fails the test with its errors."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


def commands(session: str) -> list[tuple[str, str]]:
    """Return each command of a console block with the output that is shown for it."""
    found: list[tuple[str, str]] = []
    for chunk in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = chunk.splitlines()
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\")) + 1
        found.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_session_with_curl_runs_as_it_is_shown(sandbox: Sandbox) -> None:
    (session,) = blocks(section("A session with curl"), "console")
    shown = commands(session)
    script = "\n".join(f"{command}\necho '\n{NEXT}'" for command, _ in shown).replace(ADDRESS, sandbox.url)
    *outputs, rest = (await run("bash", "-euc", script)).split(NEXT)
    assert rest.strip() == ""
    for (command, expected), output in zip(shown, outputs, strict=True):
        pattern = re.escape(expected).replace("…", ".*")
        assert re.fullmatch(pattern, output.strip(), flags=re.DOTALL), f"{command}\n{output.strip()}"


async def test_the_example_with_stravalib_runs_as_it_is_shown(sandbox: Sandbox) -> None:
    (example,) = blocks(section("From Python: stravalib"), "python")
    made = await sandbox.make_activity(kind="manual", name="Shown to stravalib", event=False)
    athlete = (await sandbox.athletes())[0]
    await sandbox.settings(read_limits=[600, 30_000])
    output = await run(sys.executable, "-c", example.replace(ADDRESS, sandbox.url), SILENCE_TOKEN_WARNINGS="1")
    assert output.startswith(str(athlete["id"]))
    assert "Shown to stravalib" in output
    await sandbox.delete_activity(made, event=False)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
async def test_the_example_in_javascript_runs_as_it_is_shown(sandbox: Sandbox) -> None:
    (example,) = blocks(section("From JavaScript, and anything else"), "js")
    token = (await sandbox.athletes())[0]["access_token"]
    await sandbox.settings(read_limits=[600, 30_000])
    command = ("node", "--input-type=module", "-e", example)
    assert (await run(*command, STRAVA_API=sandbox.api_url, STRAVA_TOKEN=token)).strip()

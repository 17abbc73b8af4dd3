"""The daemon's wire and the sandbox's Intervals.icu against the published description, each by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from daemon.intervals import wire
from sandbox import wellness
from tests.support.sandbox import Sandbox, running_sandbox

DESCRIPTION = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "intervals-openapi.json"
LIST = "/api/v1/athlete/{id}/wellness{ext}"
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason="the published description of Intervals.icu is not on this machine"
)


@cache
def description() -> Any:
    return orjson.loads(DESCRIPTION.read_bytes())


def described() -> dict[str, Any]:
    properties: dict[str, Any] = description()["components"]["schemas"]["Wellness"]["properties"]
    return properties


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(athletes=4) as running:
        yield running


async def ask(sandbox: Sandbox, athlete: dict[str, Any], path: str, **query: str) -> bytes:
    headers = {"Authorization": aiohttp.encode_basic_auth("API_KEY", athlete["intervals_api_key"])}
    url = f"{sandbox.intervals_url}{path}"
    async with sandbox.session.get(url, params=query, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


def test_every_field_that_we_ask_for_is_described_as_a_number() -> None:
    for name in wire.NAMES:
        assert described()[name]["type"] in {"integer", "number"}, name
    request = wire.wellness(date(2026, 3, 1), date(2026, 3, 2))
    assert set(request.params["fields"].split(",")) <= described().keys()
    parameters = description()["paths"][LIST]["get"]["parameters"]
    assert request.params.keys() <= {one["name"] for one in parameters if one["in"] == "query"}


def test_the_two_ways_to_be_known_there_are_ours() -> None:
    schemes = description()["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"basic", "bearer"}
    assert "API_KEY" in schemes["APIKey"]["description"]


def test_the_sandbox_serves_every_described_field_and_no_other() -> None:
    assert list(wellness.FIELDS) == list(described())


async def test_the_sandbox_s_records_are_as_described_and_our_wire_reads_them(sandbox: Sandbox) -> None:
    today = datetime.now(UTC).date()
    oldest_on = today - timedelta(days=59)
    seen: set[str] = set()
    for athlete in await sandbox.athletes():
        whole = await ask(sandbox, athlete, "/athlete/0/wellness", oldest=f"{oldest_on}", newest=f"{today}")
        records = orjson.loads(whole)
        for record in records:
            for name, value in record.items():
                kind = KINDS[described()[name]["type"]]
                assert value is None or isinstance(value, kind), (name, value)
        request = wire.wellness(oldest_on, today)
        chosen = await ask(sandbox, athlete, f"/{request.url}", **request.params)
        days = wire.decipher(request, 200, {}, chosen, datetime.now(UTC))
        assert days == wire.decipher(request, 200, {}, whole, datetime.now(UTC))
        assert len(days) > 45
        seen |= {name for values in days.values() for name in values}
        called = wire.decipher(
            wire.athlete(), 200, {}, await ask(sandbox, athlete, "/athlete/0"), datetime.now(UTC)
        )
        assert called == athlete["intervals_id"]
    assert {"resting_hr", "hrv_rmssd", "sleep_seconds", "weight_kg"} <= seen

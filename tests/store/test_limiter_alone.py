"""The gate without the daemon, as its documentation shows it: the example is run as it stands there."""

from __future__ import annotations

import textwrap
from typing import Any

import aiohttp

import daemon.limiter
from daemon.core.admission import Lane
from daemon.limiter.standalone import open_gate
from daemon.store.database import Database
from daemon.strava import wire
from tests.support.sandbox import running_sandbox


async def test_the_documented_use_asks_the_sandbox_once_on_one_permit_and_learns_the_limits(
    arguments: dict[str, Any], database: Database
) -> None:
    lines = [line for line in (daemon.limiter.__doc__ or "").splitlines() if line.startswith("    ")]
    assert len(lines) == 5
    address = "postgresql://{user}:{password}@/{database}?host={host}".format_map(arguments)
    example = textwrap.dedent("\n".join(lines)).replace("postgresql://…/name", address)

    async with running_sandbox() as sandbox:
        athlete = (await sandbox.athletes())[0]
        names = {
            "open_gate": open_gate,
            "aiohttp": aiohttp,
            "Lane": Lane,
            "wire": wire,
            "STRAVA": sandbox.api_url,
            "authorization": {"Authorization": f"Bearer {athlete['access_token']}"},
        }
        exec(f"async def use():\n{textwrap.indent(example, '    ')}", names)
        await names["use"]()  # type: ignore[operator]
        counts = await sandbox.counts()

    assert counts["endpoints"] == {"athlete": 1}
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM quota_ledgers WHERE client_id = 12345")
    assert row is not None
    assert row["limits_learned"]
    # Just after a turn the answer is taken in as silent: it may have been counted on either side.
    assert (row["quarter_charged"], row["quarter_shown"] + row["quarter_silent"]) == (1, 1)

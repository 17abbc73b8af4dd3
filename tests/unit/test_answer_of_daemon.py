"""A command finds the daemon wherever the settings let it listen."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from daemon import config
from daemon.cli.status import answer_of_daemon
from daemon.web.server import application, serving
from tests.unit.test_config import COMPLETE


def has_version_6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


VERSION_6 = pytest.mark.skipif(not has_version_6(), reason="this machine has no loopback of IPv6")


async def health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "checks": []})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0.0.0.0", pytest.param("::1", marks=VERSION_6), pytest.param("::", marks=VERSION_6)]
)
async def test_a_daemon_that_listens_is_found(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    file = tmp_path / "config.toml"
    async with serving(application([web.get("/health", health)]), host, 0) as address:
        file.write_text(f'{COMPLETE}\n[web]\nhost = "{host}"\nport = {address.rpartition(":")[2]}\n')
        answer = await answer_of_daemon(config.load(file))
    assert (answer["running"], answer["says"]) == (True, "ok"), answer

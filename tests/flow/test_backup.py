"""`backup` beside a running daemon, `restore` instead of one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import IO

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon
from tests.support.forked import ROOT


async def piped(daemon: Daemon, *arguments: str, source: Path | None = None, target: Path | None = None) -> str:
    """Run a command between files, as a shell does; returns what it complained about, with its status before it."""
    with open_or_nothing(source, "rb") as stdin, open_or_nothing(target, "wb") as stdout:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "daemon", *arguments, "--config", str(daemon.config),
            stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        async with asyncio.timeout(90):
            _, complaints = await process.communicate()
    assert b"Traceback" not in complaints
    return f"{process.returncode}: {complaints.decode()}"


def open_or_nothing(path: Path | None, mode: str) -> IO[bytes]:
    return (path or Path("/dev/null")).open(mode)


async def test_what_a_running_daemon_was_backed_up_with_comes_back_and_it_goes_on(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(athletes=2)
    athletes = await daemon.import_athletes()
    file = tmp_path / "domestique.dump"

    assert await piped(daemon, "backup", target=file) == "0: "
    refused = await piped(daemon, "restore", "--replace", source=file)
    assert refused.startswith("1: domestique: a daemon or a command uses this database: stop them first")

    await daemon.rows("DELETE FROM athletes WHERE athlete_id = $1", athletes[0])
    assert await daemon.stop() == 0
    refused = await piped(daemon, "restore", source=file)
    assert refused.startswith("1: domestique: the database holds")
    assert (await piped(daemon, "restore", "--replace", source=file)).startswith("0: restored")

    await daemon.start()
    assert await daemon.value("SELECT count(*) FROM athletes") == len(athletes)

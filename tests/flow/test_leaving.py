"""What an operator does for an athlete who wants to go: the file, then the erasure, beside a daemon or without."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually


async def test_an_operator_hands_over_the_file_and_erases(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2, started=False)
    first, second = await daemon.import_athletes(name="Eve [/b]\x1b[2J")
    assert "Eve [/b]�[2J" in (await daemon.command("athletes", "list"))[1]
    file = daemon.directory / "his.zip"
    status, output, complaints = await daemon.command("athletes", "export", str(first), "--to", str(file), "--json")
    assert status == 0, complaints
    assert json.loads(output) == {"athlete_id": first, "file": str(file), "bytes": file.stat().st_size}
    with ZipFile(file) as archive:
        assert json.loads(archive.read("json/athlete.json"))["athlete"]["athlete_id"] == first
    nowhere = daemon.directory / "nowhere" / "his.zip"
    status, _, complaints = await daemon.command("athletes", "export", str(first), "--to", str(nowhere))
    assert (status, "choose another place" in complaints) == (1, True)

    for more in ((), ("--to", "-")):  # as a shell does, where the command may write nowhere else
        said = await daemon.piped("athletes", "export", str(first), *more, target=file)
        assert said == f"0: athlete {first}: {file.stat().st_size:,} bytes\n"
        with ZipFile(file) as archive:
            assert json.loads(archive.read("json/athlete.json"))["athlete"]["athlete_id"] == first
    said = await daemon.piped("athletes", "export", str(first), "--to", "-", "--json", target=file)
    assert json.loads(said.removeprefix("0: ")) == {"athlete_id": first, "file": "-", "bytes": file.stat().st_size}
    said = await daemon.piped("athletes", "export", str(first), target=Path("/dev/full"))
    assert said.startswith("1: domestique: cannot write standard output (No space left on device)")
    said = await daemon.piped("athletes", "export", "1", target=file)
    assert (said.startswith("1: there is no athlete 1"), file.stat().st_size) == (True, 0)

    status, output, complaints = await daemon.command("athletes", "erase", str(first))  # nobody says yes
    assert output.startswith(f"Erase athlete {first} (Eve [/b]�[2J) with 0 activities, for ever?")
    assert (status, await athletes_of(daemon)) == (130, [first, second]), complaints
    status, output, complaints = await daemon.command("athletes", "erase", str(first), "--yes", "--json")
    assert status == 0, complaints
    assert json.loads(output) == {"athlete_id": first, "activities": 0, "strava_told": True}
    assert await athletes_of(daemon) == [second]
    assert {row["id"]: row["connected"] for row in await daemon.sandbox.athletes()} == {first: False, second: True}
    for command in (("export", str(first)), ("erase", str(first), "--yes")):
        status, _, complaints = await daemon.command("athletes", *command)
        assert (status, f"there is no athlete {first}" in complaints) == (1, True)

    await daemon.start()
    token = await daemon.new_token("operate")
    headers = {"Authorization": f"Bearer {token}"}
    async with daemon.sandbox.session.delete(f"{daemon.url}/athletes/{second}", headers=headers) as answer:
        assert (answer.status, (await answer.json())["athlete_id"]) == (202, second)

    async def is_empty() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM athletes") == 0)

    await eventually(is_empty)
    assert not daemon.log_lines("job.broke")


async def athletes_of(daemon: Daemon) -> list[int]:
    status, output, complaints = await daemon.command("athletes", "list", "--json")
    assert status == 0, complaints
    return sorted(row["athlete_id"] for row in json.loads(output))

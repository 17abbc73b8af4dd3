"""`backup` beside a running daemon, `restore` instead of one."""

from __future__ import annotations

from pathlib import Path

from tests.flow.conftest import MakeHouse


async def test_what_a_running_daemon_was_backed_up_with_comes_back_and_it_goes_on(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    daemon = await make_house(athletes=2)
    athletes = await daemon.import_athletes()
    file = tmp_path / "domestique.dump"

    assert await daemon.piped("backup", target=file) == "0: "
    refused = await daemon.piped("restore", "--replace", source=file)
    assert refused.startswith("1: domestique: a daemon or a command uses this database: stop them first")

    await daemon.rows("DELETE FROM athletes WHERE athlete_id = $1", athletes[0])
    assert await daemon.stop() == 0
    refused = await daemon.piped("restore", source=file)
    assert refused.startswith("1: domestique: the database holds")
    assert (await daemon.piped("restore", "--replace", source=file)).startswith("0: restored")

    await daemon.start()
    assert await daemon.value("SELECT count(*) FROM athletes") == len(athletes)

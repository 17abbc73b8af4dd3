"""The doctor names what is wrong with an installation, one broken thing at a time, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from daemon.vault.cipher import new_key
from tests.flow.conftest import MakeHouse
from tests.support.daemon import Daemon, eventually

Lines = dict[str, dict[str, Any]]
# The database had not answered within two seconds, or the event loop was late, and nothing else was wrong.
WRONG_WHILE_BUSY = re.compile(r"\((database|event_loop|database, event_loop)\)$")


async def examined(daemon: Daemon, change: Callable[[str], str] = lambda text: text) -> tuple[int, Lines]:
    """Let the doctor look, with settings changed for that; again where he met a beat of a machine that was busy."""
    settings = daemon.config.read_text(encoding="utf-8")
    found: list[tuple[int, Lines]] = []

    async def is_examined() -> bool:
        status, output, complaints = await daemon.command("doctor", "--json")
        assert status in {0, 1}, complaints
        lines = {line["name"]: line for line in json.loads(output)["lines"]}
        found.append((status, lines))
        return WRONG_WHILE_BUSY.search(lines["daemon"]["found"]) is None

    daemon.config.write_text(change(settings), encoding="utf-8")
    try:
        await eventually(is_examined)
    finally:
        daemon.config.write_text(settings, encoding="utf-8")
    return found[-1]


def only_wrong(lines: Lines) -> set[str]:
    return {name for name, line in lines.items() if line["verdict"] != "ok"}


async def test_the_doctor_finds_what_was_broken_and_nothing_else(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2, strava__callback_url='"PLACE"', started=False)
    daemon.config.write_text(daemon.config.read_text().replace("PLACE", daemon.url), encoding="utf-8")
    await daemon.import_athletes()

    # Before the first start: nobody answers, and all else is looked at.
    status, lines = await examined(daemon)
    assert status == 1
    assert only_wrong(lines) == {"daemon", "callback"}, lines["daemon"]
    assert "nobody answers" in lines["daemon"]["found"]
    assert "start" in lines["daemon"]["advice"]

    await daemon.start()
    status, lines = await examined(daemon)
    assert only_wrong(lines) == set(), lines["daemon"]
    assert status == 0
    assert "fits" not in lines["vault"]["found"]

    # 1. Another app's secret.
    status, lines = await examined(daemon, lambda text: text.replace("sandbox-secret", "not-the-secret"))
    assert (status, only_wrong(lines)) == (1, {"strava_app", "subscription"}), lines["daemon"]
    assert "client_secret" in lines["strava_app"]["advice"]

    # 2. A key that nothing was sealed with.
    key = new_key().get_secret_value()
    status, lines = await examined(daemon, lambda text: with_value(text, "keys", f'["{key}"]'))
    assert (status, only_wrong(lines)) == (1, {"vault"}), lines["daemon"]
    assert "put the key back" in lines["vault"]["advice"]

    # 3. A callback that leads to something else.
    url = daemon.sandbox.url
    status, lines = await examined(daemon, lambda text: with_value(text, "callback_url", f'"{url}"'))
    assert (status, only_wrong(lines)) == (1, {"callback", "subscription"}), lines["daemon"]
    assert "leads elsewhere" in lines["callback"]["advice"]
    assert "--replace" in lines["subscription"]["advice"]
    # What was looked at with wrong settings is not remembered: the daemon is as well as before.
    async with daemon.look_inside() as connection:
        assert await connection.fetchval("SELECT subscription_state FROM apps") == "verified"

    # 4. An athlete who granted nothing of use.
    async with daemon.look_inside() as connection:
        await connection.execute(
            "UPDATE athletes SET scope = '{read}' WHERE athlete_id = (SELECT min(athlete_id) FROM athletes)"
        )
    status, lines = await examined(daemon)
    assert (status, only_wrong(lines)) == (1, {"athletes"}), lines["daemon"]
    assert "1 have not granted activity:read" in lines["athletes"]["found"]

    # 5. A server that forgets at a power cut.
    async with daemon.look_inside() as connection:
        await connection.execute("ALTER SYSTEM SET full_page_writes = off")
        await connection.execute("SELECT pg_reload_conf()")
    status, lines = await examined(daemon)
    assert status == 1
    assert {"durability"} <= only_wrong(lines)
    assert "full_page_writes off" in lines["durability"]["found"]

    # For people, in a table, without a secret.
    status, output, _ = await daemon.command("doctor")
    assert status == 1
    assert "things to see to" in output
    assert daemon.webhook_url.rpartition("/")[2] not in output


async def test_a_database_that_is_away_is_a_line_and_the_rest_is_looked_at(make_house: MakeHouse) -> None:
    daemon = await make_house(started=False, database__url='"postgresql://nobody:wrong@127.0.0.1:1/none"')
    status, lines = await examined(daemon)
    assert status == 1
    assert lines["database"]["verdict"] == "failing"
    assert "database.url" in lines["database"]["advice"]
    assert lines["disk"]["verdict"] == "ok"
    assert "wrong" not in json.dumps(lines)


def with_value(text: str, key: str, value: str) -> str:
    lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines()]
    assert f"{key} = {value}" in lines
    return "\n".join(lines) + "\n"

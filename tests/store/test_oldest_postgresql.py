"""The oldest PostgreSQL that the documents promise, where the machine has one: every migration and query fits it.

The embedded server is a newer one; what only that understands would be found by an operator with his own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg
import pytest

from daemon.store import installation
from daemon.store.database import Database, named_queries
from daemon.store.embedded import EmbeddedServer
from daemon.store.migrate import migrate
from daemon.store.processes import answer
from tests.store.test_queries import QUERIES

OLDEST: Final = 15
PROGRAMS: Final = Path(f"/usr/lib/postgresql/{OLDEST}/bin")  # where Debian puts them


@pytest.mark.skipif(not (PROGRAMS / "initdb").exists(), reason=f"there is no PostgreSQL {OLDEST} on this machine")
async def test_it_takes_every_migration_and_every_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "packaged_programs", lambda: PROGRAMS)
    home = tmp_path / "postgresql"
    home.mkdir(mode=0o700)
    (home / "password").write_text("as good as any")
    postgres = await installation.installation(tmp_path, home)
    postgres.identity.adopt(home)
    command = [
        f"{postgres.programs}/initdb", f"--pgdata={home / 'data'}", "--username=domestique", "--auth=scram-sha-256",
        f"--pwfile={home / 'password'}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
    ]  # fmt: skip
    assert (await answer(postgres.identity, command))[0] == 0

    refused: dict[str, str] = {}
    async with (
        EmbeddedServer(tmp_path) as server,
        Database(server.connect_arguments(), pool_size=1) as database,
        database.connection() as connection,
    ):
        assert int(await connection.fetchval("SHOW server_version_num")) // 10_000 == OLDEST
        await migrate(connection)
        for table, name in QUERIES:
            try:
                await connection.prepare(getattr(named_queries(table), name).sql)
            except asyncpg.PostgresError as error:
                refused[f"{table}.{name}"] = str(error)
    assert refused == {}

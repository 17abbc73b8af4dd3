"""Migrations: files in sql/migrations, applied once each, in order, whole or not at all.

Contents are hashed: a file that was changed after it ran is refused, since the database no longer matches it.
This module refuses to go backwards; a downgrade is a restore.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon.core.errors import Permanent
from daemon.store.database import LEAST_MAJOR, SQL_DIRECTORY, Connection

LOCK_KEY: Final = 0x646F6D65737471  # any constant: one migration at a time per database
LONGEST_SECONDS: Final = 24 * 3600.0  # a large table takes its time, longer than any other statement may


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, name, text and the hash of the text."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Return the hash that is recorded when it has run."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(directory: Path = SQL_DIRECTORY / "migrations") -> list[Migration]:
    """Read all migrations in order; numbers run from 1 without a gap."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        number, _, _ = path.stem.partition("_")
        found.append(
            Migration(int(number) if number.isdecimal() else 0, path.stem, path.read_text(encoding="utf-8"))
        )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise Permanent(f"migrations in {directory} are not numbered 1, 2, 3 …")
    return found


async def migrate(connection: Connection, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing and return the names applied.

    Raises Permanent where the database is too old a PostgreSQL, newer than this program, or was migrated from
    other contents.
    """
    migrations = read() if migrations is None else migrations
    major = connection.get_server_version().major
    if major < LEAST_MAJOR:
        raise Permanent(f"PostgreSQL {major} is too old: Domestique needs {LEAST_MAJOR} or newer")
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY, timeout=LONGEST_SECONDS)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT number, name, sha256 FROM migrations ORDER BY number")
        applied = {row["number"]: dict(row) for row in rows}
        _refuse_strangers(migrations, applied)
        fresh = [migration for migration in migrations if migration.number not in applied]
        for migration in fresh:
            async with connection.transaction():
                await connection.execute(migration.text, timeout=LONGEST_SECONDS)
                await connection.execute(
                    "INSERT INTO migrations (number, name, sha256) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.sha256,
                )
        return [migration.name for migration in fresh]
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def applied_names(connection: Connection) -> list[str]:
    """Return the names of the migrations that this database has, oldest first."""
    return [row["name"] for row in await connection.fetch("SELECT name FROM migrations ORDER BY number")]


def _refuse_strangers(migrations: list[Migration], applied: Mapping[int, Mapping[str, Any]]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, row in applied.items():
        migration = known.get(number)
        if migration is None:
            raise Permanent(
                f"the database has migration {row['name']} which this version does not know:"
                " it was used by a newer Domestique. Install that version, or restore a backup from before."
            )
        if migration.sha256 != row["sha256"]:
            raise Permanent(
                f"sql/migrations/{migration.name}.sql was changed after it ran on this database."
                " Put the released file back; a change belongs in a new file."
            )

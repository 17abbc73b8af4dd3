"""One file with everything, made by pg_dump while the daemon works; and a database put back from it by pg_restore.

A restore is one transaction: whatever fails or is killed on the way, the database stays what it was.

Refuses: to restore beside a running daemon, over tables unless told to, and what a newer Domestique has written.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from daemon.core.errors import Permanent
from daemon.store.database import Database, named_queries
from daemon.store.embedded import EmbeddedServer
from daemon.store.installation import packaged_programs
from daemon.store.migrate import LOCK_KEY, read

_queries: Final = named_queries("backups")
_PIECE_BYTES: Final = 1 << 18
_LONGEST_COMPLAINT: Final = 2000

# What stands around pg_restore's own statements. A daemon that starts meanwhile waits for the migrations' lock.
_BEGIN: Final = f"""
SET client_min_messages = warning;
BEGIN;
SELECT pg_advisory_xact_lock({LOCK_KEY});
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
"""
_COMMIT: Final = """
DO $$ BEGIN
    IF to_regclass('public.migrations') IS NULL THEN
        RAISE 'this is no backup of Domestique: it holds no table migrations';
    END IF;
    IF (SELECT max(number) FROM public.migrations) > {newest} THEN
        RAISE 'this backup was made by a newer Domestique: install that version or a later one, then restore';
    END IF;
END $$;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How PostgreSQL's programs reach the database; a password stands in the environment, not in a process list."""

    folder: str | None  # of the programs; None: where the system has them
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def command(self, program: str) -> str:
        """Return the path of a program; raises Permanent where there is none."""
        found = shutil.which(program, path=self.folder)
        if found is None:
            raise Permanent(
                f"{program} is not installed: install PostgreSQL's client programs of the server's version"
                " (Debian: apt install postgresql-client)"
            )
        return found


def access_to(server: EmbeddedServer | None, url: str) -> Access:
    """Return how to reach the embedded server, or the database that `url` names."""
    if server is not None:
        known = server.connect_arguments()
        named: dict[str, Any] = {
            "PGHOST": known["host"],
            "PGPORT": known["port"],
            "PGUSER": known["user"],
            "PGPASSWORD": known["password"],
            "PGDATABASE": known["database"],
        }
        environment = {name: str(value) for name, value in named.items()}
        return Access(str(packaged_programs()), (), environment)
    # From PATH: programs that are newer than the server dump it, but write what it cannot read back.
    address, password = without_password(url)
    return Access(None, ("--dbname", address), {"PGPASSWORD": password} if password else {})


def without_password(url: str) -> tuple[str, str]:
    """Take the password out of a database address, wherever it stands in it; "" where there is none."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = parse_qsl(parts.query, keep_blank_values=True)
    password = next((value for name, value in options if name == "password"), unquote(password))
    query = urlencode([(name, value) for name, value in options if name != "password"], quote_via=quote)
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}", query=query)), password


async def dump(access: Access, output: BinaryIO) -> None:
    """Write a backup to an open file or pipe; raises Permanent where that fails: what was written is no backup."""
    # Through a pipe: into a file that it can wind back, pg_dump writes its table of contents twice.
    process = await _start(
        access, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", stdin=DEVNULL, stdout=PIPE
    )
    try:
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(_outcome(process))
            group.create_task(_write_down(process, output))
    except* OSError as errors:
        raise Permanent(f"the backup could not be written: {errors.exceptions[0]}") from errors
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    code, complaint = ended.result()
    if code != 0:
        raise Permanent(f"pg_dump ended with status {code}: {complaint}")


async def _write_down(process: Process, output: BinaryIO) -> None:
    assert process.stdout is not None
    while piece := await process.stdout.read(_PIECE_BYTES):
        output.write(piece)
    output.flush()


async def refuse_to_restore(database: Database, server: EmbeddedServer | None, *, replace: bool) -> None:
    """Raise Permanent where somebody uses the database, or where it holds tables that may not be replaced."""
    async with database.connection() as connection:
        others = await _queries.count_users(connection)
        tables = await _queries.count_tables(connection)
    if others or (server is not None and not server.owner):
        raise Permanent(
            "a daemon or a command uses this database: stop them first"
            " (systemctl stop domestique.socket domestique.service)"
        )
    if tables and not replace:
        raise Permanent(
            f"the database holds {tables} tables already: --replace has them dropped when the backup is in."
            " `domestique backup` keeps what they hold"
        )


async def restore(access: Access, backup: BinaryIO) -> None:
    """Put the database back to what an open backup holds, wholly or not at all.

    Raises Permanent where the backup cannot be read or does not fit.
    """
    reader = await _start(
        access, "pg_restore", "--no-owner", "--no-privileges", "--file=-", stdin=backup, stdout=PIPE, connects=False
    )
    writer = await _start(access, "psql", *_PSQL, stdin=PIPE, stdout=DEVNULL)
    try:
        async with asyncio.TaskGroup() as group:
            # Their complaints are read meanwhile: a full pipe would stop them.
            read_well = group.create_task(_outcome(reader))
            written_well = group.create_task(_outcome(writer))
            group.create_task(_pass_on(reader, writer))
    finally:
        for process in (reader, writer):
            with suppress(ProcessLookupError):
                process.kill()
    for program, task in (("pg_restore", read_well), ("psql", written_well)):
        code, complaint = task.result()
        if code != 0:
            raise Permanent(f"nothing was restored: {program} ended with status {code}: {complaint}")


_PSQL: Final = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")


async def _pass_on(reader: Process, writer: Process) -> None:
    """Put what pg_restore makes into one transaction, and commit it only if pg_restore came to its end."""
    assert reader.stdout is not None
    assert writer.stdin is not None
    with suppress(ConnectionError):  # psql has ended: its status and its complaint say why
        writer.stdin.write(_BEGIN.encode())
        while piece := await reader.stdout.read(_PIECE_BYTES):
            writer.stdin.write(piece)
            await writer.stdin.drain()
        if await reader.wait() == 0:
            writer.stdin.write(_COMMIT.format(newest=read()[-1].number).encode())
            await writer.stdin.drain()
    while await reader.stdout.read(_PIECE_BYTES):  # or it would wait for us for ever
        pass
    writer.stdin.close()


async def _start(
    access: Access, program: str, *arguments: str, stdin: Any, stdout: Any, connects: bool = True
) -> Process:
    return await asyncio.create_subprocess_exec(
        access.command(program),
        *(access.arguments if connects else ()),
        *arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=PIPE,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PGAPPNAME": f"domestique {program}",
            **access.environment,
        },
    )


async def _outcome(process: Process) -> tuple[int, str]:
    """Wait for the end; return the exit status and the last of what was complained about."""
    assert process.stderr is not None
    complaint = b""
    while piece := await process.stderr.read(_PIECE_BYTES):
        complaint = (complaint + piece)[-_LONGEST_COMPLAINT:]
    return await process.wait(), complaint.decode(errors="replace").strip()

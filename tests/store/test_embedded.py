"""The embedded PostgreSQL: who owns it, what survives which death, and what it refuses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import pwd
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from daemon.core.errors import Permanent
from daemon.store import embedded
from daemon.store.embedded import EmbeddedServer
from daemon.store.processes import living_in, named_in
from tests.support.embedded_owner import UNSHARE_NUMBERS

PROJECT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest_asyncio.fixture(scope="session")
async def initialised(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """One server's directory for the whole session, with a table; under a name that needs quoting."""
    directory = tmp_path_factory.mktemp("initialised") / 'a, "b"'
    async with EmbeddedServer(directory) as server, connected(server) as connection:
        await connection.execute("CREATE TABLE rides (name text); INSERT INTO rides VALUES ('first')")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def directory(initialised: Path) -> Iterator[Path]:
    """The session's directory: no server runs in it before the test, nor after."""
    yield initialised
    assert postgres_processes(initialised) == []


@pytest.fixture
def new_directory(tmp_path: Path) -> Iterator[Path]:
    """Where nothing is yet; what a test leaves there is too big to keep."""
    yield tmp_path / "new" / "var"
    shutil.rmtree(tmp_path / "new")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def changed(file: Path, content: bytes) -> Iterator[None]:
    """Let a file hold something else for a while."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


@asynccontextmanager
async def connected(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(**server.connect_arguments())
    try:
        yield connection
    finally:
        # Not close(): it waits for an answer, which a killed server does not give.
        connection.terminate()


async def rides(server: EmbeddedServer) -> set[str]:
    async with connected(server) as connection:
        return {row["name"] for row in await connection.fetch("SELECT name FROM rides")}


async def add_ride(connection: asyncpg.Connection) -> str:
    name = secrets.token_hex(4)
    await connection.execute("INSERT INTO rides VALUES ($1)", name)
    return name


def postgres_processes(directory: Path) -> list[int]:
    return living_in(directory / "postgresql" / "data", "postgres")


def postmaster(directory: Path) -> int:
    return int((directory / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def until_restarted(directory: Path, server: EmbeddedServer, old: int) -> set[str]:
    """Wait for a new postmaster that answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                names = await rides(server)
                if postmaster(directory) != old:
                    return names
            except (OSError, ValueError, IndexError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            await asyncio.sleep(0.02)


class Holder:
    """Another process that holds a server, and what it said first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self) -> dict[str, object]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    async def end(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        await self.process.wait()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def holder(directory: Path, *options: str) -> AsyncIterator[Holder]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.embedded_owner", str(directory), *options,
        cwd=PROJECT, stdin=pipe, stdout=pipe,
    )  # fmt: skip
    held = Holder(process)
    try:
        yield held
    finally:
        await held.end()


@asynccontextmanager
async def watched(server: EmbeddedServer) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(server.watch())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# Starting and stopping


async def test_the_server_is_private_durable_and_speaks_utc(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")  # what psql users have lying around
    monkeypatch.setenv("PGDATA", "/nowhere")
    async with EmbeddedServer(directory) as server, connected(server) as connection:
        rows = await connection.fetch("SELECT name, setting FROM pg_settings")
        setting = {row["name"]: row["setting"] for row in rows}
        database = await connection.fetchrow(
            "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding) AS encoding, datname"
            " FROM pg_database WHERE datname = current_database()"
        )
        assert server.owner
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**{**server.connect_arguments(), "password": "guess"})

    assert setting["listen_addresses"] == ""
    assert (setting["fsync"], setting["full_page_writes"], setting["data_checksums"]) == ("on", "on", "on")
    assert (setting["TimeZone"], setting["jit"], setting["max_connections"]) == ("UTC", "off", "100")
    assert setting["password_encryption"] == "scram-sha-256"
    assert database is not None
    assert tuple(database) == ("b", "C.UTF-8", "UTF8", "domestique")
    home = directory / "postgresql"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes == {"data": 0o700, "socket": 0o700, "password": 0o600, "server.log": 0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert len((home / "password").read_text()) >= 43
    assert "md5" not in (home / "data" / "pg_hba.conf").read_text().split("# TYPE")[1]
    assert sorted(path.name for path in home.parent.iterdir()) == ["postgresql", "postgresql.lock"]


async def test_a_second_start_finds_the_rows_and_a_stop_leaves_no_process(directory: Path) -> None:
    started_at = time.monotonic()
    async with EmbeddedServer(directory) as server:
        assert time.monotonic() - started_at < 3  # milliseconds on an idle machine: nothing is made anew
        assert "first" in await rides(server)
        assert os.getsid(postmaster(directory)) != os.getsid(0)  # Ctrl-C in our terminal is not for it

    assert postgres_processes(directory) == []
    assert "database system is shut down" in (directory / "postgresql" / "server.log").read_text()


async def test_a_long_log_is_set_aside_at_the_start(directory: Path) -> None:
    log = directory / "postgresql" / "server.log"
    log.write_text("x" * 4_000_001)

    async with EmbeddedServer(directory):
        assert log.stat().st_size < 10_000
        assert (directory / "postgresql" / "server.log.1").stat().st_size == 4_000_001


async def test_too_long_a_path_puts_the_socket_elsewhere_and_as_private(
    initialised: Path, new_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    directory = new_directory / ("long" * 25)
    shutil.copytree(initialised, directory)
    digest = hashlib.sha256(os.fsencode(directory / "postgresql")).hexdigest()
    sockets = tmp_path / "tmp" / f"domestique-{digest[:16]}"

    async with EmbeddedServer(directory) as server:
        assert "first" in await rides(server)
        assert server.connect_arguments()["host"] == str(sockets)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700

    shutil.rmtree(sockets)
    sockets.symlink_to(tmp_path)  # somebody else was there first
    with pytest.raises(Permanent, match="belongs to somebody else"):
        await EmbeddedServer(directory).__aenter__()


# Owner and guests


async def test_a_guest_uses_the_owners_server_and_leaves_it_running(directory: Path) -> None:
    async with EmbeddedServer(directory) as owner:
        first = postmaster(directory)
        async with EmbeddedServer(directory) as guest:
            assert (owner.owner, guest.owner) == (True, False)
            assert "first" in await rides(guest)
        assert postmaster(directory) == first
        assert "first" in await rides(owner)


async def test_of_processes_that_start_at_the_same_instant_exactly_one_owns_the_server(new_directory: Path) -> None:
    async with AsyncExitStack() as stack:
        holders = [await stack.enter_async_context(holder(new_directory)) for _ in range(2)]
        answers = [await one.said() for one in holders]

        assert sorted(str(answer["owner"]) for answer in answers) == ["False", "True"]
        assert len([pid for pid in postgres_processes(new_directory) if pid == postmaster(new_directory)]) == 1
        # Guests end first here, so that the stack never waits for one that lost its server.
        for one, answer in zip(holders, answers, strict=True):
            if not answer["owner"]:
                await one.end()


async def test_a_watching_guest_takes_over_when_the_owner_goes(directory: Path) -> None:
    async with AsyncExitStack() as first:
        await first.enter_async_context(EmbeddedServer(directory))
        old = postmaster(directory)
        async with EmbeddedServer(directory) as guest, watched(guest):
            await first.aclose()

            assert "first" in await until_restarted(directory, guest, old)
            assert guest.owner

    assert postgres_processes(directory) == []


# Deaths


async def test_a_killed_owner_takes_the_server_along_and_the_next_one_finds_what_was_committed(
    directory: Path,
) -> None:
    async with holder(directory) as held:
        assert await held.said() == {"owner": True}
        async with connected(EmbeddedServer(directory)) as connection:
            name = await add_ride(connection)
            await held.kill()
            await until(lambda: postgres_processes(directory) == [])

    async with EmbeddedServer(directory) as server:
        assert name in await rides(server)


async def test_a_new_owner_waits_for_the_killed_owners_server_to_finish(directory: Path) -> None:
    async with holder(directory) as held:
        await held.said()
        old = postmaster(directory)
        os.kill(old, signal.SIGSTOP)  # a shutdown that takes its time
        await held.kill()

        starting = asyncio.create_task(EmbeddedServer(directory).__aenter__())
        await asyncio.sleep(0.3)
        assert not starting.done()
        assert postmaster(directory) == old
        os.kill(old, signal.SIGCONT)

        server = await starting
        assert "first" in await rides(server)
        await server.__aexit__()


async def test_an_old_server_that_does_not_stop_is_killed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOPS", tuple((number, 0.1) for number, _ in embedded._STOPS))
    async with holder(directory) as held:
        await held.said()
        old = postmaster(directory)
        os.kill(old, signal.SIGSTOP)
        await held.kill()

        async with EmbeddedServer(directory) as server:
            assert "first" in await rides(server)
            assert postmaster(directory) != old


async def test_a_killed_postmaster_is_replaced(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching, connected(server) as connection:
        name = await add_ride(connection)
        # A backend that computes does not notice that its postmaster is gone, and keeps the shared memory.
        busy = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 10000000000)"))
        await asyncio.sleep(0.1)
        old = postmaster(directory)
        os.kill(old, signal.SIGKILL)

        assert name in await until_restarted(directory, server, old)
        assert not watching.done()
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await busy


async def test_when_every_process_of_postgresql_is_killed_it_recovers(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        async with connected(server) as connection:
            name = await add_ride(connection)
            old = postmaster(directory)
            for pid in [old, *postgres_processes(directory)]:
                os.kill(pid, signal.SIGKILL)

        assert name in await until_restarted(directory, server, old)
        assert not watching.done()


async def test_a_server_that_is_killed_again_while_it_starts_is_still_replaced(directory: Path) -> None:
    def kill_any() -> bool:
        found = postgres_processes(directory)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    async with EmbeddedServer(directory) as server, watched(server) as watching:
        for _ in range(3):
            await until(kill_any)

        old = named_in(directory / "postgresql" / "data" / "postmaster.pid")
        assert "first" in await until_restarted(directory, server, old)
        assert not watching.done()


async def test_a_server_killed_the_moment_it_answers_is_still_replaced(directory: Path) -> None:
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        for _ in range(3):
            old = postmaster(directory)
            os.kill(old, signal.SIGKILL)
            assert "first" in await until_restarted(directory, server, old)

        assert not watching.done()


async def test_a_server_that_ends_again_and_again_is_given_up_with_its_log(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_RESTARTS", 2)
    async with EmbeddedServer(directory) as server, watched(server) as watching:
        with changed(directory / "postgresql" / "data" / "postgresql.conf", b"max_connections = none\n"):
            os.kill(postmaster(directory), signal.SIGKILL)

            with pytest.raises(Permanent, match="ended 3 times within 60 s") as caught:
                await asyncio.wait_for(watching, 20)

    assert 'invalid value for parameter "max_connections"' in str(caught.value)


async def test_an_owner_killed_while_it_makes_the_data_directory_leaves_nothing_half(new_directory: Path) -> None:
    async with holder(new_directory) as held:
        await until(lambda: any(new_directory.glob("postgresql.unfinished-*/data/global")))
        await held.kill()
    assert not (new_directory / "postgresql").exists()

    async with EmbeddedServer(new_directory) as server, connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert sorted(path.name for path in new_directory.iterdir()) == ["postgresql", "postgresql.lock"]


async def test_a_stranger_with_the_old_servers_number_does_not_keep_us_from_starting(directory: Path) -> None:
    # As after a reboot, or in a container that was started again.
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        data = directory / "postgresql" / "data"
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n0\n5432\n/\n\n\nready\n")
        (directory / "postgresql" / "socket" / ".s.PGSQL.5432.lock").write_text(
            f"{stranger.pid}\n{data}\n0\n5432\n/\n"
        )

        async with EmbeddedServer(directory) as server:
            assert "first" in await rides(server)
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_an_interrupted_start_leaves_no_process_and_no_lock(directory: Path) -> None:
    entering = asyncio.create_task(EmbeddedServer(directory).__aenter__())
    await until(lambda: bool(postgres_processes(directory)))
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert postgres_processes(directory) == []
    async with EmbeddedServer(directory) as server:
        assert server.owner


# Refusals


async def test_data_of_another_major_version_is_refused_with_the_way_out(directory: Path) -> None:
    with (
        changed(directory / "postgresql" / "data" / "PG_VERSION", b"17\n"),
        pytest.raises(Permanent, match="was written by PostgreSQL 17; this is PostgreSQL 18") as caught,
    ):
        await EmbeddedServer(directory).__aenter__()

    for command in ("pg_dump -h ", "pg_restore -h "):
        assert command in str(caught.value)
    assert f"PGPASSWORD=$(cat '{directory}/postgresql'/password)" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("global/pg_control", bytes(8192), "the data is damaged: restore a backup"),
        ("postgresql.conf", b"nonsense = 1", "see .*server.log"),
    ],
)
async def test_a_failed_start_shows_the_log_and_what_to_do(
    directory: Path, file: str, content: bytes, told: str
) -> None:
    with (
        changed(directory / "postgresql" / "data" / file, content),
        pytest.raises(Permanent, match=told) as caught,
    ):
        await EmbeddedServer(directory).__aenter__()

    assert "FATAL: " in str(caught.value)
    assert "received fast shutdown request" not in str(caught.value)  # the server before that one said so


async def test_a_data_directory_that_is_open_to_others_is_told(directory: Path) -> None:
    data = directory / "postgresql" / "data"
    data.chmod(0o777)
    try:
        with pytest.raises(Permanent, match="its files must belong to the user who runs it"):
            await EmbeddedServer(directory).__aenter__()
    finally:
        data.chmod(0o700)


async def test_a_password_file_of_another_server_is_told(directory: Path) -> None:
    with (
        changed(directory / "postgresql" / "password", b"another"),
        pytest.raises(Permanent, match="does not accept the password in "),
    ):
        await EmbeddedServer(directory).__aenter__()


async def test_a_password_file_that_is_gone_is_told(directory: Path) -> None:
    password = directory / "postgresql" / "password"
    password.rename(password.with_name("elsewhere"))
    try:
        with pytest.raises(Permanent, match=r"cannot be started: .*No such file"):
            await EmbeddedServer(directory).__aenter__()
    finally:
        password.with_name("elsewhere").rename(password)


async def test_starting_from_a_helper_thread_is_refused(directory: Path) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            asyncio.run(EmbeddedServer(directory).__aenter__())
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == [
        "start PostgreSQL from the main thread: it stops when the thread that started it ends"
    ]


# Users


@needs_root
async def test_roots_server_is_not_root(directory: Path) -> None:
    async with EmbeddedServer(directory):
        namespace = Path(f"/proc/{postmaster(directory)}/ns/user").readlink()
        assert namespace != Path("/proc/self/ns/user").readlink()


@needs_root
async def test_a_plain_user_runs_a_server(initialised: Path, open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = open_folder / "var"
    directory.mkdir()
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)

    async with holder(directory, f"--as-nobody={initialised}") as held:
        assert await held.said() == {"owner": True}
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in postgres_processes(directory)} == {nobody.pw_uid}
        await held.kill()
        await until(lambda: postgres_processes(directory) == [])

    # Root may help out there, and leaves nothing that would lock the user out.
    (directory / "postgresql" / "server.log").unlink()
    async with EmbeddedServer(directory) as server:
        assert server.owner
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in postgres_processes(directory)} == {nobody.pw_uid}
    assert {path.lstat().st_uid for path in directory.rglob("*")} == {nobody.pw_uid}


@needs_root
@pytest.mark.skipif(platform.machine() not in UNSHARE_NUMBERS, reason="the number of unshare(2) is not known here")
async def test_where_namespaces_are_forbidden_roots_server_runs_as_nobody_from_copied_binaries(
    initialised: Path, open_folder: Path
) -> None:
    directory = open_folder / "var"
    shutil.copytree(initialised, directory)  # made by root in a namespace of its own
    directory.chmod(0o755)
    options = ("--without-namespaces", f"--hiding={open_folder / 'hidden'}")

    async with holder(directory, *options) as held:
        assert await held.said() == {"owner": True}
        nobody = pwd.getpwnam("nobody").pw_uid
        running = postgres_processes(directory)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in running} == {nobody}
        assert Path(f"/proc/{running[0]}/exe").readlink().is_relative_to(directory)
        assert "first" in await rides(EmbeddedServer(directory))
        await held.kill()
        await until(lambda: postgres_processes(directory) == [])


@needs_root
@pytest.mark.skipif(platform.machine() not in UNSHARE_NUMBERS, reason="the number of unshare(2) is not known here")
async def test_a_directory_that_nobody_may_enter_is_told_where_namespaces_are_forbidden(
    new_directory: Path,
) -> None:
    new_directory.parent.mkdir(mode=0o700)

    async with holder(
        new_directory, "--without-namespaces", f"--hiding={new_directory.with_name('hidden')}"
    ) as held:
        answer = await held.said()

    assert "choose a database.directory that every user may enter" in str(answer.get("error"))

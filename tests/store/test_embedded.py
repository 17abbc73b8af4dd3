"""The embedded PostgreSQL: what it is, who owns it, whom it serves as, and what it refuses."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import pwd
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from daemon.core.errors import Permanent
from daemon.store.embedded import EmbeddedServer
from tests.support.embedded import (
    changed,
    connected,
    holder,
    postgres_processes,
    postmaster,
    rides,
    until,
    until_restarted,
    watched,
)
from tests.support.embedded_owner import UNSHARE_NUMBERS

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


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
    home = directory / "postgresql"
    made = {path: path.stat().st_mtime_ns for path in (home / "password", home / "data" / "PG_VERSION")}
    async with EmbeddedServer(directory) as server:
        assert {path: path.stat().st_mtime_ns for path in made} == made  # nothing is made anew
        assert "first" in await rides(server)
        assert os.getsid(postmaster(directory)) != os.getsid(0)  # Ctrl-C in our terminal is not for it

    assert postgres_processes(directory) == []
    assert "database system is shut down" in (home / "server.log").read_text()


async def test_a_long_log_is_set_aside_at_the_start(directory: Path) -> None:
    log = directory / "postgresql" / "server.log"
    log.write_text("x" * 4_000_001)

    async with EmbeddedServer(directory):
        assert log.stat().st_size < 10_000
        assert (directory / "postgresql" / "server.log.1").stat().st_size == 4_000_001


async def test_too_long_a_path_puts_the_socket_elsewhere_and_as_private(
    initialised: Path, new_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as short:  # pytest's own folders may be too long already
        monkeypatch.setattr(tempfile, "tempdir", short)
        await the_socket_is_put_elsewhere(initialised, new_directory, tmp_path, Path(short))


async def the_socket_is_put_elsewhere(initialised: Path, new_directory: Path, tmp_path: Path, short: Path) -> None:
    directory = new_directory / ("long" * 25)
    shutil.copytree(initialised, directory)
    digest = hashlib.sha256(os.fsencode(directory / "postgresql")).hexdigest()
    sockets = short / f"domestique-{digest[:16]}"

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
        async with EmbeddedServer(directory) as guest:
            assert not guest.owner
        await held.kill()
        await until(lambda: postgres_processes(directory) == [])

    # Root's files would lock that user out.
    with pytest.raises(Permanent, match=rf"belongs to user {nobody.pw_uid}, .* run this as that user"):
        await EmbeddedServer(directory).__aenter__()
    assert {path.lstat().st_uid for path in directory.rglob("*")} == {nobody.pw_uid}


@needs_root
async def test_root_makes_no_lock_in_another_users_directory(open_folder: Path) -> None:
    os.chown(open_folder, pwd.getpwnam("nobody").pw_uid, -1)

    with pytest.raises(Permanent, match="run this as that user"):
        await EmbeddedServer(open_folder).__aenter__()
    assert list(open_folder.iterdir()) == []


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

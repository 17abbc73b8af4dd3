"""Starts PostgreSQL's programs as a user they accept, tied to the life of this process, and finds old ones.

Refuses to know what the programs do, and to start any from a helper thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a program runs: the owner of its files, and the way there from this process."""

    uid: int
    gid: int
    enter: Callable[[], None]

    def adopt(self, path: Path) -> None:
        """Give a tree to this identity unless it has it already (only root ever needs to)."""
        if path.lstat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(path):
            for name in ("", *files):
                os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)


def identities(home: Path) -> list[Identity]:
    """List who may run the server whose files lie there, or will; the best first. PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return [Identity(os.geteuid(), os.getegid(), lambda: None)]
    if home.exists() and home.stat().st_uid != 0:  # made where namespaces were forbidden
        return [_other(home.stat().st_uid, home.stat().st_gid)]
    nobody = pwd.getpwnam("nobody")
    return [Identity(0, 0, _enter_namespace), _other(nobody.pw_uid, nobody.pw_gid)]


def _other(uid: int, gid: int) -> Identity:
    def enter() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    return Identity(uid, gid, enter)


def _enter_namespace() -> None:
    """Enter a user namespace without a mapping: in it root is nobody in particular, yet owns root's files."""
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are forbidden here")


def spawn(identity: Identity, command: list[str], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program that is told to stop (SIGINT) when this process dies, however it dies.

    Raises SubprocessError where the way to the identity is barred, PermissionError where it cannot reach the
    program. The kernel sends the signal when the *thread* that forked ends, so a server started by a helper
    thread would stop as soon as that thread has done its work: only the main thread lives as long as we do.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start PostgreSQL from the main thread: it stops when the thread that started it ends")
    parent = os.getpid()

    def prepare() -> None:
        identity.enter()
        # Last, because a change of user clears it.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:  # we died before the kernel knew whom to tell
            os._exit(1)

    return subprocess.Popen(
        command,
        preexec_fn=prepare,  # noqa: PLW1509  (short, takes no lock, and the exec follows)
        start_new_session=True,  # Ctrl-C is for the daemon, which drains before it stops the server
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={"PATH": os.defpath, "TZ": "UTC"},  # neither PG… variables nor our secrets
        cwd="/",
    )


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child without a thread, which would hold up our own exit; gives its exit code."""
    if process.poll() is None:
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return process.wait()


async def answer(identity: Identity, command: list[str]) -> tuple[int, str]:
    """Run a short program to its end; gives its exit code and what it wrote."""
    with spawn(identity, command, subprocess.PIPE) as process:
        code = await ended(process)
        return code, process.stdout.read().decode(errors="replace") if process.stdout else ""


def living_in(directory: Path, program: str) -> list[int]:
    """Find the processes of a program whose working directory this is, of us and of those we may look at."""
    place = directory.resolve()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
                if (entry / "cwd").readlink() == place and (entry / "exe").readlink().name.startswith(program):
                    found.append(int(entry.name))
    return found


def named_in(file: Path) -> int:
    """Read the process id at the head of one of PostgreSQL's lock files; 0: none."""
    try:
        return int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def is_hidden(pid: int) -> bool:
    """Tell whether there is a process that does not let us see where it lives."""
    try:
        Path(f"/proc/{pid}/cwd").readlink()
    except PermissionError:
        return True
    except OSError:  # gone, or dead and not yet buried by its parent
        return False
    return False


def tell(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

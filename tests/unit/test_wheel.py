"""What is installed is whole: SQL, pages and the example of the settings come along."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daemon import __version__
from daemon.store.migrate import read
from tests.support.forked import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, and no checkout near it."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "installed")
    return directory / "installed"


def ran(installed: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=installed.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_command_says_its_version_and_brings_the_settings_along(installed: Path) -> None:
    assert ran(installed, "-m", "daemon", "--version") == f"domestique {__version__}\n"
    example = ran(installed, "-m", "daemon", "config", "example")
    assert example == (ROOT / "config.toml").read_text(encoding="utf-8")
    entry = next(installed.glob("*.dist-info/entry_points.txt")).read_text(encoding="utf-8")
    assert "domestique = daemon.__main__:main" in entry


def test_queries_migrations_and_pages_are_found_where_they_are_installed(installed: Path) -> None:
    program = (
        "import daemon.app, daemon.store.migrate as m; from daemon.web.pages.assets import Assets;"
        " import jinja2; jinja2.PackageLoader('daemon.web.pages').list_templates();"
        " Assets().address('style.css'); print(daemon.app.__file__, len(m.read()))"
    )
    where, count = ran(installed, "-c", program).split()
    assert Path(where).is_relative_to(installed)
    assert int(count) == len(read())


def test_every_file_that_is_no_code_is_in_the_wheel(installed: Path) -> None:
    for folder, inside in (("sql", "daemon/sql"), ("daemon/web/pages", "daemon/web/pages")):
        files = {
            path.relative_to(ROOT / folder)
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc"}
        }
        assert files
        assert all((installed / inside / file).is_file() for file in files)

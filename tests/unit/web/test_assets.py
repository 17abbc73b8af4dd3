"""What pages load: every file is found where a page or another file asks for it, and may be kept for ever."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import PurePosixPath

import pytest

from daemon.web.pages.assets import CHARTS, Assets

STATIC = files("daemon.web.pages") / "static"
SCRIPTS = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".js"))
IMPORT = re.compile(r'^(?:import|\} from)\s.*"(\./[^"]+)";$|^import "(\./[^"]+)";$', re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_there_under_the_version_of_the_script(name: str) -> None:
    assets = Assets()
    text = (STATIC / name).read_text(encoding="utf-8")
    imported = [one or other for one, other in IMPORT.findall(text)]
    assert len(imported) == len(re.findall(r'"\./', text))
    for path in imported:
        beside = str(PurePosixPath(assets.address(name)).parent / path)
        assert beside == assets.address(PurePosixPath(path).name)


def test_the_charts_change_their_address_only_with_their_package() -> None:
    assets = Assets()
    assert assets.address(CHARTS).split("/")[2] != assets.address("style.css").split("/")[2]

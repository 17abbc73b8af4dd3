"""The units and docs/install.md against the program that they are about."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.cli.main import COMMANDS
from daemon.config.settings import SECTIONS, Web
from daemon.web.bodies import LARGEST_BODY

PROJECT = Path(__file__).resolve().parents[2]
UNITS = PROJECT / "systemd"
SERVICE = (UNITS / "domestique.service").read_text(encoding="utf-8")
INSTALL = (PROJECT / "docs" / "install.md").read_text(encoding="utf-8")
MOST_EXPOSURE = 1.1


def test_every_credential_is_named_after_a_secret_setting() -> None:
    named = re.findall(r"LoadCredential=(\w+)\.(\w+):/etc/domestique/secrets/([\w.]+)", SERVICE + INSTALL)
    assert len(named) >= 4
    for section, key, file in named:
        assert "SecretStr" in repr(SECTIONS[section].model_fields[key].annotation)
        assert file == f"{section}.{key}"


def test_the_socket_listens_where_the_settings_look_for_the_daemon() -> None:
    socket = (UNITS / "domestique.socket").read_text(encoding="utf-8")
    host, port = (Web.model_fields[key].default for key in ("host", "port"))
    assert re.findall(r"^ListenStream=(.*)$", socket, re.MULTILINE) == [f"{host}:{port}"]


def test_every_command_of_the_instructions_is_one() -> None:
    named = re.findall(r"(?:^# |`|^.*&& |; )domestique ([a-z]+)", INSTALL, re.MULTILINE)
    assert len(named) > 10
    assert set(named) <= set(COMMANDS)


def test_every_setting_of_the_instructions_is_one() -> None:
    named = [
        (section, key)
        for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]+)?`", INSTALL)
        if section in SECTIONS and key != "toml"
    ]
    assert len(named) >= 5
    assert [name for name in named if name[1] not in SECTIONS[name[0]].model_fields] == []


def test_the_proxies_of_the_instructions_take_bodies_as_large_as_the_daemon_does() -> None:
    nginx = re.findall(r"client_max_body_size (\d+)m;", INSTALL)
    caddy = re.findall(r"max_size (\d+)MiB$", INSTALL, re.MULTILINE)
    assert [int(number) * 1024 * 1024 for number in nginx + caddy] == [LARGEST_BODY] * 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_the_service_is_hardly_exposed() -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(UNITS / "domestique.service")],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"Overall exposure level for domestique.service: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("script", ["install", "domestique"])
def test_the_scripts_are_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(UNITS / script)], check=True)

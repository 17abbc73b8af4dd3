"""The command line finds every command it lists, and imports no other for one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from daemon.cli import athletes
from daemon.cli.main import COMMANDS, app

runner = CliRunner()


@pytest.mark.parametrize("name", [*COMMANDS, *(f"athletes {name}" for name in athletes.ELSEWHERE)])
def test_every_command_that_is_listed_is_there_and_says_what_it_does(name: str) -> None:
    shown = runner.invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Usage" in shown.output


def test_an_unknown_command_is_named() -> None:
    told = runner.invoke(app, ["athletes", "lsit"])
    assert told.exit_code == 2
    assert "lsit" in told.output


def test_a_group_of_one_command_is_still_a_group() -> None:
    made = runner.invoke(app, ["keys", "create"])
    assert made.exit_code == 0, made.output


def test_making_a_token_imports_neither_jobs_nor_the_web() -> None:
    program = (
        "import sys; from daemon.cli.main import app; from typer.testing import CliRunner;"
        " CliRunner().invoke(app, ['tokens', 'create', '--help']);"
        " print([name for name in ('aiohttp', 'daemon.jobs', 'daemon.web') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_names_in_the_table_are_unique() -> None:
    assert typer.main.get_command(app).name == "domestique"
    assert len(set(COMMANDS.values())) == len(COMMANDS)

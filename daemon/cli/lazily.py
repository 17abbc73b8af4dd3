"""Groups whose commands are imported when they are called: most of a command's time was importing the others."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


def lazily(elsewhere: Mapping[str, str]) -> type[TyperGroup]:
    """Return a group that finds these commands, too: name → "module:attribute" in `daemon.cli`.

    The attribute is a command's function, or the Typer of a group. Help imports them all.
    """

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*elsewhere, *super().list_commands(ctx)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in elsewhere:
                return super().get_command(ctx, cmd_name)
            module, _, attribute = elsewhere[cmd_name].partition(":")
            found = getattr(import_module(f"daemon.cli.{module}"), attribute)
            if isinstance(found, typer.Typer):
                command: Any = typer.main.get_group(found)
            else:
                alone = typer.Typer(add_completion=False)
                alone.command()(found)
                command = typer.main.get_command(alone)
            command.name = cmd_name
            return command

    return Group

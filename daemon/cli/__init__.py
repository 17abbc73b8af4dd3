"""The operator's commands, beside a running daemon or without one."""

from daemon.cli.main import main

__all__ = ["main"]

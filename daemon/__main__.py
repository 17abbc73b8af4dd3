"""`python -m daemon`: `run` starts the daemon; everything else is a command of `cli`."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import sys
from pathlib import Path


def main() -> int:
    """Dispatch; returns the exit status."""
    os.umask(0o077)  # whatever we write is the service's own
    if sys.argv[1:2] == ["run"]:
        return _run(sys.argv[2:])
    # Imported only here: the daemon itself needs neither typer nor rich.
    from daemon.cli import main as command  # noqa: PLC0415

    return command()


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="domestique run", description="Run the daemon until SIGTERM or Ctrl-C.")
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="default: config.toml")
    options = parser.parse_args(arguments)

    import uvloop  # noqa: PLC0415 — not before the arguments are right

    from daemon import config, logs  # noqa: PLC0415
    from daemon.app import run  # noqa: PLC0415
    from daemon.core.errors import DomestiqueError  # noqa: PLC0415
    from daemon.loops.supervisor import RootTaskEnded  # noqa: PLC0415

    try:
        settings = config.load(options.config)
    except config.ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 — the operator reads this before there are logs
        return 2
    # The watchdog ends us by SIGABRT: where the loop hung then stands in the log, as files and lines, no values.
    faulthandler.enable()
    logs.configure(settings.logs.level, settings.logs.format)
    logs.conceal(*config.secret_values(settings))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, options.config))
    except (DomestiqueError, RootTaskEnded) as error:
        print(f"domestique: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

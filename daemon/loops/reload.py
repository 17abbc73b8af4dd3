"""Reads the settings again when asked to (SIGHUP): what may change, changes; what may not, is named.

A file with a mistake changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from daemon import config, logs
from daemon.config import ConfigError, Settings
from daemon.config.changes import changes
from daemon.notify import notify, notify_reloading

log = structlog.get_logger()


class Reload:
    """Keeps the settings in force; run `run` for as long as anybody may ask."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._asked = asyncio.Event()
        self._listeners: list[Callable[[Settings], None]] = []

    def ask(self) -> None:
        """Have the settings read again; asked twice before that, they are read once."""
        self._asked.set()

    def on_change(self, listener: Callable[[Settings], None]) -> None:
        """Call this with the settings in force whenever some of them have changed; it must not fail."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Read again whenever asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            notify_reloading()
            self._read()
            notify("READY=1")

    def _read(self) -> None:
        try:
            fresh = config.load(self._path)
        except ConfigError as error:
            _refuse(str(error).splitlines())
            return
        logs.conceal(*config.secret_values(fresh))
        found = changes(self._settings, fresh)
        self._settings = found.settings
        # A person waits for this line: it is no mere info, and comes before the level that he may just have raised.
        log.warning("settings.reloaded", applied=found.applied, needs_restart=found.needs_restart)
        for listener in self._listeners:
            listener(found.settings)


def _refuse(problems: list[str]) -> None:
    log.error(
        "settings.refused", problems=problems, advice="the old ones stay in force: mend the file, reload again"
    )

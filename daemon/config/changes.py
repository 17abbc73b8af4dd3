"""What settings that were read anew mean for a daemon that runs: what holds at once, and what a restart brings.

Refuses to apply anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.config.report import describe
from daemon.config.settings import SECTIONS, Settings

# Whole sections, so that nobody has to know single keys. All else is wired into sockets, pools, clients and
# processes at the start: changing it there in flight would be a restart with more ways to go wrong.
AT_ONCE: Final = ("webhook", "retention", "logs")


@dataclass(frozen=True, slots=True)
class Changes:
    """The settings to go on with, and in words: what changed in them, and what differs but waits for a restart."""

    settings: Settings
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


def changes(running: Settings, fresh: Settings) -> Changes:
    """Hold what was read anew against what the daemon runs on; secrets are named, not shown."""
    before, after = ({setting.name: setting.value for setting in describe(one)} for one in (running, fresh))
    differing = [
        (section, f"{section}.{key}")
        for section, model in SECTIONS.items()
        for key in model.model_fields
        if getattr(getattr(running, section), key) != getattr(getattr(fresh, section), key)
    ]
    return Changes(
        running.model_copy(update={section: getattr(fresh, section) for section in AT_ONCE}),
        tuple(f"{name}: {before[name]} → {after[name]}" for section, name in differing if section in AT_ONCE),
        tuple(name for section, name in differing if section not in AT_ONCE),
    )

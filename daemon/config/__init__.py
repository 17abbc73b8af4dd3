"""Reads the settings once, at start: environment over credential files over one TOML file; then frozen.

Every mistake is told at once, each on a line of its own: where it stands, what is wrong, what to do.

Refuses: unknown names, wherever they come from; changes after the start; and to show a secret, whether in a
message, in a `repr` or in `describe`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from daemon.config.places import Place
from daemon.config.report import ConfigError, Setting, blame, describe, secret_values, sentence
from daemon.config.settings import (
    Database,
    Intervals,
    Jobs,
    Logs,
    Quota,
    Retention,
    Settings,
    Strava,
    Vault,
    Web,
    Webhook,
)
from daemon.config.sources import Layer, credential_files, environment, toml_file

__all__ = [
    "ConfigError",
    "Database",
    "Intervals",
    "Jobs",
    "Logs",
    "Quota",
    "Retention",
    "Setting",
    "Settings",
    "Strava",
    "Vault",
    "Web",
    "Webhook",
    "describe",
    "load",
    "secret_values",
]


def load(path: Path | None) -> Settings:
    """Read all sources, or raise ConfigError with every problem. `path` None: no file at all.

    A relative `database.directory` is meant from the file's folder (without a file: from where we are).
    """
    layers = [environment(), credential_files(), toml_file(path) if path else Layer()]
    problems = [problem for layer in layers for problem in layer.problems]
    places = {key: place for layer in reversed(layers) for key, place in layer.places.items()}
    sources = tuple(InitSettingsSource(Settings, dict(layer.values)) for layer in layers)
    # Through a dict: type checkers know only the fields, not the arguments that BaseSettings adds to them.
    arguments: dict[str, Any] = {"_build_sources": (sources, {})}
    try:
        settings: Settings | None = Settings(**arguments)
    except ValidationError as error:
        settings = None
        root = Place(0, str(path) if path else "settings")
        problems += [(blame(fault["loc"], places, root), sentence(fault)) for fault in error.errors()]
    if problems or settings is None:
        # The file's lines first, from top to bottom.
        problems.sort(key=lambda problem: (problem[0].line == 0, problem[0]))
        raise ConfigError("\n".join(f"{place}: {text}" for place, text in problems))
    directory = (path.parent if path else Path()).absolute() / settings.database.directory
    database = settings.database.model_copy(update={"directory": directory})
    settings = settings.model_copy(update={"database": database})
    settings._places = places
    return settings

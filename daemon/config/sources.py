"""Reads the three sources of settings: environment variables, systemd's credential files, one TOML file.

Refuses to check values: what cannot be read or named is a problem here, all else is for `settings`.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config.places import Place, locate
from daemon.config.report import ENVIRONMENT_PREFIX, ConfigError, suggestion
from daemon.config.settings import SECTIONS


@dataclass(frozen=True, slots=True)
class Layer:
    """One source: what it gives, where each value stands, and what is wrong with the rest.

    Every section is there, if empty, so that a missing key is told by its own name.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in SECTIONS})
    places: dict[tuple[str, ...], Place] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def put(self, name: str, value: str, place: Place) -> None:
        """Add one text, named `section.key`."""
        section, _, key = name.partition(".")
        if section in SECTIONS and key:
            self.values[section][key] = value
            self.places[section, key] = place
        else:
            self.problems.append((place, f"{name} is unknown{suggestion(name)}"))


def environment() -> Layer:
    """Read every variable that carries our prefix."""
    layer = Layer()
    for variable, value in sorted(os.environ.items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            layer.put(name, value, Place(0, f"environment variable {variable}"))
    return layer


def credential_files() -> Layer:
    """Read systemd's credential files, named `section.key`, each without its closing newline.

    Hidden entries are left alone: container mounts make them.
    """
    layer = Layer()
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return layer
    try:
        files = sorted(entry for entry in Path(folder).iterdir() if not entry.name.startswith("."))
    except OSError as error:
        layer.problems.append((Place(0, "CREDENTIALS_DIRECTORY"), f"cannot be read: {error.strerror}"))
        return layer
    for file in files:
        place = Place(0, f"credential {file.name}")
        try:
            layer.put(file.name, file.read_text(encoding="utf-8").rstrip("\r\n"), place)
        except OSError as error:
            layer.problems.append((place, f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError:
            layer.problems.append((place, "is not UTF-8 text"))
    return layer


def toml_file(path: Path) -> Layer:
    """Read the file; raises ConfigError where there is no telling what it holds."""
    text, document = _parsed(path)
    places = {key: Place(line, str(path)) for key, line in locate(text).items()}
    layer = Layer(places=places)
    for section, value in document.items():
        place = places[section,]
        if section not in SECTIONS:
            layer.problems.append((place, f"{section} is unknown{suggestion(section)}"))
        elif isinstance(value, dict):
            layer.values[section].update(value)
        else:
            layer.problems.append((place, f"{section} must be a table: write [{section}] on a line of its own"))
    return layer


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    # No cause is kept (`from None`): a traceback would show lines of the file.
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        advice = "copy config.toml from the project's root and adapt it, or name another file with --config"
        raise ConfigError(f"{path}: there is no such file: {advice}") from None
    except OSError as error:
        advice = "it must be a file that the daemon's user may read"
        raise ConfigError(f"{path}: cannot be read: {error.strerror}: {advice}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        reason, _, position = str(error).partition(" (at ")
        line = re.search(r"line (\d+)", position)
        place = Place(int(line[1]), str(path)) if line else Place(0, f"{path}, last line")
        raise ConfigError(f"{place}: is not valid TOML: {reason}") from None

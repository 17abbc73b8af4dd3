"""Domestique keeps many athletes' training load current."""

from pathlib import Path

__version__ = "0.1.0"


def brought_along(name: str) -> Path:
    """Return where something is that comes with the code: in the package once installed, in a checkout above."""
    package = Path(__file__).resolve().parent
    return package / name if (package / name).exists() else package.parent / name

"""A daemon and a sandbox, for the contracts that take both."""

from __future__ import annotations

from tests.flow.conftest import make_house, prepared

__all__ = ["make_house", "prepared"]

"""What forked processes have imported before they begin; see `forked`."""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a fork takes no threads along
import daemon.app
import sandbox.server

__all__ = ["daemon", "sandbox"]
